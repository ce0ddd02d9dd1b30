# SPDX-License-Identifier: Apache-2.0
"""Who is in a picture, with made-up answers in place of the network's."""

import io

import numpy as np
import pytest

from backend.engine import EngineOptions
from backend.errors import InvalidInput
from backend.hmvlm_engine import HmvlmEngine
from backend.tasks import person_boxes as task
from backend.tasks.person_boxes import SHOWN_SIDE, person_boxes
from backend.vision.detector import Person


class NoNetworks:
    """What the detector is called with; it is replaced."""

    detector = None


def person(left: float, size: float, score: float) -> Person:
    box = np.array([left, 10.0, left + size, 10.0 + 2 * size])
    points = np.array([[left, 10 + size], [left, 10.0], [left, 20.0], [left, 15.0]])
    return Person(box, score, points)


def with_people(monkeypatch, people: list[Person]) -> None:
    monkeypatch.setattr(task, "detect", lambda pixels, network: people)


def test_the_largest_comes_first_in_pixels_of_the_picture(monkeypatch):
    with_people(monkeypatch, [person(5, 20, 0.9), person(50, 60, 0.6)])
    pixels = np.full((300, 4096, 3), 90, np.uint8)  # shown and searched at half its size
    found = person_boxes(pixels, NoNetworks())  # type: ignore[arg-type]
    assert found.size == (4096, 300)
    assert found.boxes[0] == pytest.approx([100, 20, 220, 260])
    assert found.scores.tolist() == [0.6, 0.9]


def test_the_picture_is_one_that_others_can_show(monkeypatch):
    from PIL import Image

    with_people(monkeypatch, [person(5, 20, 0.9)])
    pixels = np.zeros((600, 1500, 3), np.uint8)
    pixels[:, :700] = (200, 40, 40)
    with Image.open(io.BytesIO(person_boxes(pixels, NoNetworks()).jpeg)) as shown:  # type: ignore[arg-type]
        assert shown.format == "JPEG"
        assert max(shown.size) == SHOWN_SIDE
        assert np.abs(np.asarray(shown)[5, 5].astype(int) - (200, 40, 40)).max() < 12


def test_nobody_is_said(monkeypatch):
    with_people(monkeypatch, [])
    with pytest.raises(InvalidInput, match="No person"):
        person_boxes(np.zeros((100, 100, 3), np.uint8), NoNetworks())  # type: ignore[arg-type]


def test_the_engine_checks_the_request():
    people = HmvlmEngine(EngineOptions()).tasks["people"]
    people.check({"image": "a.jpg"}, {})
    with pytest.raises(InvalidInput, match="No picture"):
        people.check({}, {})
