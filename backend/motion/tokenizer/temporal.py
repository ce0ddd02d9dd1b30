# SPDX-License-Identifier: Apache-2.0
"""Temporal convolutions: part tokens down to a quarter of the frame rate, and codes back up.

No layer normalises along time, so an output depends on a bounded stretch of input: a clip can be
decoded while its later codes are still unknown (see MotionTokenizer.receptive_field_steps).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from backend.motion.representation import FEATURE_DIM

from .config import MotionTokenizerConfig


class ResidualConv(nn.Module):
    """(B, C, L) -> (B, C, L): dilated 3-tap convolution and a pointwise one, added to the input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.spread = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.mix.weight)  # starts as the identity: deep stacks train from step 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.gelu(self.spread(F.gelu(x))))


class TemporalEncoder(nn.Module):
    """(B, T, P, D) part tokens -> (B, T / 4, P, S) latents; all parts share the weights."""

    def __init__(self, config: MotionTokenizerConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.layers = nn.Sequential(
            nn.Conv1d(config.token_dim, width, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, 4, stride=2, padding=1),
            *(ResidualConv(width, d) for d in config.encoder_dilations),
            nn.GELU(),
            nn.Conv1d(width, config.code_dim, 1),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        batch, frames, parts, dim = tokens.shape
        x = tokens.permute(0, 2, 3, 1).reshape(batch * parts, dim, frames)
        x = self.layers(x)
        return x.view(batch, parts, *x.shape[1:]).permute(0, 3, 1, 2)


class TemporalDecoder(nn.Module):
    """(B, L, P, S) code vectors -> (B, 4 L, 272) normalised features.

    All parts enter one stack, so that what a code leaves open (balance, the path that fits the
    stride) is settled by the other parts' codes.
    """

    def __init__(self, config: MotionTokenizerConfig) -> None:
        super().__init__()
        width = config.decoder_width
        half, full = width * 3 // 4, width // 2
        self.dilations = config.decoder_dilations
        self.enter = nn.Conv1d(config.num_parts * config.code_dim, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualConv(width, d) for d in self.dilations))
        self.rise_half = nn.Conv1d(width, half, 3, padding=1)
        self.rise_full = nn.Conv1d(half, full, 3, padding=1)
        self.leave = nn.Conv1d(full, FEATURE_DIM, 1)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.blocks(self.enter(codes.flatten(2).transpose(1, 2)))
        x = F.gelu(self.rise_half(x.repeat_interleave(2, dim=-1)))
        x = F.gelu(self.rise_full(x.repeat_interleave(2, dim=-1)))
        return self.leave(x).transpose(1, 2)

    @property
    def reach_frames(self) -> int:
        """How many frames past its own an output frame can depend on."""
        steps = 1 + sum(self.dilations)
        return 4 * steps + 2 + 1
