# SPDX-License-Identifier: Apache-2.0
"""Writing a prepared data set: shard files, the markers that say they are done, the manifest."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput
from backend.motion.representation import FEATURE_DIM, FPS, JOINT_DIM, ROOT_DIM

from .prepared import FORMAT_VERSION, PreparedClip


@dataclass(frozen=True)
class PreparedRows:
    """A clip that is ready to be written: its JSON line, smpl22 rows (T, 272), params (T, 69)."""

    record: dict
    features: np.ndarray
    params: np.ndarray


def read_marker(out: Path, shard: str) -> dict | None:
    """What was written about a finished shard; None while it is not finished."""
    path = out / f"{shard}.done.json"
    return json.loads(path.read_text()) if path.exists() else None


def write_shard(out: Path, name: str, made: list[PreparedRows], marker: dict) -> None:
    """Write a shard's files; the marker goes last, so half a shard never counts as done."""
    if made:
        np.save(out / f"{name}.features.npy", np.concatenate([m.features for m in made]))
        np.save(out / f"{name}.params.npy", np.concatenate([m.params for m in made]))
        start = 0
        with open(out / f"{name}.clips.jsonl", "w", encoding="utf-8") as lines:
            for m in made:
                record = {**m.record, "shard": name, "start": start}
                lines.write(json.dumps(record, ensure_ascii=False, default=np.generic.item) + "\n")
                start += m.record["frames"]
    (out / f"{name}.done.json").write_text(json.dumps(marker))


def read_clips(out: Path, shards: list[str]) -> Iterator[PreparedClip]:
    """The clips of finished shards, in order."""
    for shard in shards:
        with open(out / f"{shard}.clips.jsonl", encoding="utf-8") as lines:
            for line in lines:
                yield PreparedClip.from_json(line)


def shared_by_kind(std: np.ndarray) -> np.ndarray:
    """(272,) -> (272,) the mean standard deviation of each kind of number, as HumanML3D has it.

    On its own scale a joint that hardly moves would count as much as an arm: its noise would be
    what a tokenizer spends its codes on. Kinds: planar velocity, foot contacts, and over all
    joints the rotations, the positions and the velocities (Guo et al. 2022, published code).
    """
    out = std.copy()
    out[1:3], out[4:ROOT_DIM] = std[1:3].mean(), std[4:ROOT_DIM].mean()
    joints, shared = std[ROOT_DIM:].reshape(-1, JOINT_DIM), out[ROOT_DIM:].reshape(-1, JOINT_DIM)
    for kind in (slice(0, 6), slice(6, 9), slice(9, 12)):
        shared[:, kind] = joints[:, kind].mean()
    return out


def write_manifest(out: Path, stamp: str, shards: list[str], skipped: list[str]) -> str:
    """Statistics over the recorded train clips, and the manifest that makes the set complete."""
    total, squares, rows = np.zeros(FEATURE_DIM), np.zeros(FEATURE_DIM), 0
    counts: dict[str, int] = defaultdict(int)
    seconds = 0.0
    digest = hashlib.sha256()
    for shard in shards:
        features = np.load(out / f"{shard}.features.npy", mmap_mode="r")
        for clip in read_clips(out, [shard]):
            counts[clip.split] += 1
            digest.update(f"{clip.id}:{clip.frames}:{clip.split}\n".encode())
            if clip.source != "composites" and not clip.mirrored:
                seconds += clip.frames / FPS
            if clip.split == "train":
                block = features[clip.start : clip.start + clip.frames].astype(np.float64)
                total += block.sum(axis=0)
                squares += (block**2).sum(axis=0)
                rows += clip.frames
    if rows == 0:
        raise InvalidInput("no clip fell into the train split: give more clips.")
    mean = total / rows
    std = shared_by_kind(np.sqrt(np.maximum(squares / rows - mean**2, 0.0)))
    manifest = {
        "format": FORMAT_VERSION,
        "fps": FPS,
        "settings": stamp,
        "hash": digest.hexdigest()[:16],
        "clips": dict(counts),
        "shards": shards,
        "left_out": skipped,
        "mean": mean.tolist(),
        "std": np.maximum(std, 1e-3).tolist(),
    }
    path = out / "manifest.json"
    path.with_suffix(".tmp").write_text(json.dumps(manifest, indent=1))
    path.with_suffix(".tmp").replace(path)
    lines = [f"{sum(counts.values())} clips ({seconds / 60:.0f} min as recorded) in {out}"]
    lines += [f"  {split}: {counts[split]}" for split in ("train", "val", "test")]
    if skipped:
        lines.append(f"  left out: {len(skipped)}")
        lines += [f"    {line}" for line in skipped[:20]]
    return "\n".join(lines)
