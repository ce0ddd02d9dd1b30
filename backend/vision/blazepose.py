# SPDX-License-Identifier: Apache-2.0
"""The two BlazePose networks (Bazarevsky et al. 2020), run on the CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend import assets
from backend.errors import AssetError

DETECTOR_FILE = "pose_detection.tflite"
LANDMARKS_FILE = "pose_landmark_full.tflite"
NUM_POINTS = 39
"""33 landmarks, two for the next crop, and four that are not used."""


@dataclass(frozen=True)
class RawLandmarks:
    """Answers of the landmark network for one crop.

    image: (39, 5) x, y, z in the crop's 256 pixels, logits of visibility and presence.
    world: (39, 3) metres. score: from 0 to 1, whether there is a person in the crop.
    heatmap: (64, 64, 39) logits of where each point is.
    """

    image: np.ndarray
    world: np.ndarray
    score: float
    heatmap: np.ndarray


class BlazePose:
    """Both networks, loaded once (0.2 s) and used again and again by one thread at a time."""

    def __init__(self, folder: Path | None = None, threads: int = 2) -> None:
        """folder: where the files are; the asset `blazepose`, fetched if need be, when None.

        Raises AssetError when the networks cannot be had or loaded.
        """
        folder = folder or assets.ensure("blazepose")
        self._detector = _load(folder / DETECTOR_FILE, threads)
        self._landmarks = _load(folder / LANDMARKS_FILE, threads)

    def detector(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(1, 224, 224, 3) from -1 to 1 -> answers (1, 2254, 12), logits (1, 2254, 1)."""
        out = _run(self._detector, pictures)
        return out["Identity"], out["Identity_1"]

    def landmarks(self, crop: np.ndarray) -> RawLandmarks:
        """(256, 256, 3) from 0 to 1 -> the network's answers."""
        out = _run(self._landmarks, crop[None])
        return RawLandmarks(
            image=out["Identity"].reshape(NUM_POINTS, 5),
            world=out["Identity_4"].reshape(NUM_POINTS, 3),
            score=float(out["Identity_1"].item()),
            heatmap=out["Identity_3"][0],
        )


def _load(path: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    try:
        network = Interpreter(str(path), num_threads=threads)
        network.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise AssetError(
            f"{path} cannot be loaded ({error}). Run `hmvlm fetch --force blazepose`."
        ) from error
    return network


def _run(network: Any, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs by name: their order is not the same in every runtime."""
    network.set_tensor(network.get_input_details()[0]["index"], pictures.astype(np.float32))
    network.invoke()
    return {d["name"]: network.get_tensor(d["index"]) for d in network.get_output_details()}
