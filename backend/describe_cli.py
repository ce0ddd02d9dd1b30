# SPDX-License-Identifier: Apache-2.0
"""`hmvlm describe`: a video or a motion file to words."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from backend.client_cli import ProgressLine, client_session
from backend.errors import InvalidInput
from backend.vision.videos import examine
from blender_addon.core.client import ClientEvent
from blender_addon.core.jobs import Job
from blender_addon.shared import protocol
from blender_addon.shared.codec import motion_arrays
from blender_addon.shared.motion import Motion, MotionError


def describe(options: argparse.Namespace) -> int:
    """Print what the person does, as it is written, or one JSON object; progress on stderr."""
    source: Path = options.source
    params: dict[str, Any] = {"ask": options.ask}
    if options.max_new_tokens is not None:
        params["max_new_tokens"] = options.max_new_tokens
    arrays: dict[str, np.ndarray] = {}
    if source.suffix.lower() in (".npz", ".bvh"):
        task, motion = "describe_motion", _load_motion(source)
        if options.box is not None:
            raise InvalidInput("--box is for videos: a motion is of one person.")
        if options.start is not None or options.seconds is not None:
            raise InvalidInput("--start and --seconds are for videos: a motion is read whole.")
        params["fps"] = float(motion.fps)
        arrays = motion_arrays(motion)
    else:
        examine(source)  # a file that is no video needs no server to say so
        task, params["video"] = "describe", str(source.absolute())
        for name in ("box", "start", "seconds"):
            if (value := getattr(options, name)) is not None:
                params[name] = value
    show = ProgressLine()

    def on_event(event: ClientEvent, job: Job) -> None:
        message = event.message
        if isinstance(message, protocol.Chunk) and message.text and not options.json:
            show.end()
            print(message.text, end="", flush=True)
        elif not job.text:
            # once text runs, a line of progress would run into it
            show.event(event, job)

    with client_session(options, show) as session:
        job = session.run(task, params, arrays, on_event)
    show.end()
    if options.json:
        kept = ("text", "complete", "seconds", "frames", "found", "alpha")
        content = {"source": str(source), "ask": options.ask, **{k: job.values[k] for k in kept}}
        print(json.dumps(content, ensure_ascii=False))
    else:
        print()
    return 0


def _load_motion(path: Path) -> Motion:
    """Raises InvalidInput for a file that holds no motion of a person."""
    try:
        if path.suffix.lower() == ".npz":
            return Motion.load_npz(path)
        from backend.motion.bvh import BvhError, read_bvh
        from backend.motion.retarget import retarget_to_smpl

        try:
            return retarget_to_smpl(read_bvh(path))
        except (BvhError, OSError) as error:
            raise InvalidInput(f"{path} cannot be read as a motion: {error}") from error
    except MotionError as error:
        raise InvalidInput(str(error)) from error
