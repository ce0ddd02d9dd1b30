# SPDX-License-Identifier: Apache-2.0
"""Reading .bvhpack: many BVH clips of one source in one compressed file.

LZMA of: an 8-byte length, JSON (skeletons and clips), then for each skeleton the clips' Euler
angles (int16, steps of 0.02 degrees) and the moving joint's positions (int32, steps of 0.001
units), each delta-coded along time and split into byte planes.
"""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backend.motion.bvh import BvhClip, BvhError
from blender_addon.shared.rotations import euler_to_matrix


def pack_clip_names(path: Path) -> list[str]:
    """The names of a pack's clips, without decoding the motion."""
    with lzma.open(path) as stream:
        size = int.from_bytes(stream.read(8), "little")
        meta = json.loads(stream.read(size))
    return [clip["name"] for clip in meta["clips"]]


def read_pack(path: Path) -> Iterator[tuple[str, BvhClip]]:
    """Yield (name, clip) for every clip of a pack. Raises BvhError for a damaged file."""
    try:
        raw = lzma.decompress(path.read_bytes())
    except (lzma.LZMAError, EOFError) as error:
        raise BvhError(f"{path.name}: damaged pack: {error}") from error
    size = int.from_bytes(raw[:8], "little")
    meta = json.loads(raw[8 : 8 + size])
    at = 8 + size
    for index, skeleton in enumerate(meta["skeletons"]):
        clips = [c for c in meta["clips"] if c["skeleton"] == index]
        total, joints = sum(c["frames"] for c in clips), len(skeleton["joints"])
        angles, at = _plane(raw, at, total, joints * 3, np.dtype("<i2"))
        path_, at = _plane(raw, at, total, 3, np.dtype("<i4"))
        start = 0
        for clip in clips:
            stop = start + clip["frames"]
            # the sums wrap in 16 bits, as they were coded
            turns = np.cumsum(angles[start:stop].astype(np.int64), 0).astype(np.int16) * 0.02
            moves = np.cumsum(path_[start:stop].astype(np.int64), 0) * 0.001
            yield clip["name"], _clip(skeleton, clip, turns.reshape(-1, joints, 3), moves)
            start = stop


def _plane(raw: bytes, at: int, rows: int, columns: int, kind: np.dtype) -> tuple[np.ndarray, int]:
    count = rows * columns * kind.itemsize
    planes = np.frombuffer(raw, np.uint8, count, at).reshape(kind.itemsize, -1).T
    return np.ascontiguousarray(planes).view(kind).reshape(columns, rows).T, at + count


def _clip(skeleton: dict, clip: dict, angles: np.ndarray, moves: np.ndarray) -> BvhClip:
    offsets = np.array(skeleton["offsets"], dtype=np.float64)
    orders = skeleton["rotation_order"]
    rotations = np.stack(
        [euler_to_matrix(angles[:, j], orders[j]) for j in range(len(orders))], axis=1
    )
    positions = np.tile(offsets, (len(angles), 1, 1))
    positions[:, skeleton["joints"].index(skeleton["moving_joint"])] = moves
    return BvhClip(
        tuple(skeleton["joints"]),
        tuple(skeleton["parents"]),
        offsets,
        rotations,
        positions,
        clip["frame_time"],
        {name: np.array(tip) for name, tip in skeleton["end_sites"].items()},
    )
