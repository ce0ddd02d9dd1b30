# SPDX-License-Identifier: Apache-2.0
"""The pose tokenizer: one pose to five body-part codes and back (HMVLM, section 3.2 with F = 1).

A pose is 22 local rotations with the heading taken out of the root's: where the person looks is
found with the camera, not with codes. It has codebooks and a decoder of its own.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backend.errors import AssetError, InvalidInput
from blender_addon.shared.skeleton import BODY_PARTS, NUM_BODY_JOINTS, PART_NAMES

from .kinematics import (
    axis_rotation,
    forward_kinematics,
    matrix_to_rotation_6d,
    rotation_6d_to_matrix,
)
from .tokenizer import KINDS
from .tokenizer.quantizer import PartQuantizer
from .tokenizer.spatial import PartAttention, part_attention_mask

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_ROTATION, _POSITION = 6, 3
JOINT_FEATURES = _ROTATION + _POSITION
_LEVEL_ENOUGH = 0.35  # shortest horizontal part of the hip axis that still tells the heading
_TRAINING_ONLY = {"quantizer.wins", "quantizer.sums", "quantizer.started"}


@dataclass(frozen=True)
class PoseTokenizerConfig:
    """Sizes of a PoseTokenizer; the parts' joints cover the 22 body joints once each."""

    kind: str = "body_part"
    part_names: tuple[str, ...] = PART_NAMES
    part_joints: tuple[tuple[int, ...], ...] = tuple(BODY_PARTS.values())
    codebook_size: int = 512
    code_dim: int = 32
    token_dim: int = 96
    heads: int = 4
    spatial_layers: int = 2
    decoder_width: int = 384
    decoder_blocks: int = 3

    @property
    def num_parts(self) -> int:
        return len(self.part_joints)

    @staticmethod
    def from_dict(values: dict) -> "PoseTokenizerConfig":
        """The inverse of dataclasses.asdict, after a trip through JSON."""
        parts = tuple(tuple(joints) for joints in values["part_joints"])
        names = tuple(values["part_names"])
        return PoseTokenizerConfig(**{**values, "part_joints": parts, "part_names": names})


def pose_tokenizer_config(kind: str) -> PoseTokenizerConfig:
    """The configuration of one of the tokenizer KINDS; only parts and codebook differ."""
    whole = {"part_names": ("body",), "part_joints": (tuple(range(NUM_BODY_JOINTS)),)}
    if kind == "body_part":
        return PoseTokenizerConfig()
    if kind == "whole_body_512":
        return PoseTokenizerConfig(kind=kind, **whole)
    if kind == "whole_body_2560":
        return PoseTokenizerConfig(kind=kind, codebook_size=2560, **whole)
    raise InvalidInput(f"Unknown tokenizer kind {kind!r}: choose one of {', '.join(KINDS)}.")


@dataclass(frozen=True)
class PoseOutput:
    """One training pass. rotations: (B, 22, 6); codes: (B, P), none when not quantised."""

    rotations: Tensor
    codes: Tensor | None
    commitment: Tensor


