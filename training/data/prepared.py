# SPDX-License-Identifier: Apache-2.0
"""The prepared data set on disk: shards that are memory-mapped, one JSON line a clip.

DIR/manifest.json            fps, sources, statistics, hash
DIR/SHARD.features.npy       (N, 272) float32 smpl22 rows of all the shard's clips, in a row
DIR/SHARD.params.npy         (N, 69) float32: 22 x 3 axis-angle, 3 translation
DIR/SHARD.clips.jsonl        id, split, labels, captions, facts, where its rows start
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from backend.errors import AssetError
from backend.motion.representation import FPS
from blender_addon.shared.motion import Motion

FORMAT_VERSION = 1
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class PreparedClip:
    """One clip of at most ten seconds. `start` and `frames` are rows of its shard."""

    id: str
    source: str
    split: str
    mirrored: bool
    shard: str
    start: int
    frames: int
    content: str
    style: str
    captions: list[str]
    facts: dict

    @staticmethod
    def from_json(line: str) -> "PreparedClip":
        record = json.loads(line)
        return PreparedClip(**{f.name: record[f.name] for f in fields(PreparedClip)})


def balanced_chances(clips: Sequence[PreparedClip]) -> np.ndarray:
    """(N,) how often each clip is drawn so that no source drowns the others; their sum is 1.

    Within a source each frame is about equally likely. A source with n frames is drawn as often as
    sqrt(n) says: thousands of walks in one must not be all that is learned.
    """
    frames = np.array([clip.frames for clip in clips], dtype=np.float64)
    totals: dict[str, float] = defaultdict(float)
    for clip in clips:
        totals[clip.source] += clip.frames
    chances = frames / np.sqrt([totals[clip.source] for clip in clips])
    return chances / chances.sum()


class PreparedDataset:
    """Random access to a prepared folder, or one split of it.

    Raises AssetError when the folder is not a finished prepared set.
    """

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise AssetError(
                f"{self.folder} is no prepared data set. Make one with:\n"
                f"  hmvlm-train prepare --source DATA_FOLDER --out {self.folder}"
            )
        manifest = json.loads(path.read_text())
        if manifest["format"] != FORMAT_VERSION:
            raise AssetError(
                f"{self.folder} was prepared in format {manifest['format']}, this version reads "
                f"{FORMAT_VERSION}. Prepare it again into an empty folder."
            )
        if split is not None and split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        self.fps = FPS
        self.hash: str = manifest["hash"]
        self.mean = np.array(manifest["mean"], dtype=np.float32)
        self.std = np.array(manifest["std"], dtype=np.float32)
        self.clips: list[PreparedClip] = []
        for shard in manifest["shards"]:
            with open(self.folder / f"{shard}.clips.jsonl", encoding="utf-8") as lines:
                clips = [PreparedClip.from_json(line) for line in lines]
            self.clips += [c for c in clips if split is None or c.split == split]

    def __len__(self) -> int:
        return len(self.clips)

    @cached_property
    def _maps(self) -> dict[str, np.ndarray]:
        return {}

    def _rows(self, clip: PreparedClip, kind: str) -> np.ndarray:
        key = f"{clip.shard}.{kind}.npy"
        if key not in self._maps:
            self._maps[key] = np.load(self.folder / key, mmap_mode="r")
        return self._maps[key][clip.start : clip.start + clip.frames]

    def features(self, index: int) -> np.ndarray:
        """(T, 272) float32 smpl22 rows of a clip, read from the map without a copy."""
        return self._rows(self.clips[index], "features")

    def motion(self, index: int) -> Motion:
        """The clip as SMPL motion at 20 fps."""
        rows = np.array(self._rows(self.clips[index], "params"))
        return Motion(rows[:, :66].reshape(-1, 22, 3), rows[:, 66:], float(FPS))
