# SPDX-License-Identifier: Apache-2.0
"""What stage 1 leaves behind and stage 2 begins with: the tables that read landmarks."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from backend.errors import AssetError
from backend.model.configuration import VisionConfig
from backend.model.hmvlm import CLIP_TABLES, VISION_TABLES, Hmvlm
from backend.model.loading import POSE_TOKENIZER_FOLDER, load_pose_tokenizer

_TABLES = VISION_TABLES + CLIP_TABLES
VISION_FILE, TABLES_FILE = "vision.json", "vision.safetensors"


def save_aligned(model: Hmvlm, pose_tokenizer: Path, out: Path) -> None:
    """Write the model's vision tables, their configuration and the pose tokenizer."""
    vision = model.config.vision
    assert vision is not None
    state = {k: v for k, v in model.adapter_state().items() if k.startswith(_TABLES)}
    save_file({k: v.detach().contiguous() for k, v in state.items()}, out / TABLES_FILE)
    shutil.copytree(pose_tokenizer, out / POSE_TOKENIZER_FOLDER, dirs_exist_ok=True)
    # last: a folder with it is whole
    (out / VISION_FILE).write_text(json.dumps(asdict(vision), indent=2) + "\n", encoding="utf-8")


def read_vision(run: Path) -> VisionConfig:
    """The configuration of an aligned run. Raises AssetError when it is not finished."""
    try:
        return VisionConfig.from_dict(json.loads((run / VISION_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise AssetError(f"{run} is not a finished run of `hmvlm-train align`.") from error


def load_aligned(model: Hmvlm, run: Path) -> None:
    """Give a model the tables and the pose tokenizer of an aligned run. Raises AssetError."""
    try:
        state = load_file(run / TABLES_FILE)
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{run / TABLES_FILE} cannot be read: {error}. Align again.") from error
    own = {k: v for k, v in model.adapter_state().items() if k.startswith(_TABLES)}
    shapes = [{k: tuple(v.shape) for k, v in tables.items()} for tables in (own, state)]
    if shapes[0] != shapes[1]:
        raise AssetError(f"{run} was aligned for another model: its tables have other shapes.")
    model.load_state_dict(state, strict=False)
    model.pose_tokenizer = load_pose_tokenizer(run / POSE_TOKENIZER_FOLDER, model.config)
