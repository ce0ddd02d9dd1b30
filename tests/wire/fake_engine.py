# SPDX-License-Identifier: Apache-2.0
"""An engine without a model: fast, with tasks that misbehave on request."""

import errno
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend.assets import ensure
from backend.engine import Arrays, EngineOptions, JobContext, Output, Params
from backend.errors import Cancelled, InvalidInput
from backend.tasks.requests import validate_track
from backend.track_task import parse_track
from backend.vision.clip_frames import clip_part
from backend.vision.images import read_picture

STEP_S = 0.02
FPS = 20.0


def create(options: EngineOptions) -> "FakeEngine":
    return FakeEngine(options)


def create_broken(options: EngineOptions) -> "FakeEngine":
    """An engine that the server can make and the worker cannot."""
    if "backend.server" in sys.modules:
        return FakeEngine(options)
    raise RuntimeError("this engine never starts")


def create_with_assets(options: EngineOptions) -> "FakeEngine":
    """Loads what the real engine would fetch first, by the same code."""
    engine = FakeEngine(options)
    engine.assets = ("minilm",)
    return engine


def create_on_a_full_disk(options: EngineOptions) -> "FakeEngine":
    shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**9, 10**9, 0)  # type: ignore
    return create_with_assets(options)


class FakeEngine:
    def __init__(self, options: EngineOptions) -> None:
        self.device = ""
        self.loaded = False
        self.assets: tuple[str, ...] = ()
        self.tasks = {
            "text_to_motion": FakeMotion(),
            "track": FakeTrack(),
            "look": FakeLook(),
            "chat": FakeChat(),
            "gate": FakeGate(),
            "echo": FakeEcho(),
            "misbehave": FakeTrouble(),
        }

    def load(self, progress: Callable[[float, str], None]) -> None:
        progress(0.0, "loading model")
        for name in self.assets:
            ensure(name, progress)
        self.loaded, self.device = True, "fake"


class FakeMotion:
    """Walks along +Z at 1 m/s, in chunks of ten frames."""

    def check(self, params: Params, arrays: Arrays) -> None:
        if not str(params.get("prompt", "")).strip():
            raise InvalidInput("The prompt is empty: say what the person does.")
        if not 1 <= float(params.get("seconds") or 2) <= 30:
            raise InvalidInput("Seconds must be between 1 and 30.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        frames = int(float(params.get("seconds") or 2) * FPS)
        poses = np.zeros((frames, 22, 3), np.float32)
        trans = np.zeros((frames, 3), np.float32)
        trans[:, 2] = np.arange(frames) / FPS
        for start in range(0, frames, 10):
            if job.is_cancelled():
                raise Cancelled()
            time.sleep(STEP_S)
            part = slice(start, start + 10)
            job.chunk(
                start_frame=start,
                values={"fps": FPS},
                arrays={"poses": poses[part], "trans": trans[part]},
            )
            job.progress(min(1.0, (start + 10) / frames), "generating")
        values: dict[str, Any] = {
            "fps": FPS,
            "prompt": params["prompt"],
            "seed": params.get("seed", 0),
            "alpha": [0.1, 0.2, 0.3, 0.2, 0.2],
        }
        return Output(values, {"poses": poses, "trans": trans})


class FakeTrack:
    """Follows somebody who stands, in the frames of the video from the second on."""

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_track(parse_track(params))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        part = clip_part(parse_track(params).video)
        for number, _ in enumerate(part.read(), 1):
            if job.is_cancelled():
                raise Cancelled()
            time.sleep(STEP_S)
            share = number / part.frames
            job.progress(share, f"Following the person: frame {number} of {part.frames}")
        count = part.frames - 1
        single = np.float32
        arrays = {
            "poses": np.zeros((count, 22, 3), single),
            "trans": np.zeros((count, 3), single),
            "camera": np.eye(3, dtype=single),
            "joints_image": np.full((count, 22, 2), 20, single),
            "landmarks_image": np.zeros((count, 33, 2), single),
            "landmarks_world": np.zeros((count, 33, 3), single),
            "visibility": np.ones((count, 33), single),
            "planted": np.ones((count, 4), np.uint8),
        }
        values = {
            "fps": part.fps,
            "landmarks_fps": part.fps,
            "first_frame": 1,
            "start_seconds": 1 / part.fps,
            "error_pixels": 1.5,
            "notes": ["The first frame shows nobody."],
        }
        return Output(values, arrays)


class FakeLook:
    """Says how large a picture is, and where it lay."""

    def check(self, params: Params, arrays: Arrays) -> None:
        if not params.get("image"):
            raise InvalidInput("No picture was given.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        path = Path(params["image"])
        modes = [oct(place.stat().st_mode & 0o777) for place in (path.parent, path)]
        return Output({"size": list(read_picture(path).size), "path": str(path), "modes": modes})


class FakeChat:
    """Says the turn back word by word, then how many messages it saw; "walk" makes a motion."""

    def check(self, params: Params, arrays: Arrays) -> None:
        if not params["messages"][-1]["content"].strip():
            raise InvalidInput("Message 1 is empty: ask something.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        turn, seen = params["messages"][-1]["content"], len(params["messages"])
        values: dict[str, Any] = {"alpha": [1.0, 0.0], "tokens": [], "complete": True}
        made, text, motion = {}, "", None
        if "walk" in turn:
            walk = {"prompt": turn, "seconds": params.get("seconds")}
            output = FakeMotion().run(walk, {}, job)
            values |= output.values
            made = output.arrays
            motion = {"prompt": turn, "seconds": len(made["trans"]) / FPS}
        for word in [*turn.split(), f"({seen})"]:
            if job.is_cancelled():
                raise Cancelled()
            time.sleep(STEP_S)
            job.chunk(text=f"{word} ")
            job.progress(0.5, "answering")
            text += f"{word} "
        values["tokens"] = list(range(seen))
        values["complete"] = "long" not in turn
        values["dropped_turns"] = 2 if "old" in turn else 0
        values["text"] = text
        values["message"] = {"role": "assistant", "content": text, "motion": motion}
        return Output(values, made)


class FakeGate:
    def check(self, params: Params, arrays: Arrays) -> None:
        if not params.get("prompts"):
            raise InvalidInput("No prompts came.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        return Output({"alpha": [[1.0, 0.0] for _ in params["prompts"]]})


class FakeEcho:
    def check(self, params: Params, arrays: Arrays) -> None:
        pass

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        return Output(dict(params), dict(arrays))


class FakeTrouble:
    """how: sleep (never looks for a cancel), exit, raise, memory, disk."""

    def check(self, params: Params, arrays: Arrays) -> None:
        pass

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        match params["how"]:
            case "sleep":
                job.progress(0.5, "asleep")
                time.sleep(60)
            case "exit":
                os._exit(7)
            case "raise":
                raise ValueError("an unforeseen fault")
            case "memory":
                raise MemoryError()
            case "disk":
                raise OSError(errno.ENOSPC, "No space left on device", "/cache/model")
        return Output()
