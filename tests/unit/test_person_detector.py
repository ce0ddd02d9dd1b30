# SPDX-License-Identifier: Apache-2.0
"""The arithmetic around the networks, with made-up answers in their place."""

import numpy as np
import pytest

from backend.errors import InvalidInput
from backend.vision.anchors import anchor_centres
from backend.vision.blazepose import RawLandmarks
from backend.vision.crops import Square, around, cut
from backend.vision.detector import Person, decode, detect, iou, suppress
from backend.vision.landmarks import aligned_square, landmarks_of, refine, seen_both_ways
from backend.vision.people import check_box, largest, within


def test_anchors_lie_on_their_grids():
    centres = anchor_centres()
    assert centres.shape == (2254, 2)
    assert centres[:2] == pytest.approx(np.full((2, 2), 0.5 / 28))
    assert centres[2] == pytest.approx([1.5 / 28, 0.5 / 28])
    assert centres[28 * 28 * 2] == pytest.approx([0.5 / 14, 0.5 / 14])
    # the coarsest grid has six answers a cell
    assert centres[-6:] == pytest.approx(np.full((6, 2), 6.5 / 7))
    assert not np.allclose(centres[-7], centres[-6])


def test_decoding_is_relative_to_the_anchor():
    answers, logits = np.zeros((2254, 12)), np.full(2254, -9.0)
    k = 28 * 28 * 2  # centre 0.5 / 14
    answers[k] = [22.4, 0, 44.8, 22.4, 0, 0, 224, 112, 0, 0, 0, 0]
    logits[k] = 2.0
    values, scores = decode(answers, logits, 0.5)
    at = 0.5 / 14
    assert scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert values[0, :4] == pytest.approx([at, at - 0.05, at + 0.2, at + 0.05])
    assert values[0, 4:8] == pytest.approx([at, at, at + 1, at + 0.5])


def test_suppression_averages_one_persons_answers_by_score():
    values = np.zeros((3, 12))
    values[0, :4], values[0, 4] = [0, 0, 1, 1], 1.0
    values[1, :4], values[1, 4] = [0, 0, 1, 1], 4.0
    values[2, :4], values[2, 4] = [5, 5, 6, 6], 7.0
    kept, scores = suppress(values, np.array([0.6, 0.9, 0.7]), 0.3)
    assert scores == pytest.approx([0.9, 0.7])
    assert kept[:, 4] == pytest.approx([(0.6 * 1 + 0.9 * 4) / 1.5, 7.0])


def test_suppression_ends_with_boxes_that_have_no_area():
    kept, _ = suppress(np.zeros((3, 12)), np.array([0.6, 0.9, 0.7]), 0.3)
    assert len(kept) == 3
    assert suppress(np.zeros((0, 12)), np.zeros(0), 0.3)[0].shape == (0, 12)


def test_iou():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    assert iou(boxes[0], boxes) == pytest.approx([1, 1 / 3, 0])


