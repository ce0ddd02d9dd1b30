# SPDX-License-Identifier: Apache-2.0
"""AMASS: motion capture archives as SMPL-H or SMPL-X parameters.

Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. An archive unpacks
to FOLDER/ARCHIVE/SUBJECT/MOTION_poses.npz (SMPL-H: poses (T, 156), mocap_framerate) or
MOTION_stageii.npz (SMPL-X: poses (T, 165), mocap_frame_rate), with trans (T, 3), betas, gender;
Z up, metres. A subject's shape.npz and *_stagei.npz hold its body shape, no motion. Source of the
layout: the archives listed on the owners' download page, and README.md of nghorbani/amass.
"""

from collections.abc import Iterator
from pathlib import Path

from backend.errors import AssetError
from blender_addon.shared.motion import Motion, MotionError

from .base import Bad, DatasetInfo, Reader
from .records import SubjectMotion

AMASS = DatasetInfo(
    name="amass",
    title="AMASS",
    url="https://amass.is.tue.mpg.de",
    licence="non-commercial scientific research, after registering; each archive in it also has "
    "the terms of its own owners",
    get="register, download archives (SMPL+H G or SMPL-X N), and unpack them side by side.",
    expected=("CMU/01/01_01_poses.npz ...", "ACCAD/Female1General_c3d/A1_-_Stand_stageii.npz ..."),
)
MOTION_SUFFIXES = ("_poses.npz", "_stageii.npz")


def motion_files(folder: Path) -> list[Path]:
    """The motion files under a folder in a fixed order, the subjects' shape files left out."""
    return sorted(p for p in folder.rglob("*.npz") if p.name.endswith(MOTION_SUFFIXES))


def motion_name(folder: Path, path: Path) -> str:
    """ARCHIVE/SUBJECT/MOTION_poses, as other data sets refer to AMASS's files."""
    return path.relative_to(folder).with_suffix("").as_posix()


class Amass(Reader[SubjectMotion]):
    """Records of 22-joint motions, turned to Y up, at the rate they were recorded."""

    info = AMASS

    def missing_files(self) -> AssetError:
        """The error for a folder without motion files."""
        return self.info.missing(f"{self.folder}/ARCHIVE/SUBJECT/MOTION_poses.npz")

    def _read(self) -> Iterator[SubjectMotion | Bad]:
        files = motion_files(self.folder)
        if not files:
            raise self.missing_files()
        for path in files:
            try:
                motion = Motion.load_npz(path)
            except MotionError as error:
                yield Bad(str(error).removeprefix(f"{path}: "))
                continue
            name = motion_name(self.folder, path)
            yield SubjectMotion(name, name.rpartition("/")[0], motion)
