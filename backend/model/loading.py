# SPDX-License-Identifier: Apache-2.0
"""Putting a model together: base, adapter, gate encoder, motion tokenizer, each one checked."""

from pathlib import Path
from typing import Any

import torch

from .. import assets
from ..errors import AssetError
from . import hub, quantising
from .configuration import GateConfig, HmvlmConfig
from .hmvlm import Hmvlm
from .open_clip_models import OPEN_CLIP
from .processing import HmvlmProcessor
from .prompt_encoders import OpenClipEncoder, PromptEncoder, SentenceEncoder
from .vision_tower import VisionTower

DEFAULT_CHECKPOINT = Path(__file__).resolve().parent.parent / "weights" / "default"
ADAPTER_FOLDER = "adapter"
TOKENIZER_FOLDER = "tokenizer"
BASELINES_FOLDER = "tokenizer_baselines"
POSE_TOKENIZER_FOLDER = "pose_tokenizer"
_RESTORE = (
    "Restore backend/weights/default from the repository (`git checkout -- backend/weights`), or "
    "train your own and run `hmvlm-train export`."
)


def load_base(
    name: str, dtype: torch.dtype = torch.float32, quantise: str | None = None
) -> tuple[Any, Any, str]:
    """A base language model, its text tokenizer and the sha256 of its weights.

    name: an asset, a folder that holds a Hugging Face causal language model, or the name of one on
    the hub, OWNER/MODEL, which is then downloaded. quantise: see quantising.QUANTISATIONS.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder, digest = find_base(name)
    extra = quantising.options(quantise, dtype) if quantise else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, **extra
        )
    except (OSError, ValueError) as error:
        raise AssetError(
            f"The base model in {folder} cannot be loaded: {error}. Run `hmvlm fetch --force`."
        ) from error
    if tokenizer.chat_template is None and "vicuna" in name.lower():
        tokenizer.chat_template = hub.VICUNA_CHAT
    return model.eval(), tokenizer, digest


def find_base(name: str) -> tuple[Path, str]:
    """The folder of a base model, fetched when it is not there yet, and the sha256 of its weights.

    Raises AssetError that says what to do when there is no such model or it cannot be had.
    """
    if name in assets.ASSETS:
        return assets.ensure(name), assets.ASSETS[name].sha256
    folder = Path(name)
    if folder.is_dir():
        weights = sorted(folder.glob("*.safetensors"))
        if weights:
            return folder, hub.digest_of(weights)
    elif hub.is_hub_name(name):
        return hub.fetch(name)
    raise AssetError(
        f"The base model '{name}' is neither an asset ({', '.join(assets.ASSETS)}), nor a folder "
        "with safetensors weights, nor the name of a model on the Hugging Face hub (OWNER/MODEL)."
    )


def describe_base(name: str) -> tuple[Any, str]:
    """The configuration of a base model's text side and the sha256 of its weights."""
    from transformers import AutoConfig

    folder, digest = find_base(name)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise AssetError(f"The base model in {folder} has no usable config: {error}") from error
    return config.get_text_config(), digest


def load_encoder(name: str) -> PromptEncoder:
    """The gate's frozen prompt encoder: an asset, a folder, or open_clip:MODEL/PRETRAINED."""
    if name.startswith(OPEN_CLIP):
        return OpenClipEncoder.from_name(name)
    if name not in assets.ASSETS and Path(name).is_dir():
        return SentenceEncoder.from_pretrained(Path(name))
    return SentenceEncoder.from_pretrained(assets.ensure(name))


def encoder_width(encoder: PromptEncoder) -> int:
    """D of the embeddings."""
    return encoder.encode(["a person walks"]).shape[1]


def _fitting_encoder(gate: GateConfig) -> PromptEncoder:
    encoder = load_encoder(gate.encoder)
    if (width := encoder_width(encoder)) != gate.embed_dim:
        raise AssetError(
            f"The gate's encoder '{gate.encoder}' gives {width} numbers a prompt, the gate reads "
            f"{gate.embed_dim}: choose the encoder that the weights were trained with."
        )
    return encoder


