# SPDX-License-Identifier: Apache-2.0
"""`hmvlm track`: a video to a motion file, and the skeleton drawn over the video."""

import argparse
from pathlib import Path
from typing import Any

from backend.client_cli import ProgressLine, client_session, write_motion
from backend.errors import InvalidInput
from backend.vision.clip_frames import clip_part
from backend.vision.overlay_video import write_overlay_video
from blender_addon.core.jobs import Job

_EXTRA = {
    "camera": "camera",
    "joints_image": "joints_image",
    "landmarks_image": "landmarks_image",
    "landmarks_world": "landmarks_world",
    "visibility": "landmarks_visibility",
    "planted": "planted",
}
_GIVEN = ("box", "start", "seconds", "lens", "in_place")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb, but for those of every client."""
    from backend.pose_cli import parse_box

    parser.add_argument(
        "video", type=Path, metavar="VIDEO", help="MP4, MOV, WebM, GIF, a folder of pictures, ..."
    )
    parser.add_argument(
        "--box",
        type=parse_box,
        metavar="L,T,R,B",
        help="around the person in the first frame (default: the largest)",
    )
    parser.add_argument("--start", type=float, metavar="S", help="begin at this second")
    parser.add_argument("--seconds", type=float, metavar="S", help="how much (at most 60)")
    parser.add_argument(
        "--lens", type=float, metavar="MM", help="of the camera, on a 36 mm sensor (default: 35)"
    )
    parser.add_argument(
        "--in-place", action="store_true", default=None, help="without a path over the ground"
    )
    parser.add_argument("--out", type=Path, required=True, help="motion.npz or motion.bvh")
    parser.add_argument("--overlay", type=Path, metavar="MP4", help="the skeleton over the video")


def run(options: argparse.Namespace) -> int:
    """Write the motion of one person; progress on stderr, a line about it on stdout."""
    _check_output("--out", options.out, (".npz", ".bvh"))
    _check_output("--overlay", options.overlay, (".mp4",))
    # what is no video needs no server to say so
    part = clip_part(options.video, options.start or 0.0, options.seconds)
    params: dict[str, Any] = {"video": str(options.video.absolute())}
    for name in _GIVEN:
        if (value := getattr(options, name)) is not None:
            params[name] = value
    show = ProgressLine()
    with client_session(options, show) as session:
        job = session.run("track", params, on_event=show.event)
    motion = job.motion()
    if options.out.suffix.lower() == ".npz":
        try:
            motion.save_npz(options.out, **_extra(job))
        except OSError as error:
            raise InvalidInput(f"{options.out} could not be written: {error.strerror}.") from error
    else:
        write_motion(motion, options.out)
    written = [str(options.out)]
    if options.overlay is not None:
        show.say("Drawing over the video")
        joints, first = job.arrays["joints_image"], int(job.values["first_frame"])
        write_overlay_video(options.overlay, part.read(), joints, first, part.fps)
        written.append(str(options.overlay))
    show.end()
    values = job.values
    print(
        f"{', '.join(written)}: {motion.num_frames} frames, {motion.seconds:.1f} s at "
        f"{motion.fps:g} fps from {values['start_seconds']:.1f} s of the video on, "
        f"{values['error_pixels']:.1f} pixels from the landmarks"
    )
    for note in values["notes"]:
        print(note)
    return 0


def _extra(job: Job) -> dict[str, Any]:
    """What the motion file says beyond a motion: the camera, and what was seen."""
    extra = {name: job.arrays[key] for key, name in _EXTRA.items()}
    return extra | {"landmarks_framerate": float(job.values["landmarks_fps"])}


def _check_output(name: str, path: Path | None, suffixes: tuple[str, ...]) -> None:
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise InvalidInput(f"{name} {path}: name it {' or '.join(suffixes)}.")
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{name} {path}: the folder {path.absolute().parent} does not exist.")
