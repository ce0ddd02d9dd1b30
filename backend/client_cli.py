# SPDX-License-Identifier: Apache-2.0
"""`hmvlm generate` and `hmvlm gate`: the verbs that are clients of the server, as Blender is."""

import argparse
import json
import re
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput
from backend.session import Session, open_session
from blender_addon.core.client import ClientEvent
from blender_addon.core.jobs import Job
from blender_addon.shared import protocol
from blender_addon.shared.codec import motion_arrays
from blender_addon.shared.motion import Motion, MotionError

GATE_BATCH = 64


def generate(options: argparse.Namespace) -> int:
    """Write the motion for one sentence; progress on stderr, one line about it on stdout."""
    out: Path = options.out
    if out.suffix.lower() not in (".npz", ".bvh"):
        raise InvalidInput(f"--out {out}: name it .npz or .bvh.")
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"--out {out}: the folder {out.absolute().parent} does not exist.")
    given = {
        "prompt": options.prompt,
        "seconds": options.seconds,
        "seed": options.seed,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "guidance": options.guidance,
    }
    params: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    arrays = {}
    for name in ("start", "end"):
        clip = _load(getattr(options, name))
        if clip is not None:
            params[f"{name}_fps"] = float(clip.fps)
            arrays |= motion_arrays(clip, f"{name}_")
    show = ProgressLine()
    started = time.monotonic()
    with client_session(options, show) as session:
        job = session.run("text_to_motion", params, arrays, show.event)
    show.end()
    motion = job.motion()
    write_motion(motion, out)
    took = time.monotonic() - started
    alpha = job.values.get("alpha") or [0.0]
    print(
        f"{out}: {motion.num_frames} frames, {motion.seconds:.1f} s at {motion.fps:g} fps, "
        f"seed {job.values.get('seed')}, alpha_0 {alpha[0]:.3f}, {took:.1f} s"
    )
    return 0


def gate(options: argparse.Namespace) -> int:
    """Print how the experts share each prompt; alpha_0 is the base model's own part."""
    prompts = _read_prompts(options.file)
    show = ProgressLine()
    with client_session(options, show) as session:
        for start in range(0, len(prompts), GATE_BATCH):
            batch = prompts[start : start + GATE_BATCH]
            job = session.run("gate", {"prompts": batch}, on_event=show.event)
            show.end()
            for prompt, alpha in zip(batch, job.values["alpha"], strict=True):
                print(_gate_line(prompt, alpha, options.json), flush=True)
    return 0


class ProgressLine:
    """Progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._said = ""
        self._open = False

    def say(self, message: str) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{message}")
            self._open = True
        elif _without_numbers(message) != self._said:
            # in a log, a counter that goes up is one line, not a hundred
            sys.stderr.write(f"{message}\n")
        self._said = _without_numbers(message)
        sys.stderr.flush()

    def event(self, event: ClientEvent, job: Job) -> None:
        """Show what an event says about its job."""
        message = event.message
        if isinstance(message, protocol.Accepted) and message.position:
            self.say(f"waiting for {message.position} other jobs")
        elif isinstance(message, protocol.Progress):
            self.step(message.fraction, message.message)

    def step(self, fraction: float, message: str) -> None:
        """Show how far something is; off a terminal the number would fill a log with lines."""
        self.say(f"{fraction:4.0%} {message}" if self._terminal else message)

    def end(self) -> None:
        if self._open:
            sys.stderr.write("\r\x1b[K")
            self._open = False


def _without_numbers(message: str) -> str:
    return re.sub(r"[0-9.]+", "", message)


def client_session(
    options: argparse.Namespace, show: ProgressLine
) -> AbstractContextManager[Session]:
    """A session with the server that the options of the command line name."""
    arguments: list[str] = []
    if options.device != "auto":
        arguments += ["--device", options.device]
    if options.weights is not None:
        arguments += ["--weights", str(options.weights.absolute())]
    if options.engine:
        arguments += ["--engine", options.engine]
    return open_session(
        options.connection_file, keep=options.keep, serve_arguments=arguments, say=show.say
    )


def _load(path: Path | None) -> Motion | None:
    if path is None:
        return None
    try:
        return Motion.load_npz(path)
    except MotionError as error:
        raise InvalidInput(str(error)) from error


def write_motion(motion: Motion, out: Path) -> None:
    """Write a motion as the .npz or .bvh that its name says. Raises InvalidInput if it cannot."""
    try:
        if out.suffix.lower() == ".npz":
            motion.save_npz(out)
        else:
            from backend.motion.bvh import write_bvh

            write_bvh(motion, out)
    except OSError as error:
        raise InvalidInput(f"{out} could not be written: {error.strerror}.") from error


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as text: {error}.") from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise InvalidInput(f"{path} holds no prompt: write one a line.")
    return prompts


def _gate_line(prompt: str, alpha: list[float], as_json: bool) -> str:
    if as_json:
        return json.dumps({"prompt": prompt, "alpha": alpha}, ensure_ascii=False)
    return "  ".join([*(f"{a:.3f}" for a in alpha), prompt])
