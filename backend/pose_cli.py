# SPDX-License-Identifier: Apache-2.0
"""`hmvlm pose`: a picture to a pose file, and the skeleton drawn over the picture."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from backend.client_cli import ProgressLine, client_session
from backend.errors import InvalidInput
from backend.vision.images import read_picture
from backend.vision.overlay import draw_skeleton
from blender_addon.core.jobs import Job

_EXTRA = ("camera", "root_camera", "joints_image", "landmarks_image", "landmarks_world")


def pose(options: argparse.Namespace) -> int:
    """Write the pose of one person; progress on stderr, one line about it on stdout."""
    outputs = {"--out": (options.out, ".npz"), "--overlay": (options.overlay, ".png")}
    for name, (path, suffix) in outputs.items():
        _check_output(name, path, suffix)
    picture = read_picture(options.image)  # a file that is no picture needs no server to say so
    params: dict[str, Any] = {"image": str(options.image.absolute()), "refine": options.refine}
    for name in ("box", "seed", "samples", "temperature"):
        if (value := getattr(options, name)) is not None:
            params[name] = value
    show = ProgressLine()
    with client_session(options, show) as session:
        job = session.run("pose", params, on_event=show.event)
    show.end()
    written = []
    try:
        if options.out is not None:
            job.motion().save_npz(options.out, **_extra(job))
            written.append(str(options.out))
        if options.overlay is not None:
            draw_skeleton(picture, job.arrays["joints_image"]).save(options.overlay, format="PNG")
            written.append(str(options.overlay))
    except OSError as error:
        raise InvalidInput(f"{error.filename} could not be written: {error.strerror}.") from error
    print(
        f"{', '.join(written) or options.image}: person {job.values['score']:.2f}, "
        f"{job.values['error_pixels']:.1f} pixels from the landmarks, codes {job.values['codes']}"
    )
    return 0


def parse_box(text: str) -> list[float]:
    """ "L,T,R,B" -> four numbers, for argparse."""
    try:
        box = [float(word) for word in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4:
        raise argparse.ArgumentTypeError("a box is L,T,R,B: four numbers in pixels")
    return box


def _extra(job: Job) -> dict[str, np.ndarray]:
    """What the pose file says beyond a motion: the camera, and what was seen."""
    extra = {name: job.arrays[name] for name in _EXTRA}
    return extra | {"landmarks_visibility": job.arrays["visibility"]}


def _check_output(name: str, path: Path | None, suffix: str) -> None:
    if path is None:
        return
    if path.suffix.lower() != suffix:
        raise InvalidInput(f"{name} {path}: name it {suffix}.")
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{name} {path}: the folder {path.absolute().parent} does not exist.")