def build_hmvlm(
    config: HmvlmConfig,
    *,
    motion_tokenizer: Any = None,
    dtype: torch.dtype = torch.float32,
    quantise: str | None = None,
) -> Hmvlm:
    """A model with fresh experts over the base that the configuration names."""
    extra = {"quantise": quantise} if quantise else {}
    base, text_tokenizer, digest = load_base(config.base_model, dtype, **extra)
    if config.base_sha256 and config.base_sha256 != digest:
        raise AssetError(
            f"This checkpoint was trained on another '{config.base_model}' (sha256 "
            f"{config.base_sha256[:12]}..., found {digest[:12]}...). Run `hmvlm fetch --force` or "
            "choose the base model that it names."
        )
    own = base.config.get_text_config()
    if own.hidden_size != config.hidden_size or own.vocab_size != config.text_vocab_size:
        raise AssetError(
            f"The base model '{config.base_model}' has hidden size {own.hidden_size} and "
            f"{own.vocab_size} words; the checkpoint wants {config.hidden_size} and "
            f"{config.text_vocab_size}."
        )
    processor = HmvlmProcessor(config, text_tokenizer)
    return Hmvlm(config, base, processor, _fitting_encoder(config.gate), motion_tokenizer)


def load_hmvlm(checkpoint: Path | None = None, device: str = "cpu") -> Hmvlm:
    """A trained model, ready to generate; None loads the weights that are shipped.

    Raises AssetError when something is missing, altered, or of another base model.
    """
    from ..motion.tokenizer import MotionTokenizer

    folder = Path(checkpoint) if checkpoint is not None else DEFAULT_CHECKPOINT
    if not folder.is_dir():
        raise AssetError(f"There are no weights in {folder}. {_RESTORE}")
    if (folder / assets.MANIFEST).is_file() or checkpoint is None:
        assets.check_manifest(folder, _RESTORE, thorough=True)
    config = HmvlmConfig.load(folder / ADAPTER_FOLDER)
    motion_tokenizer = MotionTokenizer.from_pretrained(folder / TOKENIZER_FOLDER)
    # single precision on the CPU: half precision saves a third of the time only on the newest
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = build_hmvlm(config, motion_tokenizer=motion_tokenizer, dtype=dtype)
    model.load_adapter(folder / ADAPTER_FOLDER)
    model.to(device)
    model.motion_tokenizer = motion_tokenizer.to(device)
    if config.vision is not None:
        model.pose_tokenizer = load_pose_tokenizer(folder / POSE_TOKENIZER_FOLDER, config)
    return model.eval().requires_grad_(False)


def load_pose_tokenizer(folder: Path, config: HmvlmConfig) -> Any:
    """The pose tokenizer of a model (backend.motion.pose_tokenizer), on the CPU: it is small.

    Raises AssetError when it is missing, damaged or has other codes than the model.
    """
    from ..motion.pose_tokenizer import PoseTokenizer

    tokenizer = PoseTokenizer.from_pretrained(folder)
    sizes = tuple(tokenizer.codebook_vectors().shape[:2])
    if sizes != (config.parts, config.codebook_size):
        raise AssetError(
            f"The pose tokenizer in {folder} has {sizes[0]} x {sizes[1]} codes, the model "
            f"{config.parts} x {config.codebook_size}: give the one it was trained with."
        )
    return tokenizer


def vision_tower(model: Hmvlm) -> VisionTower:
    """The tower of a model that reads patches, loaded at the first request for it.

    Raises AssetError when its trained weights cannot be had or it has another width.
    """
    if model.vision_tower is None:
        vision = model.config.vision
        assert vision is not None
        tower = VisionTower.from_name(vision.tower)
        if (width := tower.width) != vision.tower_width:
            raise AssetError(
                f"The vision tower '{vision.tower}' gives {width} numbers a patch, the projector "
                f"reads {vision.tower_width}: name the tower the weights were trained with."
            )
        model.vision_tower = tower.to(model.device)
    return model.vision_tower