def marked(width: int, height: int, x: int, y: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    return pixels


def brightest(crop: np.ndarray) -> np.ndarray:
    """(2,) x, y from 0 to 1 of the mean of the light in a crop."""
    weight = crop[..., 0] / crop[..., 0].sum()
    rows, columns = np.indices(weight.shape)
    return np.array([(weight * (columns + 0.5)).sum(), (weight * (rows + 0.5)).sum()]) / len(crop)


@pytest.mark.parametrize(
    "square",
    [
        Square(np.array([150.0, 100.0]), 120.0),
        Square(np.array([150.0, 100.0]), 130.0, 0.5),
        Square(np.array([150.0, 100.0]), 131.7, -2.2),
        Square(np.array([140.0, 120.0]), 700.0, 1.0),  # shrinks by whole blocks first
    ],
)
def test_cut_shows_a_point_where_to_picture_says(square: Square):
    pixels = marked(301, 203, 170, 110)
    where = brightest(cut(pixels, square, 128))
    assert square.to_picture(where) == pytest.approx([170.5, 110.5], abs=0.6)


def test_cut_of_the_same_size_is_the_picture_itself():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert cut(pixels, around(pixels), 32) * 255 == pytest.approx(pixels, abs=1e-3)


def test_outside_of_the_picture_is_black():
    crop = cut(np.full((40, 80, 3), 255, np.uint8), around(np.zeros((40, 80, 3))), 80)
    assert (crop[:19] == 0).all()
    assert (crop[21:59] == 1).all()
    assert (crop[61:] == 0).all()


def test_detections_come_back_in_pixels_of_the_picture():
    """A made-up answer in the letterboxed square of a wide picture."""
    answers, logits = np.zeros((1, 2254, 12)), np.full((1, 2254, 1), -9.0)
    middle = 28 * 28 * 2 + 2 * (7 * 14 + 7)  # centre 7.5 / 14
    to_middle = (0.5 - 7.5 / 14) * 224
    hips, top = to_middle, to_middle - 56
    answers[0, middle] = [to_middle, to_middle - 50, 10, 10, hips, hips, hips, top, 0, 0, 0, 0]
    logits[0, middle] = 3.0
    seen = []

    def network(picture: np.ndarray):
        seen.append(picture)
        return answers, logits

    (person,) = detect(np.full((300, 600, 3), 255, np.uint8), network)
    assert seen[0].shape == (1, 224, 224, 3)
    assert [seen[0].min(), seen[0].max()] == pytest.approx([-1, 1])
    assert person.points[:2] == pytest.approx(np.array([[300, 150], [300, 0]]), abs=1e-3)
    # half as wide as high, and not beyond the picture
    assert person.box_xyxy == pytest.approx([300 - 67.5, 0, 300 + 67.5, 300], abs=1e-3)


def someone(x: float, height: float) -> Person:
    points = np.array([[x, 200], [x, 200 - height / 2], [x, 150], [x, 100]], float)
    box = np.array([x - height / 4, 200 - height / 2, x + height / 4, 200 + height / 2])
    return Person(box, 0.9, points)


def test_the_largest_or_the_one_in_the_box():
    people = [someone(100, 150), someone(300, 250)]
    assert largest(people) is people[1]
    assert within(people, np.array([60.0, 120, 140, 280])) is people[0]
    assert within(people, np.array([500.0, 120, 560, 280])) is None
    # only the upper body is boxed; then only the legs
    assert within(people, np.array([90.0, 140, 110, 160])) is people[0]
    assert within(people, np.array([90.0, 250, 110, 270])) is None
    assert within([], np.array([0.0, 0, 1, 1])) is None
    with pytest.raises(InvalidInput, match="No person was found"):
        largest([])


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((1, 2, 3), "four numbers"),
        (("a", 0, 1, 1), "four numbers"),
        ((0, 0, float("nan"), 5), "four numbers"),
        ((10, 10, 10, 20), "no area"),
        ((30, 10, 10, 20), "no area"),
        ((200, 10, 300, 20), "outside.*100 x 50"),
    ],
)
def test_boxes_that_are_none(box, said: str):
    with pytest.raises(InvalidInput, match=said):
        check_box(box, (50, 100, 3))


def test_a_box_is_kept_within_the_picture():
    assert check_box((-5, -5, 60, 500), (50, 100, 3)).tolist() == [0, 0, 60, 50]


@pytest.mark.parametrize("degrees", [0, 30, -80, 170])
def test_the_crop_turns_so_that_the_head_is_on_top(degrees: float):
    angle = np.radians(degrees)
    hips = np.array([50.0, 60.0])
    head = hips + 20 * np.array([np.sin(angle), -np.cos(angle)])
    square = aligned_square(hips, head)
    assert square.angle == pytest.approx(angle)
    assert square.side == pytest.approx(2 * 1.25 * 20)
    assert square.to_picture(np.array([0.5, 0.1])) == pytest.approx(head)


def test_heatmaps_move_points_only_where_they_are_sure():
    heatmap = np.full((64, 64, 3), -60.0)
    heatmap[20, 33, 0] = heatmap[20, 31, 0] = 5.0
    heatmap[20, 33, 1] = -1.0
    heatmap[5, 5, 2] = 5.0  # beyond the window
    points = np.tile((np.array([30.0, 19.0]) + 0.5) / 64, (3, 1))
    moved = refine(points, heatmap)
    assert moved[0] == pytest.approx([32 / 64, 20 / 64])
    assert (moved[1:] == points[1:]).all()
    outside = np.array([[-0.1, 0.5], [1.2, 0.5], [0.5, 1.0]])
    assert (refine(outside, heatmap) == outside).all()


