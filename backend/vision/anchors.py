# SPDX-License-Identifier: Apache-2.0
"""The pose detector's anchors: the points that its 2254 answers are relative to.

Single-shot detection (Liu et al. 2016) on the grids of BlazePose's detector: one of 28 x 28 cells
with two answers a cell, one of 14 x 14 with two and three of 7 x 7 with two each. Anchor boxes all
have size 1, so only their centres matter.
"""

import numpy as np

INPUT_SIDE = 224
STRIDES = (8, 16, 32, 32, 32)
ANSWERS_A_CELL = 2


def anchor_centres() -> np.ndarray:
    """(2254, 2) x, y of every anchor, from 0 to 1, in the order of the detector's answers.

    Layers that share a grid are interleaved: a cell's answers follow one another.
    """
    layers = []
    for stride in sorted(set(STRIDES)):
        cells = INPUT_SIDE // stride
        steps = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, ANSWERS_A_CELL * STRIDES.count(stride), axis=0))
    return np.concatenate(layers)
