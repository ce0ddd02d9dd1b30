# SPDX-License-Identifier: Apache-2.0
"""Photographs of people for the tests, out of packages: none is kept in the repository."""

from pathlib import Path

import numpy as np
import pytest

from backend import assets
from backend.errors import AssetError

FLIPPED = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(i + 1 if i % 2 else i - 1 for i in range(11, 33))]
"""Which landmark of a mirrored picture is which of the picture."""

_PHOTOGRAPHS = assets.Asset(
    name="test-photographs",
    title="photographs of people, for tests",
    package="scikit-image",
    version="0.26.0",
    wheel_sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    wheel_tag="cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64",
    members={
        "skimage/data/astronaut.png": (
            "astronaut.png",
            "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        ),
        "skimage/data/camera.png": (
            "camera.png",
            "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        ),
    },
    weights="skimage/data/astronaut.png",
    licence="public domain (astronaut, NASA), CC0 (camera, Lav Varshney)",
    disk_bytes=40_000_000,
)


def grace_hopper() -> Path:
    """A portrait (public domain, US Navy), 512 x 600, that comes with matplotlib."""
    from matplotlib import get_data_path

    return Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"


def grace_hopper_pixels() -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(grace_hopper()))


def photograph(name: str) -> Path:
    """`astronaut` or `camera` (a man who bends over a tripod, to below the hips), 512 x 512."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assets, "ASSETS", {_PHOTOGRAPHS.name: _PHOTOGRAPHS})
        try:
            return assets.ensure(_PHOTOGRAPHS.name) / f"{name}.png"
        except AssetError as error:
            if not error.retryable:
                raise
            pytest.skip(f"the photographs cannot be downloaded: {error.message}")
