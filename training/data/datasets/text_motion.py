# SPDX-License-Identifier: Apache-2.0
"""The folder layout that HumanML3D and its processing of KIT-ML share.

FOLDER/new_joint_vecs/ID.npy   (T, 12 J - 1) features, not normalised
FOLDER/new_joints/ID.npy       (T, J, 3) joint positions
FOLDER/texts/ID.txt            a line a sentence: `caption#word/POS word/POS#from#to`
FOLDER/{train,val,test}.txt    an ID a line; "M000001" is the mirror image of "000001"
FOLDER/{Mean,Std}.npy          (12 J - 1,) statistics of the features

`from` and `to` are seconds and say which part of the clip a sentence is about; 0.0 and 0.0 (or
nan) mean all of it. Source of the layout: README.md and motion_representation.ipynb of
EricGuo5513/HumanML3D, and the loader of EricGuo5513/text-to-motion.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput
from backend.motion.humanml3d import joints_from_positions
from backend.motion.inverse_kinematics import joints_to_motion, on_the_floor
from blender_addon.shared.motion import Motion, MotionError

from .base import Bad, Reader
from .records import Caption, CaptionedMotion

SPLITS = ("train", "val", "test")
EXPECTED = (
    "new_joint_vecs/000000.npy ...",
    "new_joints/000000.npy ...",
    "texts/000000.txt ...",
    "train.txt, val.txt, test.txt",
    "Mean.npy, Std.npy",
)


@dataclass(frozen=True)
class ClipEntry:
    """A clip, or the part of one from `start` to `end` seconds (0, 0: all), and its sentences."""

    id: str
    split: str
    start: float
    end: float
    captions: tuple[Caption, ...]

    @property
    def name(self) -> str:
        return self.id + (f"_{self.start:g}-{self.end:g}s" if self.end else "")

    @property
    def mirrored(self) -> bool:
        return self.id.startswith("M")


class TextMotionReader(Reader[CaptionedMotion]):
    """Reads one split, or all three when none is named. Sub-classes say which data set it is."""

    num_joints: int
    feature_dim: int
    fps: float

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        super().__init__(folder)
        if split is not None and split not in SPLITS:
            raise InvalidInput(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        self.splits = SPLITS if split is None else (split,)

    @abstractmethod
    def smpl_joints(self, joints: np.ndarray) -> np.ndarray:
        """(T, J, 3) of this data set -> (T, 22, 3) in SMPL's order."""

    def entries(self) -> Iterator[ClipEntry | Bad]:
        """What there is to read, from the splits and the texts alone."""
        self.info.require(self.folder / "texts")
        self.info.require(self.folder / "new_joint_vecs")
        for split in self.splits:
            ids = self.info.require(self.folder / f"{split}.txt").read_text(encoding="utf-8")
            for clip_id in ids.split():
                yield from self._entries_of(clip_id, split)

    def load(self, entry: ClipEntry) -> CaptionedMotion:
        """Read one entry. Raises MotionError for a missing or unusable motion."""
        features = self._array("new_joint_vecs", entry.id)
        if features.ndim != 2 or features.shape[1] != self.feature_dim or len(features) == 0:
            raise MotionError(f"features that are not (T, {self.feature_dim})")
        joints = joints_from_positions(features)
        if (self.folder / "new_joints" / f"{entry.id}.npy").exists():
            joints = self._array("new_joints", entry.id)
            if joints.shape != (len(features), self.num_joints, 3):
                raise MotionError(f"joints that are not (T, {self.num_joints}, 3) as the features")
        if entry.end:
            part = slice(int(entry.start * self.fps), int(entry.end * self.fps))
            features, joints = features[part], joints[part]
            if len(features) == 0:
                raise MotionError("segment outside of the clip")
        return CaptionedMotion(
            entry.name, entry.split, entry.mirrored, features, joints, self.fps, entry.captions
        )

    def load_motion(self, entry: ClipEntry) -> Motion:
        """One entry as SMPL motion with its soles on the ground. Raises MotionError."""
        try:
            joints = self.smpl_joints(self.load(entry).joints)
            return on_the_floor(joints_to_motion(joints, self.fps))
        except ValueError as error:
            raise MotionError(f"{entry.name}: {error}") from error

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (12 J - 1,) of the features, as published."""
        mean, std = (
            np.load(self.info.require(self.folder / f"{name}.npy"), allow_pickle=False)
            for name in ("Mean", "Std")
        )
        if mean.shape != (self.feature_dim,) or std.shape != mean.shape:
            raise InvalidInput(
                f"{self.folder}: Mean.npy and Std.npy must hold {self.feature_dim} numbers, got "
                f"{mean.shape} and {std.shape}. Fetch them again from {self.info.url}."
            )
        return mean, std

    def _read(self) -> Iterator[CaptionedMotion | Bad]:
        for entry in self.entries():
            if isinstance(entry, Bad):
                yield entry
                continue
            try:
                yield self.load(entry)
            except MotionError as error:
                yield Bad(str(error))

    def _entries_of(self, clip_id: str, split: str) -> Iterator[ClipEntry | Bad]:
        path = self.folder / "texts" / f"{clip_id}.txt"
        # KIT-ML's own splits name a few clips that have no files
        if not path.exists() or not (self.folder / "new_joint_vecs" / f"{clip_id}.npy").exists():
            yield Bad("listed in a split, but without files")
            return
        parts: dict[tuple[float, float], list[Caption]] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.strip():
                continue
            parsed = parse_line(line)
            if isinstance(parsed, Bad):
                yield parsed
            else:
                parts.setdefault(parsed[1], []).append(parsed[0])
        if not parts:
            yield Bad("no sentence")
        for (start, end), captions in parts.items():
            yield ClipEntry(clip_id, split, start, end, tuple(captions))

    def _array(self, kind: str, clip_id: str) -> np.ndarray:
        path = self.folder / kind / f"{clip_id}.npy"
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise MotionError("unreadable .npy file") from error
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise MotionError("numbers that are not finite")
        return array


def parse_line(line: str) -> tuple[Caption, tuple[float, float]] | Bad:
    """A line of a text file -> its caption and (from, to) in seconds."""
    fields = line.strip().split("#")
    if len(fields) != 4:
        return Bad("a text line that is not caption#tokens#from#to")
    text = " ".join(fields[0].split())
    if not text:
        return Bad("empty text")
    try:
        start, end = (0.0 if math.isnan(float(f)) else float(f) for f in fields[2:])
    except ValueError:
        return Bad("a text line whose times are no numbers")
    if (start or end) and not 0 <= start < end < math.inf:
        return Bad("a text line that ends before it begins")
    return Caption(text, tuple(fields[1].split())), (start, end)