class _ResidualBlock(nn.Module):
    """(B, W) -> (B, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Linear(width, 2 * width)
        self.mix = nn.Linear(2 * width, width)
        nn.init.zeros_(self.mix.weight)  # starts as the identity: deep stacks train from step 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.gelu(self.spread(F.gelu(x))))


class PoseTokenizer(nn.Module):
    """Local rotations of a pose to codes, and back."""

    mean: Tensor
    std: Tensor
    mask: Tensor

    def __init__(
        self,
        config: PoseTokenizerConfig,
        mean: Tensor | None = None,
        std: Tensor | None = None,
    ) -> None:
        """mean, std: (22, 9) of the training poses' features; 0 and 1 when not given."""
        super().__init__()
        self.config = config
        shape, dim = (NUM_BODY_JOINTS, JOINT_FEATURES), config.token_dim
        self.register_buffer("mean", torch.zeros(shape) if mean is None else mean.clone())
        self.register_buffer("std", torch.ones(shape) if std is None else std.clone())
        # each joint has its own embedding: an elbow's numbers mean something else than a hip's
        self.embed = nn.Parameter(torch.randn(*shape, dim) * JOINT_FEATURES**-0.5)
        self.embed_bias = nn.Parameter(torch.zeros(NUM_BODY_JOINTS, 1, dim))
        self.part_tokens = nn.Parameter(torch.randn(config.num_parts, dim) * 0.02)
        self.layers = nn.ModuleList(
            PartAttention(dim, config.heads) for _ in range(config.spatial_layers)
        )
        self.leave = nn.Linear(dim, config.code_dim)
        mask = part_attention_mask(config.part_joints, with_path=False)
        self.register_buffer("mask", mask, persistent=False)
        self.quantizer = PartQuantizer(config.num_parts, config.codebook_size, config.code_dim)
        width = config.decoder_width
        self.decoder = nn.Sequential(
            nn.Linear(config.num_parts * config.code_dim, width),
            *(_ResidualBlock(width) for _ in range(config.decoder_blocks)),
            nn.GELU(),
            nn.Linear(width, NUM_BODY_JOINTS * _ROTATION),
        )

    def forward(self, rotations: Tensor, quantise: bool = True) -> PoseOutput:
        """(B, 22, 3, 3) -> the same pose through codes, or past them without `quantise`."""
        latents = self._latents(rotations)
        if not quantise:
            made = self._decode(self.quantizer.skip(latents))
            return PoseOutput(made, None, made.new_zeros(()))
        with torch.autocast(latents.device.type, enabled=False):
            quantised, codes, commitment = self.quantizer(latents.float())
        return PoseOutput(self._decode(quantised), codes[:, 0], commitment)

    @torch.no_grad()
    def encode(self, rotations: Tensor) -> Tensor:
        """(B, 22, 3, 3) local rotations, heading taken out -> (B, P) codes, long."""
        if rotations.ndim != 4 or rotations.shape[1:] != (NUM_BODY_JOINTS, 3, 3):
            raise InvalidInput(f"Poses must be (B, {NUM_BODY_JOINTS}, 3, 3) rotations.")
        return self.quantizer.lookup(self._latents(rotations))[:, 0]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """(B, P) codes -> (B, 22, 3, 3) local rotations."""
        if codes.ndim != 2 or codes.shape[1] != self.config.num_parts:
            raise InvalidInput(f"Pose codes must be (B, {self.config.num_parts}).")
        return self.decode_vectors(self.quantizer.vectors(codes[:, None])[:, 0])

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """(B, P, S) code vectors, or means of several -> (B, 22, 3, 3), differentiable."""
        return rotation_6d_to_matrix(self._decode(vectors[:, None]))

    def codebook_vectors(self) -> Tensor:
        """(P, K, S) the code vectors."""
        return self.quantizer.codebook

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors (half precision, statistics in single)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: value.detach().cpu().to(torch.float32 if name in ("mean", "std") else torch.half)
            for name, value in self.state_dict().items()
            if name not in _TRAINING_ONLY
        }
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / WEIGHTS_FILE)
        text = json.dumps(asdict(self.config), indent=2)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def from_pretrained(folder: str | Path) -> "PoseTokenizer":
        """Load what save_pretrained wrote, in single precision, ready to use (eval mode).

        Raises AssetError when it is missing, damaged, or does not fit its own configuration.
        """
        folder = Path(folder)
        hint = "train one with `hmvlm-train pose-tokenizer`, or restore the shipped files"
        try:
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            config = PoseTokenizerConfig.from_dict(values)
            tensors = load_file(folder / WEIGHTS_FILE)
        except FileNotFoundError as error:
            raise AssetError(f"No pose tokenizer in {folder}: {hint}.") from error
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise AssetError(f"The pose tokenizer in {folder} is damaged: {hint}.") from error
        model = PoseTokenizer(config)
        expected = {k: v.shape for k, v in model.state_dict().items() if k not in _TRAINING_ONLY}
        if expected != {k: v.shape for k, v in tensors.items()}:
            raise AssetError(f"The pose tokenizer in {folder} does not fit its config: {hint}.")
        model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
        return model.eval()

    def _latents(self, rotations: Tensor) -> Tensor:
        """(B, 22, 3, 3) -> (B, 1, P, S): a pose is a sequence of one step to the quantizer."""
        inputs = ((pose_features(rotations) - self.mean) / self.std).transpose(0, 1)
        joints = F.gelu(torch.baddbmm(self.embed_bias, inputs, self.embed)).transpose(0, 1)
        parts = self.part_tokens.expand(len(rotations), -1, -1)
        for layer in self.layers:
            parts = layer(parts, joints, self.mask)
        return self.leave(parts)[:, None]

    def _decode(self, vectors: Tensor) -> Tensor:
        """(B, 1, P, S) -> (B, 22, 6), raw."""
        made = self.decoder(vectors.flatten(1)).float().unflatten(1, (NUM_BODY_JOINTS, _ROTATION))
        return made * self.std[:, :_ROTATION] + self.mean[:, :_ROTATION]


def without_heading(rotations: Tensor) -> Tensor:
    """(B, 22, 3, 3) local rotations, Y up -> the same poses with the root turned to face +Z.

    The heading is read off the hip axis, or off the way the pelvis faces where that axis is steep
    (lying on a side).
    """
    root = rotations[:, 0]
    level = torch.hypot(root[:, 0, 0], root[:, 2, 0])
    by_hips = torch.atan2(-root[:, 2, 0], root[:, 0, 0])
    by_front = torch.atan2(root[:, 0, 2], root[:, 2, 2])
    turn = axis_rotation(-torch.where(level > _LEVEL_ENOUGH, by_hips, by_front), "Y")
    return torch.cat([(turn @ root)[:, None], rotations[:, 1:]], dim=1)


def pose_features(rotations: Tensor) -> Tensor:
    """(B, 22, 3, 3) local rotations -> (B, 22, 9): 6D rotation and position about the pelvis."""
    return torch.cat([matrix_to_rotation_6d(rotations), pose_joints(rotations)], dim=-1)


def pose_joints(rotations: Tensor) -> Tensor:
    """(B, 22, 3, 3) local rotations -> (B, 22, 3) joints about the pelvis, metres."""
    positions = forward_kinematics(rotations, rotations.new_zeros(len(rotations), 3))[0]
    return positions[:, :NUM_BODY_JOINTS] - positions[:, :1]
