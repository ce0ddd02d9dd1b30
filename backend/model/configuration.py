# SPDX-License-Identifier: Apache-2.0
"""Settings of the model and their JSON form: what must be known before a weight is read."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from ..errors import AssetError, InvalidInput
from .moe_lora.config import ADAPTER_CONFIG, PEFT_TYPE, MoeLoraConfig


@dataclass(frozen=True)
class GateConfig:
    """The prompt's encoder and the 2-layer perceptron that turns it into expert weights.

    encoder: an asset or a folder with a sentence encoder, or the text tower of a CLIP model as
    "open_clip:MODEL/PRETRAINED", PRETRAINED being a tag of open_clip's or a file of weights (the
    paper's is ViT-B-32, with embed_dim 512).
    """

    encoder: str = "minilm"
    embed_dim: int = 384
    hidden_dim: int = 512
    skip_threshold: float = 0.99
    """alpha_0 from which the experts are skipped and the new tokens are masked."""


@dataclass(frozen=True)
class LayoutConfig:
    """How the P part tokens of a time step are laid out along the sequence.

    flatten: P steps in a row, as in the paper. parallel: one step for all parts; part p is
    delayed by delays[p] steps (as in MusicGen), so that later parts can see earlier ones.
    """

    name: Literal["flatten", "parallel"] = "parallel"
    delays: tuple[int, ...] = (0, 0, 0, 0, 0)


@dataclass(frozen=True)
class VisionConfig:
    """What the model sees of a picture of a person, and what reads it.

    kind: BlazePose's 33 landmarks, or patch features of a CLIP tower (the paper's). rows: rows of
    the sequence that a picture takes; for patches, as many as the tower gives (256 of ViT-L/14 at
    224 pixels). width, narrow: of the landmark projector's hidden layers, and of the last one
    before its rows. head_dim: inner width of the pose head. tower: for patches, as
    "open_clip:MODEL/PRETRAINED" (see GateConfig); tower_width: numbers a patch. clip_rows: rows
    that each of a clip's 8 frames takes, 0 where the weights read no clips; clip_width: of the
    clip projector's hidden layers. lift_width, lift_blocks: of the landmark lifter. clip_words: for
    landmarks, what is said of a whole clip beside
    the frames' rows: a row for each slot, whose words these are (see WordRows).
    """

    kind: Literal["landmarks", "patches"] = "landmarks"
    rows: int = 4
    width: int = 320
    narrow: int = 64
    head_dim: int = 64
    tower: str = ""
    tower_width: int = 1024
    clip_rows: int = 0
    clip_width: int = 256
    lift_width: int = 256
    lift_blocks: int = 2
    clip_words: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Of what `asdict` gave, also after JSON. Raises TypeError for unknown fields."""
        data = dict(data)
        slots = tuple(tuple(words) for words in data.pop("clip_words", ()))
        return cls(clip_words=slots, **data)


@dataclass(frozen=True)
class HmvlmConfig:
    """Everything that fixes the shape of an adapter and the base model it belongs to."""

    base_model: str = "smollm2"
    base_sha256: str = ""
    """Digest of the base model's weights; a checkpoint refuses any other."""
    text_vocab_size: int = 49152
    hidden_size: int = 576
    parts: int = 5
    codebook_size: int = 512
    part_head_dim: int = 256
    moe: MoeLoraConfig = field(default_factory=MoeLoraConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    vision: VisionConfig | None = None
    """None: this model reads no pictures, and has neither projector nor pose head."""

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        if self.vision is None:
            del content["vision"]  # such adapters keep the form they always had
        return content

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        data = dict(data)
        layout = dict(data.pop("layout"))
        layout["delays"] = tuple(layout["delays"])
        vision = data.pop("vision", None)
        return cls(
            moe=MoeLoraConfig.from_dict(data.pop("moe")),
            gate=GateConfig(**data.pop("gate")),
            layout=LayoutConfig(**layout),
            vision=None if vision is None else VisionConfig.from_dict(vision),
            **data,
        )

    def save(self, folder: Path) -> None:
        """Write adapter_config.json, with the fields by which peft's tools know an adapter."""
        content = {
            "peft_type": PEFT_TYPE,
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base_model,
            "hmvlm": self.to_dict(),
        }
        (folder / ADAPTER_CONFIG).write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        path = folder / ADAPTER_CONFIG
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls.from_dict(content["hmvlm"])
        except FileNotFoundError as error:
            raise AssetError(f"{path} is missing: this folder is not an HMVLM adapter.") from error
        except (OSError, ValueError, KeyError, TypeError, InvalidInput) as error:
            raise AssetError(f"{path} cannot be read as an HMVLM adapter: {error}") from error
