# SPDX-License-Identifier: Apache-2.0
"""The paper's eyes: patch features of a CLIP vision tower (HMVLM, section 4.1; LLaVA)."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..errors import AssetError
from .open_clip_models import create_open_clip

_LAYER = -2  # LLaVA: the last block is shaped to make one vector of a picture


class VisionTower:
    """A frozen CLIP vision transformer. Pictures are squares cut around the person."""

    def __init__(self, model: Any) -> None:
        self.visual = model.visual.eval().requires_grad_(False)
        settings = self.visual.preprocess_cfg
        self.mean, self.std = torch.tensor(settings["mean"]), torch.tensor(settings["std"])
        size = self.visual.image_size
        self.size = size if isinstance(size, int) else int(size[0])

    @classmethod
    def from_name(cls, name: str) -> Self:
        """name: "open_clip:MODEL/PRETRAINED". Raises AssetError when trained weights cannot be
        had, or the model has no vision transformer."""
        model, architecture = create_open_clip(name, "the vision tower", "ViT-L-14/openai")
        if not hasattr(model.visual, "forward_intermediates"):
            raise AssetError(
                f"'{architecture}' gives no patch features: name a vision transformer, as "
                "open_clip:ViT-L-14/openai."
            )
        return cls(model)

    def to(self, device: str | torch.device) -> Self:
        self.visual.to(device)
        return self

    @property
    def width(self) -> int:
        """Numbers a patch."""
        return int(self.visual.transformer.width)

    @torch.no_grad()
    def patches(self, squares: np.ndarray) -> Tensor:
        """(B, size, size, 3) float32 from 0 to 1 -> (B, N, tower width), without the class token.

        Raises ValueError for squares of another size.
        """
        if squares.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"squares must be (B, {self.size}, {self.size}, 3): {squares.shape}")
        weight = next(self.visual.parameters())
        pixels = (torch.from_numpy(np.ascontiguousarray(squares)) - self.mean) / self.std
        pixels = pixels.permute(0, 3, 1, 2).to(weight)
        out = self.visual.forward_intermediates(
            pixels, indices=[_LAYER], stop_early=True, intermediates_only=True, output_fmt="NLC"
        )
        return out["image_intermediates"][0].float()
