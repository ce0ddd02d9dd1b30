# SPDX-License-Identifier: Apache-2.0
"""A clip of SMPL motion in memory and its exchange file, the AMASS-style .npz."""

import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    make_quaternions_continuous,
    matrix_to_axis_angle,
    quaternion_to_axis_angle,
    slerp,
)
from .skeleton import MIRROR_JOINTS, NUM_JOINTS, PARENTS, REST_OFFSETS

_RATE_FIELDS = ("mocap_framerate", "mocap_frame_rate")  # AMASS, and its SMPL-X release
_FIELDS = ("poses", "trans", "betas", "gender", "up_axis", *_RATE_FIELDS)
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error)


class MotionError(ValueError):
    """A motion file or array that cannot be used; the message says why."""


@dataclass(frozen=True)
class Motion:
    """T frames of SMPL parameters, Y up, metres.

    poses: (T, J, 3) axis-angle local rotations, J = 22 or 24; joint 0 is the root in the world.
    trans: (T, 3) SMPL translation: the pelvis stands at `trans + REST_OFFSETS[0]`.
    fps: frames a second.
    """

    poses: np.ndarray
    trans: np.ndarray
    fps: float
    betas: np.ndarray = field(default_factory=lambda: np.zeros(10))
    gender: str = "neutral"

    def __post_init__(self) -> None:
        if self.poses.ndim != 3 or self.poses.shape[1] not in (22, 24) or self.poses.shape[2] != 3:
            raise MotionError(f"poses must be (T, 22 or 24, 3), got {self.poses.shape}")
        if self.trans.shape != (len(self.poses), 3):
            raise MotionError(f"trans must be ({len(self.poses)}, 3), got {self.trans.shape}")
        if len(self.poses) == 0:
            raise MotionError("the motion has no frames")
        if not (np.isfinite(self.poses).all() and np.isfinite(self.trans).all()):
            raise MotionError("the motion holds numbers that are not finite")
        if not 0 < self.fps < np.inf:
            raise MotionError(f"frames a second must be a number above 0, got {self.fps}")

    @property
    def num_frames(self) -> int:
        return len(self.poses)

    @property
    def seconds(self) -> float:
        return len(self.poses) / self.fps

    def joint_positions(self) -> np.ndarray:
        """(T, J, 3) world positions of the joints by forward kinematics, metres."""
        local = axis_angle_to_matrix(self.poses.astype(np.float64))
        return forward_kinematics(local, self.trans.astype(np.float64))[0]

    def resampled(self, fps: float) -> "Motion":
        """The same motion at another frame rate: slerp on rotations, linear on the path."""
        if fps == self.fps or self.num_frames == 1:
            return Motion(self.poses, self.trans, fps, self.betas, self.gender)
        last = self.num_frames - 1
        count = round(last / self.fps * fps) + 1
        at = np.clip(np.arange(count) * self.fps / fps, 0, last)
        low = np.minimum(at.astype(int), max(last - 1, 0))
        t = at - low
        q = make_quaternions_continuous(axis_angle_to_quaternion(self.poses.astype(np.float64)))
        poses = quaternion_to_axis_angle(slerp(q[low], q[low + 1], t[:, None]))
        trans = self.trans[low] * (1 - t[:, None]) + self.trans[low + 1] * t[:, None]
        kind = self.poses.dtype
        return Motion(poses.astype(kind), trans.astype(kind), fps, self.betas, self.gender)

    def mirrored(self) -> "Motion":
        """Left and right swapped: reflection in the plane x = 0."""
        order = list(MIRROR_JOINTS[: self.poses.shape[1]])
        flip = np.array([1.0, -1.0, -1.0], dtype=self.poses.dtype)
        away = np.array([-1.0, 1.0, 1.0], dtype=self.trans.dtype)
        return Motion(
            self.poses[:, order] * flip, self.trans * away, self.fps, self.betas, self.gender
        )

    def save_npz(self, path: str | Path, **extra: np.ndarray) -> None:
        """Write the AMASS-style exchange file: poses (T, 72), trans, betas, gender, rate.

        extra: arrays under names of their own, which readers of motions pass over.
        """
        poses = np.zeros((self.num_frames, NUM_JOINTS, 3), np.float32)
        poses[:, : self.poses.shape[1]] = self.poses
        np.savez(
            path,
            poses=poses.reshape(self.num_frames, -1),
            trans=self.trans.astype(np.float32),
            betas=self.betas.astype(np.float32),
            gender=np.array(self.gender),
            mocap_framerate=np.array(float(self.fps)),
            up_axis=np.array("Y"),
            **extra,
        )

    @staticmethod
    def load_npz(path: str | Path) -> "Motion":
        """Read an AMASS-style .npz: poses (T, 66 or more), trans, a frame rate.

        AMASS itself is Z up; a file that says so, or says nothing, is turned to Y up.
        Raises MotionError for a file that is not such a motion.
        """
        try:
            return _from_fields(_read_npz(path))
        except MotionError as error:
            raise MotionError(f"{path}: {error}") from error


