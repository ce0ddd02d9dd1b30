# SPDX-License-Identifier: Apache-2.0
"""Shape of a motion tokenizer, and the three kinds that the paper compares."""

from dataclasses import asdict, dataclass

from backend.errors import InvalidInput
from blender_addon.shared.skeleton import BODY_PARTS, NUM_BODY_JOINTS, PART_NAMES


@dataclass(frozen=True)
class MotionTokenizerConfig:
    """Sizes of a MotionTokenizer. The parts' joints must cover the 22 body joints once each."""

    kind: str = "body_part"
    part_names: tuple[str, ...] = PART_NAMES
    part_joints: tuple[tuple[int, ...], ...] = tuple(BODY_PARTS.values())
    codebook_size: int = 512
    code_dim: int = 64
    token_dim: int = 64
    heads: int = 4
    spatial_layers: int = 1
    encoder_width: int = 128
    encoder_dilations: tuple[int, ...] = (1, 2)
    decoder_width: int = 320
    decoder_dilations: tuple[int, ...] = (1, 3, 1)

    DOWNSAMPLING = 4
    """Frames a time step: l in the paper. Two strided convolutions, so it is not a setting."""

    def __post_init__(self) -> None:
        joints = sorted(j for part in self.part_joints for j in part)
        if joints != list(range(NUM_BODY_JOINTS)) or len(self.part_names) != len(self.part_joints):
            raise ValueError("the parts must be named and cover every body joint exactly once")
        if self.token_dim % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a token of {self.token_dim}")

    @property
    def num_parts(self) -> int:
        return len(self.part_joints)

    def to_dict(self) -> dict:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict) -> "MotionTokenizerConfig":
        """The inverse of to_dict, after a trip through JSON."""
        lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list | tuple)}
        joints = tuple(tuple(part) for part in values["part_joints"])
        return MotionTokenizerConfig(**{**values, **lists, "part_joints": joints})


_WHOLE_BODY = {"part_names": ("body",), "part_joints": (tuple(range(NUM_BODY_JOINTS)),)}

KINDS: tuple[str, ...] = ("body_part", "whole_body_512", "whole_body_2560")
"""The paper's tokenizer, and the baselines of one code for the whole body: K and 5 K codes."""


def tokenizer_config(kind: str) -> MotionTokenizerConfig:
    """The configuration of one of KINDS. Everything but the parts and the codebook is shared."""
    if kind == "body_part":
        return MotionTokenizerConfig()
    if kind == "whole_body_512":
        return MotionTokenizerConfig(kind=kind, **_WHOLE_BODY)
    if kind == "whole_body_2560":
        return MotionTokenizerConfig(kind=kind, codebook_size=2560, **_WHOLE_BODY)
    raise InvalidInput(f"Unknown tokenizer kind {kind!r}: choose one of {', '.join(KINDS)}.")
