# SPDX-License-Identifier: Apache-2.0
"""A folder of a public motion data set as a source of clips for `prepare`."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from blender_addon.shared.motion import Motion

from .datasets.amass import AMASS, MOTION_SUFFIXES, Amass, motion_files, motion_name
from .datasets.base import Bad
from .datasets.humanml3d import HUMANML3D, HumanML3D
from .datasets.kitml import KITML, KitML
from .datasets.text_motion import ClipEntry, TextMotionReader
from .sources import Source, SourceClip, stamp_of

_TEXT_MOTION: dict[str, type[TextMotionReader]] = {HUMANML3D.name: HumanML3D, KITML.name: KitML}
MOTION_DATASETS = (*_TEXT_MOTION, AMASS.name)
"""The names that `--dataset` takes."""


def recognise(folder: Path) -> str | None:
    """Which of MOTION_DATASETS a folder's layout is; None for any other folder of motion."""
    vectors = folder / "new_joint_vecs"
    if vectors.is_dir() and (folder / "texts").is_dir():
        widths = {reader.feature_dim: name for name, reader in _TEXT_MOTION.items()}
        for path in sorted(vectors.glob("*.npy"))[:20]:
            width = _width(path)
            if width in widths:
                return widths[width]
        return None
    if any(folder.rglob("*.bvhpack")) or any(folder.rglob("*.bvh")):
        return None
    motions = [p for p in folder.rglob("*.npz") if not _tells_shape(p)]
    named = all(p.name.endswith(MOTION_SUFFIXES) for p in motions)
    return AMASS.name if motions and named else None


def dataset_sources(folder: Path, dataset: str | None) -> list[Source]:
    """The folder's clips as the named data set, or as the one that its layout is; [] for none.

    Raises AssetError that says what is missing when a data set's files are not there, InvalidInput
    when none of its clips can be used.
    """
    name = dataset or recognise(folder)
    if name in _TEXT_MOTION:
        return [_text_motion(_TEXT_MOTION[name](folder))]
    return [_amass(Amass(folder))] if name == AMASS.name else []


def _text_motion(reader: TextMotionReader) -> Source:
    """Without the set's own mirror images: `prepare` makes one of every clip."""
    entries: list[ClipEntry] = []
    bad: Counter[str] = Counter()
    for entry in reader.entries():
        if isinstance(entry, Bad):
            bad[entry.reason] += 1
        elif not entry.mirrored:
            entries.append(entry)
    reader.skipped = bad
    if not entries:
        raise reader.nothing()
    name = reader.info.name

    def clips() -> Iterator[SourceClip]:
        for entry in entries:
            texts = tuple(c.text for c in entry.captions)
            yield SourceClip(name, entry.name, partial(reader.load_motion, entry), texts)

    ids = dict.fromkeys(e.id for e in entries)
    files = [reader.folder / "new_joint_vecs" / f"{i}.npy" for i in ids]
    files += [reader.folder / "texts" / f"{i}.txt" for i in ids]
    return Source(
        name,
        tuple(e.name for e in entries),
        clips,
        stamp_of(files),
        splits={e.name: e.split for e in entries},
        left_out=tuple(f"{name}: {reason} ({count})" for reason, count in sorted(bad.items())),
    )


def _amass(reader: Amass) -> Source:
    files = motion_files(reader.folder)
    if not files:
        raise reader.missing_files()
    names = tuple(motion_name(reader.folder, path) for path in files)

    def clips() -> Iterator[SourceClip]:
        for name, path in zip(names, files, strict=True):
            yield SourceClip(AMASS.name, name, partial(Motion.load_npz, path))

    return Source(AMASS.name, names, clips, stamp_of(files))


def _tells_shape(path: Path) -> bool:
    return path.name.endswith(("shape.npz", "_stagei.npz"))


def _width(path: Path) -> int | None:
    """Columns of a (T, D) .npy file; None for anything else."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array.shape[1] if array.ndim == 2 else None
