# SPDX-License-Identifier: Apache-2.0
"""Human3.6M: seven subjects in a studio, four cameras, with SMPL fits.

Ionescu et al., PAMI 2014; the paper's pose estimation data (section 4.1). The owners publish video
and camera, no SMPL: the fits are NeuralAnnot's (Moon et al., 2022), keyed as in 3DMPPE. Images are
read either as the owners' per-image folders, or straight from their per-subject videos:

FOLDER/images/s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_000001.jpg
FOLDER/S1/Videos/Directions 1.54138969.mp4  with  FOLDER/metadata.xml
FOLDER/annotations/Human36M_subject1_SMPL_NeuralAnnot.json  [action][subaction][frame] ->
    {pose (72), shape (10), trans (3), metres}, in the studio's frame
FOLDER/annotations/Human36M_subject1_camera.json     [camera] -> {R, t, f, c}, millimetres, pixels
FOLDER/annotations/Human36M_subject1_joint_3d.json   [action][subaction][frame] -> (17, 3),
    millimetres; may be left out

Frames count from 0 in the files and from 1 in image names. Sources of the layout: the annotation
script and README.md of mks0601/3DMPPE_POSENET_RELEASE, and metadata.py of anibali/h36m-fetch.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InvalidInput

from .base import Bad, DatasetInfo, Reader, read_json
from .records import PosedImage, into_camera

H36M = DatasetInfo(
    name="h36m",
    title="Human3.6M",
    url="http://vision.imar.ro/human3.6m",
    licence="academic use only, after registering with an institutional address; the page of the "
    "fits states no terms of its own",
    get="register, download the videos of each subject (or the per-image folders) there, and the "
    "SMPL fits and cameras from https://github.com/mks0601/NeuralAnnot_RELEASE.",
    expected=(
        "images/s_01_act_02_subact_01_ca_01/*.jpg, or S1/Videos/*.mp4 and metadata.xml",
        "annotations/Human36M_subject1_SMPL_NeuralAnnot.json ...",
        "annotations/Human36M_subject1_camera.json ...",
    ),
)
TRAIN_SUBJECTS, TEST_SUBJECTS = (1, 5, 6, 7, 8), (9, 11)
_SUBJECTS = {
    **dict.fromkeys(TRAIN_SUBJECTS, "train"),
    **dict.fromkeys(TEST_SUBJECTS, "test"),
}
_IMAGE = re.compile(r"s_(\d+)_act_(\d+)_subact_(\d+)_ca_(\d+)_(\d+)\.jpg$")
_MILLIMETRE = 1e-3


@dataclass(frozen=True)
class _Shot:
    """An image on disk, or a frame of a video, with the keys of its annotations."""

    path: Path
    frame: int | None
    action: str
    subaction: str
    camera: str
    index: str


class Human36M(Reader[PosedImage]):
    """A record an image or video frame, in the camera's frame. split: "train", "test" or both."""

    info = H36M

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        super().__init__(folder)
        if split is not None and split not in ("train", "test"):
            raise InvalidInput(f"split must be train or test, got {split!r}")
        self.split = split

    def _read(self) -> Iterator[PosedImage | Bad]:
        pictures = self.folder / "images"
        found = False
        for subject, split in _SUBJECTS.items():
            here = (
                any(pictures.glob(f"s_{subject:02d}_*"))
                or (self.folder / f"S{subject}" / "Videos").is_dir()
            )
            if here and self.split in (None, split):
                found = True
                yield from self._subject(subject, split)
        if not found:
            raise self.info.missing(f"{pictures} and {self.folder}/S1/Videos")

    def _subject(self, subject: int, split: str) -> Iterator[PosedImage | Bad]:
        annotations = self.folder / "annotations" / f"Human36M_subject{subject}"
        fits = read_json(self._file(annotations, "SMPL_NeuralAnnot"))
        cameras = {k: _camera(v) for k, v in read_json(self._file(annotations, "camera")).items()}
        joints_file = annotations.with_name(f"{annotations.name}_joint_3d.json")
        joints = read_json(joints_file) if joints_file.exists() else {}
        for shot in self._shots(subject, fits):
            fit = _at(fits, shot)
            if fit is None or shot.camera not in cameras:
                yield Bad("no SMPL fit for the image" if fit is None else "no such camera")
                continue
            turn, shift, intrinsics = cameras[shot.camera]
            try:
                poses = np.asarray(fit["pose"], np.float64).reshape(24, 3)
                trans = np.asarray(fit["trans"], np.float64).reshape(3)
                betas = np.asarray(fit["shape"], np.float64).reshape(10)
                world = np.asarray(_at(joints, shot) or [], np.float64).reshape(-1, 3)
            except (KeyError, TypeError, ValueError):
                yield Bad("a fit with arrays of the wrong shape")
                continue
            if not all(np.isfinite(a).all() for a in (poses, trans, betas, world)):
                yield Bad("numbers that are not finite")
                continue
            turned, moved = into_camera(poses, trans, turn, shift)
            yield PosedImage(
                name=f"S{subject}/{shot.action}/{shot.subaction}/{shot.camera}/{shot.index}",
                split=split,
                subject=f"S{subject}",
                image=shot.path,
                frame=shot.frame,
                poses=turned,
                trans=moved,
                betas=betas,
                gender="neutral",
                intrinsics=intrinsics,
                keypoints=np.zeros((0, 3)),
                joints=world * _MILLIMETRE @ turn.T + shift,
            )

    def _file(self, annotations: Path, kind: str) -> Path:
        return self.info.require(annotations.with_name(f"{annotations.name}_{kind}.json"))

    def _shots(self, subject: int, fits: dict[str, Any]) -> Iterator[_Shot]:
        folders = sorted((self.folder / "images").glob(f"s_{subject:02d}_*"))
        for folder in folders:
            for path in sorted(folder.glob("*.jpg")):
                match = _IMAGE.search(path.name)
                if match:
                    action, subaction, camera, number = (str(int(n)) for n in match.groups()[1:])
                    yield _Shot(path, None, action, subaction, camera, str(int(number) - 1))
        if folders:
            return
        for path, action, subaction, camera in self._videos(subject):
            for index in sorted(fits.get(action, {}).get(subaction, {}), key=int):
                yield _Shot(path, int(index), action, subaction, camera, index)

    def _videos(self, subject: int) -> Iterator[tuple[Path, str, str, str]]:
        """(file, action, subaction, camera) of a subject's videos, as metadata.xml maps them."""
        path = self.info.require(self.folder / "metadata.xml")
        try:
            root = ET.parse(path).getroot()
            table = [[cell.text or "" for cell in row] for row in root.iterfind("mapping/tr")]
            column = table[0].index(f"S{subject}")
            cameras = [e.text or "" for e in root.iterfind("dbcameras/index2id/*")]
        except (ET.ParseError, IndexError, ValueError) as error:
            raise InvalidInput(
                f"{path} is not Human3.6M's metadata ({error}): fetch it again from "
                f"{self.info.url}."
            ) from error
        for row in table[1:]:
            for number, camera in enumerate(cameras, start=1):
                if len(row) <= column:
                    continue
                video = self.folder / f"S{subject}" / "Videos" / f"{row[column]}.{camera}.mp4"
                if video.exists():
                    yield video, row[0], row[1], str(number)


def _at(table: dict[str, Any], shot: _Shot) -> Any:
    return table.get(shot.action, {}).get(shot.subaction, {}).get(shot.index)


def _camera(fields: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R (3, 3), t (3,) metres, intrinsics (3, 3): camera = R @ world + t."""
    try:
        turn = np.asarray(fields["R"], np.float64).reshape(3, 3)
        shift = np.asarray(fields["t"], np.float64).reshape(3) * _MILLIMETRE
        (fx, fy), (cx, cy) = fields["f"], fields["c"]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"a Human3.6M camera file lacks R, t, f or c ({error}): fetch it again from "
            "https://github.com/mks0601/NeuralAnnot_RELEASE."
        ) from error
    return turn, shift, np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
