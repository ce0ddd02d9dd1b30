# SPDX-License-Identifier: Apache-2.0
"""The gate's frozen encoders: from the words of a request to one embedding (HMVLM, section 3.1)."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..errors import AssetError
from .open_clip_models import create_open_clip


class PromptEncoder(ABC):
    """A frozen text encoder. Embeddings are of length 1."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.eval().requires_grad_(False)

    @abstractmethod
    def _embed(self, texts: list[str]) -> Tensor:
        """One batch of B texts -> (B, D)."""

    @torch.no_grad()
    def encode(self, texts: list[str], batch_size: int = 64) -> Tensor:
        """B texts -> (B, D) embeddings."""
        # neighbours in length share a batch, so that little of it is padding
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows: dict[int, Tensor] = {}
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            embedded = nn.functional.normalize(self._embed([texts[i] for i in chosen]), dim=-1)
            rows.update(zip(chosen, embedded, strict=True))
        return torch.stack([rows[i] for i in range(len(texts))])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class SentenceEncoder(PromptEncoder):
    """A sentence encoder of the MiniLM kind: the mean of its last hidden states."""

    def __init__(self, model: nn.Module, tokenizer: Any, max_tokens: int = 128) -> None:
        super().__init__(model)
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load from a folder. Raises AssetError when it holds no such model."""
        from transformers import AutoModel, AutoTokenizer

        try:
            model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise AssetError(
                f"The gate's encoder in {folder} cannot be loaded: {error}. Run "
                "`hmvlm fetch --force`, or name a folder with a sentence encoder."
            ) from error
        return cls(model, tokenizer)

    def _embed(self, texts: list[str]) -> Tensor:
        batch = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
        ).to(self._device)
        states = self.model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1).clamp_min(1.0)


class OpenClipEncoder(PromptEncoder):
    """The text tower of a CLIP model, as in the paper. Words past its context are cut off."""

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        # pictures are not read here, and the tower that reads them is half of the model
        setattr(model, "visual", None)  # noqa: B010 (its type is a module's)
        super().__init__(model)
        self.tokenizer = tokenizer

    @classmethod
    def from_name(cls, name: str) -> Self:
        """name: "open_clip:MODEL/PRETRAINED", PRETRAINED a tag of open_clip's or a file.

        A tag's weights are downloaded once. Raises AssetError when the name is not of that form or
        its weights cannot be had: an untrained tower would send every prompt anywhere.
        """
        import open_clip

        model, architecture = create_open_clip(name, "the gate's encoder", "ViT-B-32/openai")
        return cls(model, open_clip.get_tokenizer(architecture))

    def _embed(self, texts: list[str]) -> Tensor:
        tower: Any = self.model
        return tower.encode_text(self.tokenizer(texts).to(self._device)).float()
