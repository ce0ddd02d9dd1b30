# SPDX-License-Identifier: Apache-2.0
"""Filmstrips are drawn, and are not empty."""

import numpy as np
import pytest
from acted_motion import going, standing, waving

from backend.motion.filmstrip import draw_filmstrip, draw_filmstrips
from blender_addon.shared.motion import Motion


def picture(path) -> np.ndarray:
    """(H, W, 3) values from 0 to 1."""
    from matplotlib.image import imread

    return imread(path)[..., :3]


def test_a_filmstrip_shows_both_sides_in_their_colours(tmp_path):
    path = tmp_path / "strip.png"
    draw_filmstrip(waving("left", base=going()), path, title="walks and waves", frames=6)
    image = picture(path)
    assert image.shape[1] > 2 * image.shape[0]
    red = (image[..., 0] > 0.7) & (image[..., 2] < 0.5)
    blue = (image[..., 2] > 0.6) & (image[..., 0] < 0.3)
    assert red.sum() > 200
    assert blue.sum() > 200


def test_figures_do_not_overlap(tmp_path):
    path = tmp_path / "strip.png"
    draw_filmstrip(standing(), path, frames=5)
    image = picture(path)
    height, width = image.shape[:2]
    strip = image[int(0.25 * height) : int(0.6 * height), : int(0.75 * width)]
    inked = (strip.min(axis=-1) < 0.8).any(axis=0)
    gaps = np.flatnonzero(np.diff(inked.astype(int)) == 1)
    # the limbs of one figure may stand apart, but every figure stands clear of the next
    assert len(gaps) >= 5


def test_several_motions_on_one_sheet(tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    draw_filmstrips([(standing(), "a")], one)
    draw_filmstrips([(standing(), "a"), (going(), "b")], two)
    assert picture(two).shape[0] > 1.6 * picture(one).shape[0]


def test_a_motion_shorter_than_the_strip(tmp_path):
    motion = standing()
    short = Motion(motion.poses[:3], motion.trans[:3], motion.fps)
    draw_filmstrip(short, tmp_path / "short.png", frames=8)
    assert (tmp_path / "short.png").stat().st_size > 1000


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no motion"):
        draw_filmstrips([], tmp_path / "x.png")
