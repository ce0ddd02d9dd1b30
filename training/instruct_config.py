# SPDX-License-Identifier: Apache-2.0
"""Configuration files of instruction tuning: the names that ship, and files of one's own."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput

CONFIGS = Path(__file__).resolve().parent / "configs"
DEFAULTS: dict[str, Any] = {
    "tasks": ("motion",),
    "pose_batch": 32,
    "clip_batch": 12,
    "composite_share": 0.25,
    "base_model": "smollm2",
    "quantise": None,
    "experts": 5,
    "rank": 8,
    "targets": (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ),
    "no_zero_expert": False,
    "gate_encoder": "minilm",
    "layout": "parallel",
    "delays": (0, 0, 0, 0, 0),
    "steps": None,
    "minutes": None,
    "batch": 16,
    "micro_batch": None,
    "lora_rate": 2e-3,
    "table_rate": 3e-3,
    "router_rate": 2e-4,
    "warm_up": 0.04,
    "final_rate": 0.03,
    "weight_decay": 0.01,
    "label_smoothing": 0.02,
    "gate_eta": 1.0,
    "gate_motion": 0.2,
    "gate_balance": 0.02,
    "precision": "fp32",
    "seed": 0,
    "threads": None,
}
"""Every key of a file, with its value where neither the file nor the command line has one."""
_TYPES = {"quantise": str, "steps": int, "minutes": float, "micro_batch": int, "threads": int}


def read_config(name: str) -> dict[str, Any]:
    """The values of a shipped configuration, by its name, or of a TOML file, by its path.

    Raises InvalidInput for a file that is not there or not TOML, a key that nobody reads (and names
    the nearest one), and a value of another type.
    """
    shipped = CONFIGS / f"{name}.toml"
    path = shipped if shipped.is_file() else Path(name)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        names = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
        raise InvalidInput(
            f"There is no configuration '{name}': give one of {names}, or a TOML file."
        ) from error
    except ValueError as error:
        raise InvalidInput(f"{path} is no TOML file: {error}") from error
    return {key: _checked(key, value, path) for key, value in values.items()}


def _checked(key: str, value: Any, path: Path) -> Any:
    if key not in DEFAULTS:
        near = difflib.get_close_matches(key, DEFAULTS, n=1, cutoff=0.0)[0]
        raise InvalidInput(f"{path}: nothing is called '{key}'. The nearest is '{near}'.")
    usual = DEFAULTS[key]
    wanted = _TYPES.get(key, type(usual))
    if key == "targets" and isinstance(value, str):
        return value
    if wanted is tuple and isinstance(value, list):
        return tuple(value)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        kind = "list" if wanted is tuple else wanted.__name__
        raise InvalidInput(f"{path}: '{key}' must be of type {kind}, not {value!r}.")
    return value


def resolve(config: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """DEFAULTS, over them the configuration's values, over them what the command line gives.

    given: the options; None where one was not given.
    """
    chosen = {key: given[key] for key in DEFAULTS if given.get(key) is not None}
    return DEFAULTS | (read_config(config) if config else {}) | chosen
