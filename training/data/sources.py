# SPDX-License-Identifier: Apache-2.0
"""Where source clips come from: packs, a folder of BVH files, a folder of AMASS .npz files."""

import hashlib
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import InvalidInput
from backend.motion.bvh import BvhClip, BvhError, read_bvh
from backend.motion.retarget import retarget_to_smpl
from blender_addon.shared.motion import Motion, MotionError

from .bvhpack import pack_clip_names, read_pack

_DATASET_CLIP = re.compile(r"dataset-\d_(?P<content>[a-z-]+)_(?P<style>[a-z-]+)_\d+$")
_NAMED_CLIP = re.compile(r"(?:cmu-(?:train|test)|deepmimic)_(?P<content>[a-z_]*[a-z])")


@dataclass(frozen=True)
class SourceClip:
    """One clip before preparation; `load` does the reading and may raise BvhError, MotionError.

    captions: sentences by people that come with the clip itself.
    """

    source: str
    name: str
    load: Callable[[], Motion]
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A file or folder of clips. `clips()` yields them in a fixed order.

    splits: clip name -> train, val or test, where the owners publish it. left_out: what of the
    source cannot be used, a line each.
    """

    name: str
    clip_names: tuple[str, ...]
    clips: Callable[[], Iterator[SourceClip]]
    stamp: str
    splits: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def labels_of(name: str) -> tuple[str, str]:
    """(content, style) told by a clip's file name; empty where it tells nothing."""
    match = _DATASET_CLIP.match(name)
    if match:
        return match["content"], match["style"]
    match = _NAMED_CLIP.match(name)
    if match:
        return match["content"].replace("_", "-"), ""
    return "", ""


def find_sources(folder: Path) -> list[Source]:
    """All sources under a folder: *.bvhpack (also in motion/), *.bvh and *.npz at any depth.

    Raises InvalidInput when the folder is missing or holds no motion.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder: --source takes a folder with motion files.")
    sources = [_pack(p) for p in sorted(folder.rglob("*.bvhpack"))]
    for kind, load in (("bvh", _load_bvh), ("npz", Motion.load_npz)):
        files = sorted(folder.rglob(f"*.{kind}"))
        if files:
            sources.append(_folder(kind, folder, files, load))
    if not sources:
        raise InvalidInput(
            f"{folder} holds no motion: put .bvhpack, .bvh or AMASS .npz files there."
        )
    return sources


def _load_bvh(path: Path) -> Motion:
    return retarget_to_smpl(read_bvh(path))


def _pack(path: Path) -> Source:
    def clips() -> Iterator[SourceClip]:
        try:
            for name, clip in read_pack(path):
                yield SourceClip(path.stem, name, _Retarget(clip))
        except BvhError as error:
            raise InvalidInput(f"{error}. Get the file again, or take it out.") from error

    try:
        names = tuple(pack_clip_names(path))
    except (OSError, EOFError, ValueError, KeyError, lzma.LZMAError) as error:
        raise InvalidInput(f"{path} is not a readable pack: {error}") from error
    return Source(path.stem, names, clips, stamp_of([path]))


@dataclass(frozen=True)
class _Retarget:
    clip: BvhClip

    def __call__(self) -> Motion:
        return retarget_to_smpl(self.clip)


@dataclass(frozen=True)
class _LoadFile:
    load: Callable[[Path], Motion]
    path: Path

    def __call__(self) -> Motion:
        return self.load(self.path)


def _folder(kind: str, root: Path, files: list[Path], load: Callable[[Path], Motion]) -> Source:
    def name(path: Path) -> str:
        return path.relative_to(root).with_suffix("").as_posix()

    def clips() -> Iterator[SourceClip]:
        for path in files:
            yield SourceClip(f"folder-{kind}", name(path), _LoadFile(load, path))

    return Source(f"folder-{kind}", tuple(name(p) for p in files), clips, stamp_of(files))


def stamp_of(files: list[Path]) -> str:
    """Changes when a file is added, removed or written again."""
    digest = hashlib.sha256()
    for path in files:
        stat = path.stat()
        digest.update(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


LOAD_ERRORS = (BvhError, MotionError)
"""What `SourceClip.load` may raise for one bad clip."""
