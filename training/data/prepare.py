# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train prepare`: motion files in, a captioned, split, memory-mapped data set out.

Work goes source by source and shard by shard; a finished shard is never made again, so a run
that was stopped goes on where it was. Only the clips of one shard are in memory at a time.
"""

import argparse
import hashlib
import multiprocessing
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
from tqdm import tqdm

from backend.errors import InvalidInput
from backend.motion.representation import FPS, canonicalize, encode_smpl22
from blender_addon.shared.motion import Motion

from .captions import mirror_words, write_captions
from .cleaning import cut, fastest_root_turn, without_calibration_frame
from .compose import composites
from .dataset_sources import MOTION_DATASETS, dataset_sources
from .facts import MotionFacts, measure
from .human_captions import HumanCaptions
from .prepared import FORMAT_VERSION, PreparedClip
from .shards import PreparedRows, read_clips, read_marker, write_manifest, write_shard
from .sources import LOAD_ERRORS, Source, SourceClip, find_sources, labels_of

_SHARD_CLIPS = 256
_MAX_FRAMES = 10 * FPS
_WINDOW_FRAMES = 8 * FPS
_WINDOW_HOP = 6 * FPS
_MIN_FRAMES = 12
_IMPOSSIBLE_ROOT_TURN = 950.0  # degrees a second
_TRAIN_ONLY_BELOW = 5  # labels with fewer clips are too rare to hold any back
_COMPOSITES_PER_CLIP = 0.5


@dataclass(frozen=True)
class PrepareSettings:
    """What to prepare and how.

    captions: sentences for each clip; composites: also make clips that join or overlay others;
    dataset: which public data set the source is, told by its layout when None.
    """

    source: Path
    out: Path
    jobs: int = 2
    captions: int = 16
    composites: bool = True
    dataset: str | None = None


@dataclass(frozen=True)
class _Task:
    clip: SourceClip
    split: str
    human: list[str]
    captions: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="folder with motion files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--captions", type=int, default=16, help="sentences a clip (default 16)")
    parser.add_argument(
        "--dataset",
        choices=sorted(MOTION_DATASETS),
        help="read the source as this public data set (default: told by its layout)",
    )
    parser.add_argument("--no-composites", action="store_true", help="only clips as recorded")


def run(args: argparse.Namespace) -> None:
    settings = PrepareSettings(
        args.source, args.out, args.jobs, args.captions, not args.no_composites, args.dataset
    )
    report = prepare(settings)
    print(report)


def prepare(settings: PrepareSettings) -> str:
    """Prepare a data set; returns a few lines about what was made.

    Raises InvalidInput when the source holds no usable motion, AssetError when a file of a public
    data set is missing. A single bad file is named and left out.
    """
    sources = dataset_sources(settings.source, settings.dataset) or find_sources(settings.source)
    settings.out.mkdir(parents=True, exist_ok=True)
    stamp = _settings_stamp(settings, sources)
    _refuse_other_settings(settings.out, stamp)
    splits = _assign_splits(sources)
    human = HumanCaptions(settings.source)
    shards: list[str] = []
    skipped = [line for s in sources for line in s.left_out]
    total = sum(len(s.clip_names) for s in sources)
    with (
        multiprocessing.get_context("spawn").Pool(settings.jobs) as pool,
        tqdm(total=total, unit="clip", desc="prepare") as bar,
    ):
        for source in sources:
            shards += _prepare_source(source, settings, splits, human, pool, bar, skipped)
        if not shards:
            raise InvalidInput(
                f"none of the {total} clips under {settings.source} could be used:\n  "
                + "\n  ".join(skipped[:10])
            )
        if settings.composites:
            shards += _prepare_composites(settings, list(shards), pool)
    return write_manifest(settings.out, stamp, shards, skipped)


def _settings_stamp(settings: PrepareSettings, sources: list[Source]) -> str:
    parts = [str(FORMAT_VERSION), str(settings.captions), str(settings.composites)]
    parts += [f"{s.name}:{s.stamp}" for s in sources]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _refuse_other_settings(out: Path, stamp: str) -> None:
    path = out / "settings.stamp"
    if path.exists() and path.read_text() != stamp:
        raise InvalidInput(
            f"{out} was prepared from other files or with other settings. "
            "Choose an empty folder, or delete that one."
        )
    path.write_text(stamp)


def _assign_splits(sources: list[Source]) -> dict[str, str]:
    """Clip name -> split, by source clip: about 90 % train, 4 % val, 6 % test of every label.

    By the rank of a hash within the label, so that every label is held out in proportion and the
    same clip lands in the same split wherever it is read from. A split that the owners publish is
    kept.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    splits: dict[str, str] = {}
    for source in sources:
        splits.update(source.splits)
        for name in source.clip_names:
            if name in source.splits:
                continue
            content = labels_of(name)[0]
            groups[content or f"{source.name}"].append(name)
    for names in groups.values():
        ranked = sorted(set(names), key=lambda n: hashlib.sha256(n.encode()).hexdigest())
        count = len(ranked)
        test = 0 if count < _TRAIN_ONLY_BELOW else max(1, round(count * 0.06))
        val = 0 if count < 2 * _TRAIN_ONLY_BELOW else max(1, round(count * 0.04))
        for i, name in enumerate(ranked):
            splits[name] = "test" if i < test else "val" if i < test + val else "train"
    return splits


