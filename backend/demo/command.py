# SPDX-License-Identifier: Apache-2.0
"""The steps of `hmvlm demo`, each told with its duration."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.client_cli import ProgressLine
from backend.demo import blender, picture
from backend.errors import InvalidInput
from backend.session import BackendError, Session, open_session
from blender_addon.shared.motion import Motion, MotionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("prompt", help="what the person does")
    parser.add_argument("--seconds", type=float, help="length; the model chooses when left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder (default: out)")
    parser.add_argument("--connection-file", type=Path, metavar="FILE", help="a backend to use")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="trained weights to use")
    parser.add_argument("--keep", action="store_true", help="leave the backend running")
    # another engine, as the tests have one
    parser.add_argument("--engine", default="", help=argparse.SUPPRESS)
    parser.add_argument(
        "--motion", type=Path, metavar="NPZ", help="show this motion instead of generating one"
    )


def run(options: argparse.Namespace) -> int:
    """Run the steps; 0 when every file was written."""
    out: Path = options.out
    motion = _load(options.motion) if options.motion is not None else None
    if motion is None:
        from backend.tasks.requests import TextToMotionParams, validate

        # before anything is downloaded for a request that cannot be served
        validate(TextToMotionParams(options.prompt, options.seconds, options.seed))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--out {out} cannot be made: {error.strerror}.") from error
    steps = Steps(2 if motion is not None else 5)
    print(f"“{options.prompt}”")
    if motion is None:
        motion = _generate(options, steps)
    try:
        motion.save_npz(out / "motion.npz")
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written to: {error.strerror}.") from error
    report = blender.make_scene(out, options.prompt, steps)
    if not report.rendered:
        print(f"      {report.why_not_rendered}")
        with steps.step("preview without Blender") as step:
            picture.draw_preview(motion, out, options.prompt)
            step.result = "stick figures drawn with matplotlib instead"
    print(f"Done in {steps.seconds:.0f} s:")
    for name in ("motion.blend", "motion.npz", "preview.mp4", "filmstrip.png"):
        print(f"  {out / name}")
    return 0


@dataclass
class Step:
    """A step under way; set `result` for the words after it."""

    result: str = ""


class Steps:
    """Numbers the steps and prints each when it is over, with its duration."""

    def __init__(self, count: int) -> None:
        self._count, self._done, self._begun = count, 0, time.monotonic()
        self.line = ProgressLine()

    @property
    def seconds(self) -> float:
        """Since the first step."""
        return time.monotonic() - self._begun

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One step: what it is, then how it ended and how long it took."""
        begun, step = time.monotonic(), Step()
        self._done += 1
        self._count = max(self._count, self._done)
        self.line.say(name)
        try:
            yield step
        finally:
            self.line.end()
        took = time.monotonic() - begun
        words = f"{name}: {step.result}" if step.result else name
        print(f"[{self._done}/{self._count}] {words} ({took:.1f} s)", flush=True)


def _generate(options: argparse.Namespace, steps: Steps) -> Motion:
    with steps.step("base models") as step:
        step.result = "ready" if options.engine else _fetch(steps.line)
    begun = time.monotonic()
    with open_session(
        options.connection_file,
        keep=options.keep,
        serve_arguments=_serve_arguments(options),
        say=steps.line.say,
    ) as session:
        with steps.step("backend") as step:
            up = time.monotonic() - begun
            _load_model(session, steps.line)
            step.result = f"up after {up:.1f} s, then the model loaded"
        with steps.step("motion") as step:
            params = {"prompt": options.prompt, "seconds": options.seconds, "seed": options.seed}
            job = session.run("text_to_motion", params, on_event=steps.line.event)
            motion = job.motion()
            alpha = job.values.get("alpha") or [0.0]
            step.result = (
                f"{motion.seconds:.1f} s long, {motion.num_frames} frames, seed {options.seed}, "
                f"alpha_0 {alpha[0]:.3f}"
            )
    return motion


def _serve_arguments(options: argparse.Namespace) -> list[str]:
    arguments = [] if options.device == "auto" else ["--device", options.device]
    if options.weights is not None:
        arguments += ["--weights", str(options.weights.absolute())]
    return [*arguments, "--engine", options.engine] if options.engine else arguments


def _fetch(line: ProgressLine) -> str:
    from backend import assets

    for name in assets.ASSETS:
        assets.ensure(name, line.step)
        line.end()
    return "downloaded and checked"


def _load_model(session: Session, line: ProgressLine) -> None:
    """Apart from the motion, so that each has its own time."""
    job = session.client.jobs[session.client.load_model()]
    while not job.finished:
        session.client.wait(100)
        for event in session.client.pump():
            line.event(event, job)
    session.client.forget(job.job_id)
    if job.error is not None:
        raise BackendError(job.error.message, job.error.code)


def _load(path: Path) -> Motion:
    try:
        return Motion.load_npz(path)
    except MotionError as error:
        raise InvalidInput(str(error)) from error
