# SPDX-License-Identifier: Apache-2.0
"""The model: a frozen language model, experts on its linear layers, a gate, motion tables.

Letters: B batch, N rows of a sequence, M rows of a picture, P parts, D features, E experts, K codes
a part.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import AssetError, InvalidInput
from ..vision.lifted import Lifted
from .clip_projector import make_clip_projector
from .compact import expand
from .configuration import HmvlmConfig
from .gate import Router
from .landmark_lifter import LandmarkLifter
from .moe_lora import ADAPTER_WEIGHTS, inject_moe_lora
from .motion_head import MotionEmbedding, MotionHead
from .pose_head import PoseHead
from .processing import (
    DESCRIBE_INSTRUCTION,
    DESCRIBE_PROMPT,
    FEATURE,
    IGNORE,
    POSE_INSTRUCTION,
    POSE_PROMPT,
    HmvlmProcessor,
)
from .prompt_encoders import PromptEncoder
from .vision_projector import make_projector

_STD_ROWS = 1 << 16
LIFTER_TABLES: tuple[str, ...] = ("landmark_lifter.",)
"""What puts landmarks right in depth, beside the language model."""
VISION_TABLES: tuple[str, ...] = ("vision_projector.", "pose_head.", *LIFTER_TABLES)
"""What a model that reads pictures has beside one that does not."""
CLIP_TABLES: tuple[str, ...] = ("clip_projector.",)
"""What a model that reads clips has on top of that."""
WORD_TABLES: tuple[str, ...] = ("clip_projector.words.",)
"""Those of CLIP_TABLES that spell what a clip shows."""
_TRAINED = ("router.", "motion_embedding.", "motion_head.", *VISION_TABLES, *CLIP_TABLES)


class Hmvlm(nn.Module):
    """A causal language model that can also read and write motion.

    base: a Hugging Face causal LM; its layers get experts, everything else in it stays as it is.
    encoder: reads prompts for the gate; may be None where embeddings are given (in training).
    motion_tokenizer: codes to motion features and back; None where only tokens are needed.
    pose_tokenizer, vision_tower: the same for poses, and what reads patches where the configuration
    says patches; set where they are needed. With no `config.vision` there is no projector either.
    landmark_lifter: only where landmarks are what is read.
    """

    vision_projector: nn.Module | None
    pose_head: PoseHead | None
    landmark_lifter: LandmarkLifter | None
    clip_projector: nn.Module | None

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
        seeing = config.vision
        self.vision_projector = make_projector(seeing, config.hidden_size) if seeing else None
        self.pose_head = PoseHead(config) if seeing else None
        self.landmark_lifter = None
        if seeing is not None and seeing.kind == "landmarks":
            self.landmark_lifter = LandmarkLifter(seeing.lift_width, seeing.lift_blocks)
        self.clip_projector = None
        if seeing is not None and seeing.clip_rows > 0:
            self.clip_projector = make_clip_projector(seeing, config.hidden_size)
        self.pose_tokenizer: Any = None
        self.vision_tower: Any = None

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

    def embed(self, ids: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, N, P) vocabulary ids, EMPTY where no cell -> (B, N, D): the sum over each row.

        features (B, M, D): the embeddings of the M rows a sequence that say FEATURE, in order.
        """
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
        is_text = (first >= 0) & (first < words.text)
        text = self.base.get_input_embeddings()(torch.where(is_text, first, 0))
        out = motion.to(text.dtype) + text * is_text[..., None].to(text.dtype)
        return out if features is None else _with_features(out, first == FEATURE, features)

    def hidden(
        self, ids: Tensor, alpha: Tensor | None, features: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """(B, N, P) ids, (B, E) alphas or None for no experts -> (B, N, D) normed last states.

        features as in `embed`; kwargs (cache, mask, positions) go to the base model's decoder.
        """
        with self.mixture.using(alpha):
            output = self.base.get_decoder()(inputs_embeds=self.embed(ids, features), **kwargs)
        return output.last_hidden_state

    def seeing(self) -> tuple[nn.Module, PoseHead]:
        """Projector and pose head. Raises AssetError for weights that read no pictures."""
        if self.vision_projector is None or self.pose_head is None:
            raise AssetError(
                "These weights read no pictures: they have no projector and no pose head. Train "
                "them with `hmvlm-train align` and `hmvlm-train instruct --tasks motion,pose,video "
                "--alignment RUN --start-from ADAPTER`, put them in place with `hmvlm-train "
                "export`, or name other weights with --weights."
            )
        return self.vision_projector, self.pose_head

    def pose_alpha(self) -> Tensor:
        """(1, E): the experts' shares for a pose from a picture. Raises AssetError when the gate
        leaves such a request to the base model, which cannot answer it."""
        alpha = self.gate([self.processor.gate_text(POSE_PROMPT, POSE_INSTRUCTION)])
        if bool(self.skips_experts(alpha)[0]):
            raise AssetError(
                "The gate of these weights takes a pose from a picture for something that is not "
                "about motion. Train them further with `hmvlm-train instruct --start-from`, whose "
                "prompts for the gate include it."
            )
        return alpha

    def pose_states(self, seen: Tensor, alpha: Tensor) -> Tensor:
        """What the projector reads (landmarks (B, 33, 6) or patches (B, M, D)), alphas (B, E) ->
        (B, D) last states, from which the pose head predicts the codes. Raises AssetError."""
        projector, head = self.seeing()
        features = projector(seen)
        rows = self.processor.pose_ids(features.shape[1])
        ids = torch.from_numpy(rows).to(seen.device).expand(len(seen), -1, -1)
        hidden = self.hidden(ids, alpha, features, use_cache=False)
        return hidden[:, -1].to(head.rows.dtype)

    @torch.no_grad()
    def lift(self, seen: Tensor) -> Lifted | None:
        """What the projector reads -> the landmarks put right in depth; None where patches are
        read, from which nothing was learned of them."""
        return None if self.landmark_lifter is None else self.landmark_lifter.lift(seen)

    def watching(self) -> nn.Module:
        """The clip projector. Raises AssetError for weights that read no clips."""
        if self.clip_projector is None:
            raise AssetError(
                "These weights read no clips: they have no clip projector. Name weights that were "
                "trained to describe with --weights; their model card says so."
            )
        return self.clip_projector

    def describe_alpha(self, question: str = "") -> Tensor:
        """(1, E): the experts' shares for a description of a clip, or for an answer about it.

        Where the gate leaves it to the base model, which sees no clip, raises InvalidInput for a
        question and AssetError for a description.
        """
        words = self.processor.gate_text(question or DESCRIBE_PROMPT, DESCRIBE_INSTRUCTION)
        alpha = self.gate([words])
        if not bool(self.skips_experts(alpha)[0]):
            return alpha
        if question:
            raise InvalidInput(
                "The question is not understood as one about what the person in the clip does. "
                "Ask about the movement, as: Which hand do they raise?"
            )
        raise AssetError(
            "The gate of these weights takes a description of a clip for something that is not "
            "about motion. Train them further with `hmvlm-train instruct --start-from`, whose "
            "prompts for the gate include it."
        )

    def text_logits(
        self,
        ids: Tensor,
        alpha: Tensor | None,
        keep: int | Tensor = 1,
        features: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Scores of the words as the base model itself gives them, caps and scales included.

        ids (B, N, P), alpha and features as in `hidden`; keep: how many last rows, or the indices
        (M,) of rows -> (B, M, V).
        """
        with self.mixture.using(alpha):
            embedded = self.embed(ids, features)
            output = self.base(inputs_embeds=embedded, logits_to_keep=keep, **kwargs)
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
        """Everything trained: experts, router, tables, projector; nothing of the base."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if name.startswith(_TRAINED) or name.endswith((".lora_A", ".lora_B"))
        }

    def save_adapter(
        self,
        folder: Path,
        dtype: torch.dtype | None = None,
        state: dict[str, Tensor] | None = None,
    ) -> None:
        """Write adapter_config.json and adapter_model.safetensors.

        state: what to write in place of adapter_state(), when that lies in shards.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.config.save(folder)
        state = {
            k: v.detach().to("cpu", dtype).contiguous()
            for k, v in (self.adapter_state() if state is None else state).items()
        }
        save_file(state, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})

    def load_adapter(self, folder: Path, fresh: tuple[str, ...] = ()) -> None:
        """Read what save_adapter wrote. Raises AssetError when it does not fit this model.

        fresh: beginnings of the names that may be missing, or of another shape, and then stay as
        they are.
        """
        path = folder / ADAPTER_WEIGHTS
        try:
            state = expand(load_file(path))
        except (OSError, SafetensorError) as error:
            raise AssetError(f"{path} cannot be read: {error}. Get the weights again.") from error
        own = self.adapter_state()
        for name in [n for n in own.keys() | state.keys() if n.startswith(fresh)]:
            if name not in own or name not in state or own[name].shape != state[name].shape:
                own.pop(name, None)
                state.pop(name, None)
        wrong = sorted(own.keys() ^ state.keys()) or [
            name for name, value in own.items() if value.shape != state[name].shape
        ]
        if wrong:
            raise AssetError(
                f"{path} does not fit this model ({len(wrong)} tensors differ, first: {wrong[0]}). "
                "Its adapter_config.json and weights are not of one checkpoint."
            )
        self.load_state_dict(state, strict=False)


def _with_features(rows: Tensor, place: Tensor, features: Tensor) -> Tensor:
    """rows (B, N, D) with features (B, M, D) at the M places a sequence that `place` (B, N) marks.

    Raises ValueError for another number of places.
    """
    if not bool((place.sum(dim=1) == features.shape[1]).all()):
        raise ValueError(
            f"a sequence must have {features.shape[1]} rows for the picture's features"
        )
    return rows.masked_scatter(place[..., None].expand_as(rows), features.to(rows.dtype))
