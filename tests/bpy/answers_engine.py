# SPDX-License-Identifier: Apache-2.0
"""The wire tests' stand-in for the model, with the tasks that read pictures, clips and motions.

A file's name says how it goes: `two` people, `slow`, `die` with the worker.
"""

import io
import os
import time
from typing import Any

import numpy as np

from backend.engine import Arrays, EngineOptions, JobContext, Output, Params
from backend.errors import Cancelled, InvalidInput
from tests.wire import fake_engine

WIDTH, HEIGHT = 400, 300
BOXES = np.array([[40, 20, 160, 290], [220, 60, 330, 280]], np.float32)


def create(options: EngineOptions) -> fake_engine.FakeEngine:
    engine = fake_engine.create(options)
    engine.tasks |= {
        "people": People(),
        "pose": Pose(),
        "describe": Describe(),
        "describe_motion": DescribeMotion(),
        "track": Track(),
    }
    return engine


def _wait(name: str, job: JobContext) -> None:
    for step in range(200 if "slow" in name else 3):
        if job.is_cancelled():
            raise Cancelled()
        job.progress(min(1.0, 0.1 + step / 200), "looking")
        time.sleep(0.02)
        if "die" in name and step == 2:
            os._exit(3)


class People:
    def check(self, params: Params, arrays: Arrays) -> None:
        if not params.get("image") and "image" not in arrays:
            raise InvalidInput("No picture was given.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from PIL import Image, ImageDraw

        name = str(params.get("image", ""))
        _wait(name, job)
        count = 2 if "two" in name else 1
        picture, file = Image.new("RGB", (WIDTH, HEIGHT), (60, 90, 60)), io.BytesIO()
        for left, top, right, bottom in BOXES[:count].tolist():
            ImageDraw.Draw(picture).ellipse((left, top, right, bottom), fill=(220, 180, 150))
        picture.save(file, format="JPEG")
        seen = {
            "boxes": BOXES[:count],
            "scores": np.full(count, 0.9, np.float32),
            "picture": np.frombuffer(file.getvalue(), np.uint8),
        }
        return Output({"size": [WIDTH, HEIGHT]}, seen)


class Pose:
    """Both arms up; the second person also turns round. The body stands 1.5 m aside."""

    def check(self, params: Params, arrays: Arrays) -> None:
        pass

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        _wait(str(params.get("image", "")), job)
        box = params["box"]
        poses = np.zeros((1, 22, 3), np.float32)
        poses[0, 16], poses[0, 17] = (0, 0, 1.2), (0, 0, -1.2)
        if box[0] > 200:
            poses[0, 0] = (0, 3.0, 0)
        left, top, right, bottom = box
        at = np.random.default_rng(0).uniform(0, 1, (22, 2))
        joints = at * [right - left, bottom - top] + [left, top]
        trans = np.array([[1.5, 0.22, 0.0]], np.float32)
        made = {"poses": poses, "trans": trans, "joints_image": joints.astype(np.float32)}
        values: dict[str, Any] = {"fps": 20.0, "score": 0.9, "error_pixels": 3.0, "codes": [1] * 5}
        return Output(values, made)


class Describe:
    def check(self, params: Params, arrays: Arrays) -> None:
        if not isinstance(params["ask"], str):
            raise InvalidInput("The question is no text.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        _wait(params["video"], job)
        text = "the left one" if params["ask"] else "a person waves with the left hand"
        if "start" in params:
            text += f" from {params['start']:g} s on"
        for word in text.split():
            job.chunk(text=f"{word} ")
            time.sleep(0.02)
        return Output({"text": text})


class DescribeMotion:
    """Says how many frames came and how far they go, so that a check can tell what was sent."""

    def check(self, params: Params, arrays: Arrays) -> None:
        if float(params["fps"]) <= 0:
            raise InvalidInput("The motion comes without its frame rate.")

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        _wait("", job)
        way = np.abs(arrays["trans"][-1] - arrays["trans"][0]).max()
        return Output({"text": f"{len(arrays['poses'])} frames, {way:.2f} m, {params['fps']:g}"})


class Track:
    def check(self, params: Params, arrays: Arrays) -> None:
        pass

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        _wait(params["video"], job)
        walk = {"prompt": "walks", "seconds": 2.0}
        made = fake_engine.FakeMotion().run(walk, arrays, job)
        notes = ["The last 2 frames were left out"] if params["in_place"] else []
        if "start" in params or "seconds" in params:
            notes.append(f"from {params.get('start', 0):g} for {params.get('seconds', 0):g} s")
        return Output({"fps": made.values["fps"], "notes": notes}, made.arrays)
