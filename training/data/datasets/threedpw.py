# SPDX-License-Identifier: Apache-2.0
"""3DPW, 3D Poses in the Wild: 60 videos by a moving camera with SMPL poses of one or two people.

von Marcard et al., ECCV 2018; the paper's pose estimation data (section 4.1). Source of the layout:
the readme.txt that comes with the data, and the owners' demo.py.

FOLDER/imageFiles/SEQUENCE/image_00000.jpg
FOLDER/sequenceFiles/{train,validation,test}/SEQUENCE.pkl  Python 2 pickles of a dict; a list entry
    a person: poses (N, 72), trans (N, 3), betas (10 or more), poses2d (N, 3, 18) pixels and
    confidence, jointPositions (N, 72), campose_valid (N,), genders; for the camera: cam_poses
    (N, 4, 4) world to camera, cam_intrinsics (3, 3).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InvalidInput
from backend.motion.array_pickle import PICKLE_ERRORS, load_array_pickle

from .base import Bad, DatasetInfo, Reader
from .records import PosedImage, into_camera

THREEDPW = DatasetInfo(
    name="3dpw",
    title="3DPW (3D Poses in the Wild)",
    url="https://virtualhumans.mpi-inf.mpg.de/3DPW/",
    licence="non-commercial scientific research; its licence page must be accepted before download",
    get="accept the licence, download imageFiles.zip and sequenceFiles.zip, unpack both there.",
    expected=("imageFiles/SEQUENCE/image_00000.jpg ...", "sequenceFiles/train/SEQUENCE.pkl ..."),
)
SPLITS = ("train", "validation", "test")
_NEEDED = ("poses", "trans", "betas", "cam_poses", "cam_intrinsics", "campose_valid", "genders")
_GENDERS = {"m": "male", "f": "female"}
_PER_ACTOR = ("poses", "trans", "betas", "campose_valid", "genders")


class ThreeDPW(Reader[PosedImage]):
    """A record a person and image, in the camera's frame. Reads one split, or all three."""

    info = THREEDPW

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        super().__init__(folder)
        if split is not None and split not in SPLITS:
            raise InvalidInput(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        self.splits = SPLITS if split is None else (split,)

    def _read(self) -> Iterator[PosedImage | Bad]:
        self.info.require(self.folder / "imageFiles")
        for split in self.splits:
            folder = self.info.require(self.folder / "sequenceFiles" / split)
            for path in sorted(folder.glob("*.pkl")):
                yield from self._sequence(path, split)

    def _sequence(self, path: Path, split: str) -> Iterator[PosedImage | Bad]:
        try:
            fields = load_array_pickle(path)
        except (OSError, *PICKLE_ERRORS) as error:
            raise InvalidInput(
                f"{path} is no pickle of arrays ({error}). Fetch it again from {self.info.url}."
            ) from error
        missing = [n for n in _NEEDED if not isinstance(fields, dict) or n not in fields]
        if missing:
            yield Bad(f"a sequence without {', '.join(missing)}")
            return
        images = self.info.require(self.folder / "imageFiles" / path.stem)
        people = len(fields["poses"])
        if any(len(fields[name]) < people for name in _PER_ACTOR):
            yield Bad("a sequence with entries for fewer people than it has poses")
            return
        for person in range(people):
            yield from _person(fields, person, path.stem, split, images)


def _person(
    fields: dict[str, Any], person: int, sequence: str, split: str, images: Path
) -> Iterator[PosedImage | Bad]:
    try:
        poses = np.asarray(fields["poses"][person], np.float64).reshape(-1, 24, 3)
        frames = len(poses)
        trans = np.asarray(fields["trans"][person], np.float64).reshape(frames, 3)
        betas = np.asarray(fields["betas"][person], np.float64).reshape(-1)[:10]
        valid = np.asarray(fields["campose_valid"][person]).reshape(frames).astype(bool)
        cameras = np.asarray(fields["cam_poses"], np.float64).reshape(frames, 4, 4)
        intrinsics = np.asarray(fields["cam_intrinsics"], np.float64).reshape(3, 3)
        keypoints = _optional(fields, "poses2d", person, (frames, 3, 18)).swapaxes(1, 2)
        joints = _optional(fields, "jointPositions", person, (frames, 24, 3))
        gender = _GENDERS.get(str(fields["genders"][person]), "neutral")
    except (ValueError, TypeError, IndexError):
        yield Bad("a person whose arrays have the wrong shape")
        return
    for i in range(frames):
        image = images / f"image_{i:05d}.jpg"
        turn, shift = cameras[i, :3, :3], cameras[i, :3, 3]
        if not valid[i]:
            yield Bad("camera not aligned to the image")
        elif not all(np.isfinite(a[i]).all() for a in (poses, trans, cameras)):
            yield Bad("numbers that are not finite")
        elif not image.exists():
            yield Bad("no such image")
        else:
            turned, moved = into_camera(poses[i], trans[i], turn, shift)
            yield PosedImage(
                name=f"{sequence}/{i:05d}/{person}",
                split=split,
                subject=f"{sequence}/{person}",
                image=image,
                frame=None,
                poses=turned,
                trans=moved,
                betas=betas,
                gender=gender,
                intrinsics=intrinsics,
                keypoints=keypoints[i] if len(keypoints) else np.zeros((0, 3)),
                joints=joints[i] @ turn.T + shift if len(joints) else np.zeros((0, 3)),
            )


def _optional(
    fields: dict[str, Any], name: str, person: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """One person's array of a field that not every release has; empty where it is missing."""
    if name not in fields:
        return np.zeros((0, *shape[1:]))
    return np.asarray(fields[name][person], np.float64).reshape(shape)
