# SPDX-License-Identifier: Apache-2.0
"""Rest joints of the user's own SMPL body-model file.

SMPL's model files are licensed to each user by its authors and are never shipped here. Without
one, everything works on the mean body of `blender_addon.shared.skeleton`; with one, a body shape
(betas) gets its own bone lengths: hand the result to `forward_kinematics(rest_offsets=...)`.
"""

import contextlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.errors import AssetError
from blender_addon.shared.skeleton import NUM_JOINTS, PARENTS

from .array_pickle import ArrayUnpickler

_NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_SPARSE = {
    *((f"scipy.sparse.{old}{kind}", f"{kind}_matrix") for old in ("", "_") for kind in (
        "csc", "csr", "coo")),
    ("copyreg", "_reconstructor"),
}  # fmt: skip
_HOW_TO_GET = (
    "Download SMPL for Python from https://smpl.is.tue.mpg.de (free for research, under its own "
    "licence, after registering) and give the path of its SMPL_NEUTRAL.pkl"
)


def load_smpl_joints(
    path: str | Path, betas: np.ndarray | None = None, gender: str = "neutral"
) -> np.ndarray:
    """(24, 3) rest offsets in metres, each joint from its parent, of the body with shape `betas`.

    path: a SMPL model in its official form (.pkl, or .npz), or the folder of SMPL_<GENDER>.pkl.
    betas: (10,) or fewer shape coefficients, 0 when not given. Row 0 is the pelvis from the
    model's origin. Raises AssetError for a missing or unusable file.
    """
    # imported here: smplx takes a second to load and most sessions never need it
    from smplx.body_models import SMPL
    from smplx.utils import Struct

    path = Path(path)
    fields = _read_model(_find_model(path, gender))
    given = np.zeros(0) if betas is None else np.asarray(betas, dtype=np.float64).reshape(-1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # smplx prints about 10 shape numbers
            model = SMPL(
                str(path), data_struct=Struct(**fields), dtype=torch.float64, gender=gender
            )
        shape = torch.zeros(model.num_betas, dtype=torch.float64)
        count = min(len(given), len(shape))
        shape[:count] = torch.from_numpy(given[:count])
        vertices = model.get_buffer("v_template") + model.get_buffer("shapedirs") @ shape
        joints = (model.get_buffer("J_regressor") @ vertices).numpy()
        parents = tuple(model.get_buffer("parents").tolist())
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise AssetError(f"{path} is not a usable SMPL model: {error}. {_HOW_TO_GET}.") from error
    if joints.shape != (NUM_JOINTS, 3) or parents != PARENTS:
        raise AssetError(
            f"{path} has {len(joints)} joints in another order than SMPL's {NUM_JOINTS}: it is a "
            f"SMPL-H, SMPL-X or other model. {_HOW_TO_GET}."
        )
    offsets = joints.copy()
    offsets[1:] -= joints[list(PARENTS[1:])]
    return offsets


def _find_model(path: Path, gender: str) -> Path:
    if path.is_dir():
        names = [f"SMPL_{gender.upper()}.{kind}" for kind in ("pkl", "npz")]
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            raise AssetError(f"No {' or '.join(names)} in {path}. {_HOW_TO_GET}.")
        return found[0]
    if not path.is_file():
        raise AssetError(f"There is no SMPL model at {path}. {_HOW_TO_GET}.")
    return path


def _read_model(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                fields: Any = {name: data[name] for name in data.files}
        else:
            with path.open("rb") as file:
                fields = ArrayUnpickler(file, _SPARSE).load()
    except (OSError, EOFError, ValueError, ImportError, AttributeError) as error:
        raise AssetError(
            f"{path} cannot be read as a SMPL model: {error}. {_HOW_TO_GET}."
        ) from error
    except (pickle.UnpicklingError, KeyError, IndexError) as error:
        if "chumpy" in str(error):
            raise AssetError(
                f"{path} stores its arrays with chumpy, which no longer installs. Convert it once "
                "with tools/clean_ch.py of the smplx repository and give the new file."
            ) from error
        raise AssetError(
            f"{path} cannot be read as a SMPL model: {error}. {_HOW_TO_GET}."
        ) from error
    missing = [name for name in _NEEDED if not isinstance(fields, dict) or name not in fields]
    if missing:
        raise AssetError(f"{path} has no {', '.join(missing)}: not a SMPL model. {_HOW_TO_GET}.")
    return fields
