# SPDX-License-Identifier: Apache-2.0
"""Pictures of shots, rendered by scene.py in a Blender of its own process and kept in a folder.

A process of its own, because a computer without graphics libraries does not make Blender raise:
it ends it.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.errors import HmvlmError, InvalidInput

if TYPE_CHECKING:  # Blender reads this file too, and has no use for torch
    from .people import Figure
    from .shots import Shot

SIZE = 448
"""Pixels, width and height of a picture."""
DONE = "HMVLM-PICTURE "  # how a line begins that tells how many pictures are there
_KEY_FILE = "renders.sha256"


def picture_name(number: int) -> str:
    return f"picture-{number:03d}.png"


def render_shots(
    figures: Sequence["Figure"],
    shots: Sequence["Shot"],
    folder: Path,
    on_picture: Callable[[int], object] = lambda done: None,
) -> list[Path]:
    """The pictures of all shots, in their order; those that the folder has are not made again.

    on_picture(how many are there) is called as they come. Raises InvalidInput for a folder with
    pictures of other shots, HmvlmError when Blender cannot render.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = _job(figures, shots)
    _claim(folder, [_digest(job, i, shot) for i, shot in enumerate(shots)])
    paths = [folder / picture_name(i) for i in range(len(shots))]
    if all(path.is_file() for path in paths):
        return paths
    log_path = folder / "blender.log"
    with tempfile.TemporaryDirectory(dir=folder) as scratch, log_path.open("wb") as log:
        job_path = Path(scratch) / "job.npz"
        np.savez(job_path, **job)  # pyright: ignore[reportArgumentType]
        command = [sys.executable, "-m", "training.figure.scene", str(job_path), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            assert process.stdout is not None
            for line in process.stdout:
                text = line.decode("utf-8", "replace")
                if text.startswith(DONE):
                    on_picture(int(text[len(DONE) :]))
                else:
                    log.write(line)
    if process.returncode != 0 or not all(path.is_file() for path in paths):
        raise HmvlmError(
            f"Blender could not render the pictures; {log_path} tells why. On Debian or Ubuntu it "
            "needs libegl1 and libgl1-mesa-dri; `hmvlm demo` names all libraries."
        )
    log_path.unlink()
    return paths


def _job(figures: Sequence["Figure"], shots: Sequence["Shot"]) -> dict[str, np.ndarray]:
    """What scene.py reads."""
    job = {
        "size": np.array(SIZE),
        "people": np.array(len(figures)),
        "person": np.array([shot.person for shot in shots]),
        "placed": np.stack([shot.placed for shot in shots]),
        "focal": np.array([shot.focal for shot in shots]),
        "backdrop": np.stack([shot.backdrop for shot in shots]),
    }
    for k, figure in enumerate(figures):
        job |= {
            f"faces_{k}": figure.faces,
            f"materials_{k}": figure.materials,
            f"colours_{k}": figure.colours,
        }
    for i, shot in enumerate(shots):
        job[f"vertices_{i}"] = shot.vertices.astype(np.float32)
    return job


def _digest(job: dict[str, np.ndarray], number: int, shot: "Shot") -> str:
    """Identity of one picture. Rounded: the last digits differ between processors."""
    digest = hashlib.sha256()
    of_person = (job[f"{name}_{shot.person}"] for name in ("faces", "materials", "colours"))
    for values in (*of_person, shot.placed, np.array(shot.focal), shot.backdrop, shot.vertices):
        digest.update((np.round(values.astype(np.float64), 4) + 0.0).tobytes())
    return digest.hexdigest()


def _claim(folder: Path, digests: list[str]) -> None:
    """Note whose pictures the folder holds, or check that they are these, as far as both go."""
    path = folder / _KEY_FILE
    known = path.read_text("utf-8").split() if path.is_file() else []
    if any(a != b for a, b in zip(known, digests, strict=False)):
        raise InvalidInput(
            f"{folder} holds pictures made from other poses or settings. Give another folder, or "
            "remove it."
        )
    if len(digests) > len(known):
        path.write_text("\n".join(digests) + "\n", "utf-8")
