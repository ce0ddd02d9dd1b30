# SPDX-License-Identifier: Apache-2.0
"""The model: a frozen language model, experts on its linear layers, a gate, motion tables.

Letters: B batch, N rows of a sequence, P parts, D features, E experts, K codes a part.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import AssetError
from .configuration import HmvlmConfig
from .gate import Router
from .moe_lora import ADAPTER_WEIGHTS, inject_moe_lora
from .motion_head import MotionEmbedding, MotionHead
from .processing import EMPTY, IGNORE, HmvlmProcessor
from .prompt_encoders import PromptEncoder

_STD_ROWS = 1 << 16


class Hmvlm(nn.Module):
    """A causal language model that can also read and write motion.

    base: a Hugging Face causal LM; its layers get experts, everything else in it stays as it is.
    encoder: reads prompts for the gate; may be None where embeddings are given (in training).
    motion_tokenizer: codes to motion features and back; None where only tokens are needed.
    """

    def __init__(
        self,
        config: HmvlmConfig,
        base: Any,
        processor: HmvlmProcessor,
        encoder: PromptEncoder | None = None,
        motion_tokenizer: Any = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.processor = processor
        self.encoder = encoder
        self.motion_tokenizer = motion_tokenizer
        base.requires_grad_(False)
        self.base = base
        self.mixture = inject_moe_lora(base, config.moe)
        self.router = Router(config.gate, config.moe.num_experts)
        self.motion_embedding = MotionEmbedding(config)
        self.motion_head = MotionHead(config)

    @property
    def device(self) -> torch.device:
        return self.motion_head.rows.device

    @property
    def dtype(self) -> torch.dtype:
        return self.base.get_input_embeddings().weight.dtype

    @torch.no_grad()
    def gate(self, prompts: list[str]) -> Tensor:
        """B prompts, with their instruction if they have one -> (B, E) alphas."""
        if self.encoder is None:
            raise ValueError("this model was built without the gate's encoder")
        if not prompts:
            return torch.zeros(0, self.config.moe.num_experts)
        return self.router(self.encoder.encode(prompts).to(self.device)).cpu()

    def skips_experts(self, alpha: Tensor) -> Tensor:
        """(B, E) -> (B,) bool: rows that are answered by the base model alone.

        None are where the mixture has no zero expert.
        """
        if not self.config.moe.zero_expert:
            return torch.zeros(len(alpha), dtype=torch.bool, device=alpha.device)
        return alpha[:, 0] >= self.config.gate.skip_threshold

    def embed(self, ids: Tensor) -> Tensor:
        """(B, N, P) vocabulary ids, EMPTY where no cell -> (B, N, D): the sum over each row."""
        words = self.processor.vocabulary
        table = self.motion_embedding
        # motion rows, control rows, then one zero row for every cell that is neither
        rows = torch.cat(
            [table.motion, table.control, table.motion.new_zeros(1, table.motion.shape[1])]
        )
        is_motion = (ids >= words.motion_start) & (ids < words.pose_start)
        is_control = ids >= words.control_start
        index = torch.full_like(ids, len(rows) - 1)
        index = torch.where(is_motion, ids - words.motion_start, index)
        index = torch.where(is_control, ids - words.control_start + len(table.motion), index)
        motion = nn.functional.embedding(index, rows).sum(dim=2)
        first = ids[..., 0]
        is_text = (first != EMPTY) & (first < words.text)
        text = self.base.get_input_embeddings()(torch.where(is_text, first, 0))
        return motion.to(text.dtype) + text * is_text[..., None].to(text.dtype)

    def hidden(self, ids: Tensor, alpha: Tensor | None, **kwargs: Any) -> Tensor:
        """(B, N, P) ids, (B, E) alphas or None for no experts -> (B, N, D) normed last states.

        kwargs (cache, mask, positions) go to the base model's decoder.
        """
        with self.mixture.using(alpha):
            output = self.base.get_decoder()(inputs_embeds=self.embed(ids), **kwargs)
        return output.last_hidden_state

    def text_logits(
        self, ids: Tensor, alpha: Tensor | None, keep: int | Tensor = 1, **kwargs: Any
    ) -> Tensor:
        """Scores of the words as the base model itself gives them, caps and scales included.

        ids (B, N, P), alpha as in `hidden`; keep: how many last rows, or the indices (M,) of rows
        -> (B, M, V).
        """
        with self.mixture.using(alpha):
            output = self.base(inputs_embeds=self.embed(ids), logits_to_keep=keep, **kwargs)
        return output.logits

    def stop_tokens(self) -> set[int]:
        """The words that end an answer: the base model's own, and its tokenizer's."""
        own = self.base.generation_config.eos_token_id
        own = own if isinstance(own, list) else [own]
        return {t for t in (*own, self.processor.tokenizer.eos_token_id) if t is not None}

    def text_std(self) -> float:
        """Spread of the text embeddings as they enter the decoder.

        That is not the spread of the table in every model: Gemma's is scaled on the way.
        """
        table = self.base.get_input_embeddings()
        ids = torch.arange(0, table.num_embeddings, 1 + table.num_embeddings // _STD_ROWS)
        return float(table(ids.to(self.device)).float().std())

    def motion_scores(self, hidden: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scores at every labelled cell, each part given the parts before it in the same row.

        hidden (B, N, D), labels (B, N, P) codes -> per part (logits (M, K or K+1), targets (M,)).
        """
        wanted = (labels != IGNORE).any(dim=-1)
        states, targets = hidden[wanted].to(self.motion_head.rows.dtype), labels[wanted]
        chosen = torch.zeros_like(states)
        out = []
        for part in range(self.config.parts):
            target = targets[:, part]
            here = target != IGNORE
            out.append(
                (self.motion_head.part_logits(states[here], chosen[here], part), target[here])
            )
            if part + 1 < self.config.parts:
                chosen = chosen + self.chosen_embedding(target, part)
        return out

    def chosen_embedding(self, codes: Tensor, part: int) -> Tensor:
        """(M,) codes of a part -> (M, D) their input rows; zero where there is no code."""
        size = self.config.codebook_size
        valid = (codes >= 0) & (codes < size)
        rows = nn.functional.embedding(
            torch.where(valid, codes, 0) + part * size, self.motion_embedding.motion
        )
        return rows * valid[:, None].to(rows.dtype)

    def adapter_state(self) -> dict[str, Tensor]:
        """Everything trained: experts, router, motion tables; nothing of the base."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if name.startswith(("router.", "motion_embedding.", "motion_head."))
            or name.endswith((".lora_A", ".lora_B"))
        }

    def save_adapter(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """Write adapter_config.json and adapter_model.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        self.config.save(folder)
        state = {
            k: v.detach().to("cpu", dtype).contiguous() for k, v in self.adapter_state().items()
        }
        save_file(state, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})

    def load_adapter(self, folder: Path) -> None:
        """Read what save_adapter wrote. Raises AssetError when it does not fit this model."""
        path = folder / ADAPTER_WEIGHTS
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise AssetError(f"{path} cannot be read: {error}. Get the weights again.") from error
        own = self.adapter_state()
        wrong = sorted(own.keys() ^ state.keys()) or [
            name for name, value in own.items() if value.shape != state[name].shape
        ]
        if wrong:
            raise AssetError(
                f"{path} does not fit this model ({len(wrong)} tensors differ, first: {wrong[0]}). "
                "Its adapter_config.json and weights are not of one checkpoint."
            )
        self.load_state_dict(state, strict=False)