def _prepare_source(
    source: Source,
    settings: PrepareSettings,
    splits: dict[str, str],
    human: HumanCaptions,
    pool: Pool,
    bar: tqdm,
    skipped: list[str],
) -> list[str]:
    count = -(-len(source.clip_names) // _SHARD_CLIPS)
    names = [f"{source.name}-{i:03d}" for i in range(count)]
    done = [read_marker(settings.out, name) for name in names]
    clips: Iterator[SourceClip] | None = None
    for i, name in enumerate(names):
        marker = done[i]
        if marker is None:
            if clips is None:
                clips = islice(source.clips(), i * _SHARD_CLIPS, None)
            tasks = [
                _Task(c, splits[c.name], [*c.captions, *human.of(c.name)], settings.captions)
                for c in islice(clips, _SHARD_CLIPS)
            ]
            made: list[PreparedRows] = []
            errors: list[str] = []
            for result in pool.imap(_make_clips, tasks, chunksize=4):
                if isinstance(result, str):
                    errors.append(result)
                    bar.write(f"left out: {result}")
                else:
                    made += result
                bar.update()
            marker = {"clips": len(made), "errors": errors}
            write_shard(settings.out, name, made, marker)
        else:
            bar.update(min(_SHARD_CLIPS, len(source.clip_names) - i * _SHARD_CLIPS))
            if clips is not None:
                for _ in islice(clips, _SHARD_CLIPS):
                    pass
        skipped += marker["errors"]
    return [n for n in names if (read_marker(settings.out, n) or {})["clips"]]


def _make_clips(task: _Task) -> "list[PreparedRows] | str":
    """Load, cut, mirror, measure, caption and encode one source clip; or say what is wrong."""
    try:
        motion = task.clip.load()
    except LOAD_ERRORS as error:
        return str(error)
    motion = without_calibration_frame(motion)
    fastest = fastest_root_turn(motion)
    if fastest > _IMPOSSIBLE_ROOT_TURN:
        return f"{task.clip.name}: damaged, the whole body turns at {fastest:.0f} degrees a second"
    motion = motion.resampled(FPS)
    if motion.num_frames < _MIN_FRAMES:
        seconds = motion.num_frames / FPS
        return f"{task.clip.name}: {seconds:.1f} s is too short (at least {_MIN_FRAMES / FPS} s)"
    content, style = labels_of(task.clip.name)
    made = []
    for k, window in enumerate(_windows(motion)):
        for mirrored in (False, True):
            shown = canonicalize(window.mirrored() if mirrored else window)
            label = mirror_words(content) if mirrored else content
            human = [mirror_words(s) for s in task.human] if mirrored else task.human
            clip_id = f"{task.clip.source}/{task.clip.name}" + (f"@{k}" if k else "")
            made.append(
                finish_clip(
                    shown,
                    clip_id + ("~m" if mirrored else ""),
                    source=task.clip.source,
                    split=task.split,
                    mirrored=mirrored,
                    content=label,
                    style=style,
                    human=human,
                    count=task.captions,
                )
            )
    return made


def _windows(motion: Motion) -> list[Motion]:
    """A clip of up to ten seconds as it is; a longer one as overlapping windows of eight."""
    if motion.num_frames <= _MAX_FRAMES:
        return [motion]
    starts = list(range(0, motion.num_frames - _WINDOW_FRAMES // 2, _WINDOW_HOP))
    return [cut(motion, s, s + _WINDOW_FRAMES) for s in starts]


def finish_clip(
    motion: Motion,
    clip_id: str,
    *,
    source: str,
    split: str,
    mirrored: bool,
    content: str,
    style: str,
    human: list[str],
    count: int,
    captions: list[str] | None = None,
) -> PreparedRows:
    """Facts, captions (written here unless given) and rows of one canonical motion at 20 fps."""
    facts: MotionFacts = measure(motion)
    if captions is None:
        captions = write_captions(content, style, facts, human, random.Random(clip_id), count)
    params = np.concatenate([motion.poses.reshape(motion.num_frames, -1), motion.trans], axis=1)
    record = {
        "id": clip_id,
        "source": source,
        "split": split,
        "mirrored": mirrored,
        "frames": motion.num_frames,
        "content": content,
        "style": style,
        "captions": captions,
        "facts": facts.to_dict(),
    }
    return PreparedRows(record, encode_smpl22(motion), params.astype(np.float32))


def _prepare_composites(settings: PrepareSettings, shards: list[str], pool: Pool) -> list[str]:
    """Clips made of other clips, from the train split only."""
    clips = [c for c in read_clips(settings.out, shards) if c.split == "train"]
    count = int(len(clips) * _COMPOSITES_PER_CLIP)
    per_shard = _SHARD_CLIPS
    names = [f"composites-{i:03d}" for i in range(-(-count // per_shard))]
    todo = [n for n in names if read_marker(settings.out, n) is None]
    jobs = [(settings.out, n, clips, per_shard) for n in todo]
    for _ in tqdm(
        pool.imap_unordered(_make_composites, jobs),
        total=len(jobs),
        desc="composites",
        unit="shard",
    ):
        pass
    return [n for n in names if (read_marker(settings.out, n) or {})["clips"]]


def _make_composites(job: tuple[Path, str, list[PreparedClip], int]) -> None:
    out, name, clips, count = job
    rng = random.Random(name)
    picked = _balanced_sample(clips, min(len(clips), count * 3), rng)
    maps: dict[str, np.ndarray] = {}
    sources = []
    for clip in picked:
        if clip.shard not in maps:
            maps[clip.shard] = np.load(out / f"{clip.shard}.params.npy", mmap_mode="r")
        rows = np.array(maps[clip.shard][clip.start : clip.start + clip.frames])
        motion = Motion(rows[:, :66].reshape(-1, 22, 3), rows[:, 66:], float(FPS))
        sources.append((motion, clip.content, clip.style, MotionFacts.from_dict(clip.facts)))
    made = []
    for i, (motion, content, style, captions) in enumerate(composites(sources, rng, count)):
        made.append(
            finish_clip(
                canonicalize(motion),
                f"{name}/{i:04d}",
                source="composites",
                split="train",
                mirrored=False,
                content=content,
                style=style,
                human=[],
                count=len(captions),
                captions=captions,
            )
        )
    write_shard(out, name, made, {"clips": len(made), "errors": []})


def _balanced_sample(
    clips: list[PreparedClip], count: int, rng: random.Random
) -> list[PreparedClip]:
    """`count` clips, none twice, a label's share going with the root of how many clips it has.

    Without this a sample of the commonest labels would hardly ever hold a crawl or a bow.
    """
    labels = Counter(c.content for c in clips)
    # Efraimidis and Spirakis: the largest of u ** (1 / weight) are a weighted sample
    keys = [(rng.random() ** (labels[c.content] ** 0.5), i) for i, c in enumerate(clips)]
    return [clips[i] for _, i in sorted(keys, reverse=True)[:count]]