def forward_kinematics(
    local_rotations: np.ndarray, trans: np.ndarray, rest_offsets: np.ndarray = REST_OFFSETS
) -> tuple[np.ndarray, np.ndarray]:
    """(..., J, 3, 3) local rotations and (..., 3) SMPL translation -> world (positions, rotations).

    rest_offsets: (J or more, 3) metres, the mean body's when not given.
    positions: (..., J, 3) metres; rotations: (..., J, 3, 3).
    """
    num_joints = local_rotations.shape[-3]
    positions, rotations = [trans + rest_offsets[0]], [local_rotations[..., 0, :, :]]
    for j in range(1, num_joints):
        parent = PARENTS[j]
        positions.append(positions[parent] + rotations[parent] @ rest_offsets[j])
        rotations.append(rotations[parent] @ local_rotations[..., j, :, :])
    return np.stack(positions, axis=-2), np.stack(rotations, axis=-3)


def _read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays we use out of an .npz file; objects are never unpickled."""
    try:
        with Path(path).open("rb") as file:
            if file.read(2) != b"PK":
                raise MotionError("not an .npz file")
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files if name in _FIELDS}
    except MotionError:
        raise
    except OSError as error:
        raise MotionError(f"cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise MotionError("an array in it is larger than the memory") from error
    except (ValueError, EOFError, KeyError, NotImplementedError, *_ZIP_ERRORS) as error:
        raise MotionError(f"damaged, or not an .npz of plain numbers: {error}") from error


def _from_fields(fields: dict[str, np.ndarray]) -> Motion:
    """A motion from the arrays of an AMASS-style file."""
    rate = next((fields[name] for name in _RATE_FIELDS if name in fields), None)
    missing = [name for name in ("poses", "trans") if name not in fields]
    if missing:
        raise MotionError(f"it has no {' or '.join(missing)}: not an AMASS-style motion")
    if rate is None:
        raise MotionError("it does not say its frame rate (mocap_framerate)")
    betas = fields.get("betas", np.zeros(10))
    for name, array in (
        ("poses", fields["poses"]),
        ("trans", fields["trans"]),
        ("mocap_framerate", rate),
        ("betas", betas),
    ):
        if array.dtype.kind not in "fiu":
            raise MotionError(f"{name} must be numbers, got {array.dtype}")
    if rate.size != 1:
        raise MotionError(f"the frame rate must be one number, got shape {rate.shape}")
    poses, trans = fields["poses"].astype(np.float64), fields["trans"].astype(np.float64)
    if poses.ndim != 2 or poses.shape[1] < 66:
        raise MotionError(f"poses must be (T, 66 or more), got {poses.shape}")
    shape = np.zeros(10)
    shape[: min(betas.size, 10)] = betas.reshape(-1)[:10]
    gender = _text(fields.get("gender", np.array("neutral")))
    motion = Motion(poses[:, :66].reshape(-1, 22, 3), trans, float(rate.item()), shape, gender)
    up = _text(fields.get("up_axis", np.array("Z"))).upper()
    if up not in ("Y", "Z"):
        raise MotionError(f"up_axis must be Y or Z, got {up!r}")
    if up == "Y":
        return motion
    return replace(motion, **_z_up_to_y_up(motion.poses, motion.trans))


def _text(array: np.ndarray) -> str:
    """The word in an array; files written by Python 2 hold it as bytes."""
    value = array.reshape(-1)[0] if array.size else ""
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _z_up_to_y_up(poses: np.ndarray, trans: np.ndarray) -> dict[str, np.ndarray]:
    # x stays, y (away) becomes -z, z (up) becomes y; SMPL's own rest offset turns with the root
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    poses = poses.copy()
    poses[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(poses[:, 0]))
    pelvis = (trans + REST_OFFSETS[0]) @ turn.T
    return {"poses": poses, "trans": pelvis - REST_OFFSETS[0]}
