# SPDX-License-Identifier: Apache-2.0
"""run.json: what a run was started with, and on what each of its sessions ran."""

import json
import platform
import subprocess
from dataclasses import asdict, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from backend.errors import AssetError

RECORD_FILE = "run.json"
PACKAGES = ("torch", "transformers", "peft", "accelerate")
_ROOT = Path(__file__).resolve().parents[1]


def record_session(out: Path, step: int, facts: dict[str, Any], accelerator: Accelerator) -> None:
    """Write run.json, or add this session to it.

    step: where the session begins; at 0 the file is begun anew. facts: the settings as resolved,
    the data's hash, the seeds: what the training's caller knows. They are those of the last
    session; each session keeps the versions and the device that it ran on.
    """
    path = out / RECORD_FILE
    sessions = _sessions(path) if step else []
    device = accelerator.device
    session = {
        "begun_at_step": step,
        "versions": versions(),
        "git": git_revision(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
        "distributed": str(accelerator.distributed_type.value),
        "micro_batches": accelerator.gradient_accumulation_steps,
    }
    content = {**plain(facts), "sessions": [*sessions, session]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _sessions(path: Path) -> list[dict]:
    if not path.is_file():
        return []  # the run was begun by a version that wrote no record
    try:
        return json.loads(path.read_text("utf-8"))["sessions"]
    except (ValueError, KeyError) as error:
        raise AssetError(f"{path} is no record of a run: delete it to go on.") from error


def versions() -> dict[str, str]:
    """Python's version and those of the packages that a result may depend on."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, "bitsandbytes", "deepspeed"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # the last two are optional
    return found


def git_revision() -> str | None:
    """The revision of this code, with "+changes" where files differ; None outside a checkout."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None  # no git on this machine, or a checkout of another user's


def _git(*words: str) -> str:
    command = ["git", "-C", str(_ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def plain(value: Any) -> Any:
    """Settings as JSON holds them: dataclasses as objects, paths as text, however deep they lie."""
    return json.loads(json.dumps(value, default=_plain_object))


def _plain_object(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
