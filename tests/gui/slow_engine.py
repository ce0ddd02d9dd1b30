# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the model, slow enough for a hand to press Esc before it is done.

Its photo is a drawing of somebody, whose pose it knows. A file's name says how many are in it
(`two`).
"""

import io
import time

import numpy as np
from PIL import Image, ImageDraw

from backend.engine import Arrays, EngineOptions, JobContext, Output, Params
from backend.errors import Cancelled
from blender_addon.shared.motion import Motion
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, PARENTS, joint_index
from tests.bpy import answers_engine
from tests.wire import fake_engine

STEP_S = 0.5  # for half a second of motion, and for a word
LOOK_S = 0.02  # between two looks whether the job was cancelled, as at a step of a real model
SIZE = (480, 400)


def create(options: EngineOptions) -> fake_engine.FakeEngine:
    """The engine of the other tests, with half a second for every half second of motion."""
    fake_engine.STEP_S = STEP_S
    engine = answers_engine.create(options)
    engine.tasks |= {"people": DrawnPeople(), "pose": DrawnPose(), "describe": SlowDescribe()}
    return engine


def pause(seconds: float, job: JobContext) -> None:
    """Be at work for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if job.is_cancelled():
            raise Cancelled()
        time.sleep(LOOK_S)


def drawn_pose() -> Motion:
    """(1, 22, 3) somebody with one arm up, who leans on one leg; 1.5 m aside."""
    poses = np.zeros((1, NUM_BODY_JOINTS, 3), np.float32)
    for name, turn in {
        "left_shoulder": (0, 0, 1.0),
        "left_elbow": (0, 0.6, 0.5),
        "right_shoulder": (0, 0, 1.1),
        "right_elbow": (0, 0.5, 0),
        "left_hip": (0, 0, 0.25),
        "right_hip": (0, 0, -0.12),
        "spine2": (0, 0, 0.08),
    }.items():
        poses[0, joint_index(name)] = turn
    return Motion(poses, np.array([[1.5, 0.22, 0.0]], np.float32), 20.0)


def joints_in(box: np.ndarray) -> np.ndarray:
    """(22, 2) the pose's joints in a picture, within left, top, right, bottom."""
    flat = drawn_pose().joint_positions()[0, :NUM_BODY_JOINTS, :2] * [1, -1]
    low, high = flat.min(axis=0), flat.max(axis=0)
    inside = box[:2] + (box[2:] - box[:2]) * [0.12, 0.12], box[2:] - (box[2:] - box[:2]) * 0.08
    return (inside[0] + (flat - low) / (high - low) * (inside[1] - inside[0])).astype(np.float32)


def draw_person(draw: ImageDraw.ImageDraw, box: np.ndarray, colour: tuple[int, int, int]) -> None:
    joints, thick = joints_in(box), int((box[3] - box[1]) * 0.06)
    for joint in range(1, NUM_BODY_JOINTS):
        ends = [tuple(joints[PARENTS[joint]]), tuple(joints[joint])]
        draw.line(ends, fill=colour, width=thick)
        for x, y in ends:
            half = thick / 2
            draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)
    x, y = joints[joint_index("head")] - [0, thick * 0.8]
    draw.ellipse((x - thick, y - 1.2 * thick, x + thick, y + 1.2 * thick), fill=(224, 190, 160))


class DrawnPeople(answers_engine.People):
    """One or two of them, in a picture of our own."""

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        job.progress(0.3, "looking for people")
        pause(STEP_S, job)
        boxes = np.array([[60, 30, 240, 385], [300, 120, 440, 385]], np.float32)
        boxes = boxes[: 2 if "two" in str(params.get("image", "")) else 1]
        picture, file = Image.new("RGB", SIZE, (182, 200, 206)), io.BytesIO()
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 330, *SIZE), fill=(140, 132, 118))
        for box, colour in zip(boxes, ((70, 96, 140), (150, 84, 72)), strict=False):
            draw_person(draw, box, colour)
        picture.save(file, format="JPEG", quality=92)
        seen = {
            "boxes": boxes,
            "scores": np.full(len(boxes), 0.9, np.float32),
            "picture": np.frombuffer(file.getvalue(), np.uint8),
        }
        return Output({"size": list(SIZE)}, seen)


class DrawnPose(answers_engine.Pose):
    """The pose of whom was drawn."""

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        for step in range(6):
            job.progress(step / 6, "reading the pose")
            pause(STEP_S, job)
        pose = drawn_pose()
        made = {
            "poses": pose.poses.astype(np.float32),
            "trans": pose.trans.astype(np.float32),
            "joints_image": joints_in(np.array(params["box"])),
        }
        return Output({"fps": pose.fps, "score": 0.9, "error_pixels": 3.0, "codes": [1] * 5}, made)


class SlowDescribe(answers_engine.Describe):
    """The same words, one in half a second."""

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        output = super().run(params, arrays, job)
        pause(4 * STEP_S, job)
        return output