class MadeUp:
    """A landmark network that sees the body's axis at fixed places of the picture.

    scores: what it says of one crop after the other.
    """

    def __init__(self, hips, circle, scores):
        self.hips, self.circle, self.scores = np.array(hips, float), np.array(circle, float), scores
        self.calls = 0

    def landmarks(self, crop: np.ndarray) -> RawLandmarks:
        image = np.zeros((39, 5))
        image[33, :2], image[34, :2] = self.hips, self.circle
        image[0] = [64, 128, 25.6, 0, 3]
        world = np.zeros((39, 3))
        world[0] = [0, -1, 0.5]
        score = self.scores[min(self.calls, len(self.scores) - 1)]
        self.calls += 1
        return RawLandmarks(image, world, score, np.full((64, 64, 39), -60.0))


PIXELS = np.zeros((100, 100, 3), np.uint8)


class Leaning(MadeUp):
    """Sees everything on the middle line, but the nose too far to the left by `wrong` pixels of
    the crop, and the left shoulder nearer than the right."""

    def __init__(self, wrong: float, scores):
        super().__init__((128, 128), (128, 128 - 256 / 2.5), scores)
        self.wrong = wrong

    def landmarks(self, crop: np.ndarray) -> RawLandmarks:
        raw = super().landmarks(crop)
        raw.image[:33, :2] = 128
        raw.image[0, 0] = 128 - self.wrong
        raw.world[11] = [0.2, -0.5, -0.1]
        raw.world[12] = [-0.2, -0.5, 0.1]
        raw.world[0] = [-0.03, -0.7, 0]
        return raw


def test_two_looks_err_in_opposite_ways():
    network, square = Leaning(25.6, [0.9]), Square(np.array([40.0, 50.0]), 80.0, 0.4)
    once = landmarks_of(PIXELS, square, network)
    twice = seen_both_ways(PIXELS, once, network)
    assert np.linalg.norm(once.image[0, :2] - [40, 50]) == pytest.approx(8)
    assert twice.image[0, :2] == pytest.approx([40, 50])
    # three centimetres to one side are gone, the body's own lean is left
    assert abs(twice.world[0, 0]) == pytest.approx(0.7 * np.sin(0.4))
    # her own left stays on her left, and what one look has nearer the other has farther
    assert twice.world[11, 2] == pytest.approx(0)
    for score, wrong in (([0.9, 0.1], 25.6), ([0.9], 256.0 * 33 * 0.05)):
        network = Leaning(wrong, score)
        once = landmarks_of(PIXELS, square, network)
        assert seen_both_ways(PIXELS, once, network) is once


def test_a_crop_that_stays_is_taken_once():
    network = MadeUp((128, 128), (128, 128 - 256 / 2.5), [0.9])
    found = landmarks_of(PIXELS, Square(np.array([40.0, 50.0]), 80.0, np.pi / 2), network)
    assert network.calls == 1
    # a quarter left of the crop's middle is up in the picture when the crop lies on its side
    assert found.image[0] == pytest.approx([40, 30, 8])
    assert found.world[0] == pytest.approx([1, 0, 0.5])
    assert found.visibility[0] == pytest.approx(0.5)
    assert found.presence[0] == pytest.approx(1 / (1 + np.exp(-3)))


def test_another_crop_is_looked_at_again_two_times_at_most():
    network = MadeUp((150, 128), (150, 20), [0.9])
    assert landmarks_of(PIXELS, Square(np.array([40.0, 50.0]), 80.0), network) is not None
    assert network.calls == 3


def test_a_low_score_counts_only_when_no_crop_is_better():
    start = Square(np.array([40.0, 50.0]), 80.0)
    found = landmarks_of(PIXELS, start, MadeUp((150, 128), (150, 20), [0.2, 0.8, 0.3]))
    assert found.score == 0.8
    assert landmarks_of(PIXELS, start, MadeUp((150, 128), (150, 20), [0.2])) is None
