# SPDX-License-Identifier: Apache-2.0
"""What is drawn over a photo in Blender's image editor."""

import numpy as np
import pytest

from blender_addon.core.overlay import box_lines, skeleton_lines, to_picture


def test_pixels_from_the_top_become_parts_from_the_bottom():
    points = np.array([[0, 0], [200, 100], [50, 25]])
    assert to_picture(points, (200, 100)).tolist() == [[0, 1], [1, 0], [0.25, 0.75]]


def test_a_box_has_four_sides_that_join():
    (lines,) = box_lines([(20, 10, 180, 90)], (200, 100))
    assert lines.shape == (8, 2)
    assert lines[0] == pytest.approx([0.1, 0.9])
    assert lines[1::2] == pytest.approx(np.roll(lines[::2], -1, axis=0))


def test_every_bone_is_drawn_once_and_sides_are_told_apart():
    joints = np.random.default_rng(0).uniform(0, 100, (22, 2))
    lines = skeleton_lines(joints, (100, 100))
    assert {side: len(ends) // 2 for side, ends in lines.items()} == {
        "left": 8,
        "right": 8,
        "middle": 5,
    }
    assert lines["left"][-1] == pytest.approx(to_picture(joints[20], (100, 100)))
