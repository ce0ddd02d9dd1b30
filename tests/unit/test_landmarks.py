# SPDX-License-Identifier: Apache-2.0
"""BlazePose itself on photographs: known places, and places that move along with the picture."""

from pathlib import Path

import numpy as np
import pytest
from people_pictures import FLIPPED, grace_hopper, grace_hopper_pixels, photograph
from PIL import Image

from backend.errors import AssetError, InvalidInput
from backend.vision.blazepose import DETECTOR_FILE, LANDMARKS_FILE, BlazePose
from backend.vision.detector import detect
from backend.vision.images import picture_of, read_picture
from backend.vision.landmarks import Landmarks, estimate_landmarks
from backend.vision.overlay import draw_overlay, save_overlay
from backend.vision.tracking import track
from backend.vision.videos import Frame

NOSE, LEFT_EYE, RIGHT_EYE, MOUTH_LEFT, MOUTH_RIGHT = 0, 2, 5, 9, 10
LEFT_SHOULDER, RIGHT_SHOULDER = 11, 12
CHECKED = [NOSE, LEFT_EYE, RIGHT_EYE, MOUTH_LEFT, MOUTH_RIGHT, LEFT_SHOULDER, RIGHT_SHOULDER]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def networks() -> BlazePose:
    return BlazePose(threads=1)


@pytest.fixture(scope="module")
def upright(networks: BlazePose) -> Landmarks:
    return estimate_landmarks(grace_hopper(), networks=networks)


def apart(found: Landmarks, expected: np.ndarray) -> float:
    """Largest distance of the checked landmarks from (33, 2), in parts of the body's crop.

    The crop is 256 pixels wide, so 0.01 is two and a half of the pixels the network sees.
    """
    away = np.linalg.norm(found.image[CHECKED, :2] - expected[CHECKED], axis=1)
    return float(away.max()) / found.square.side


def test_places_measured_by_eye_on_a_portrait(networks: BlazePose, upright: Landmarks):
    (person,) = detect(grace_hopper_pixels(), networks.detector)
    assert person.score > 0.5
    left, top, right, bottom = person.box_xyxy
    assert left < 60
    assert top < 140
    assert right > 450
    assert bottom == 600  # the body goes on below
    measured = np.zeros((33, 2))
    measured[NOSE] = 265, 235
    measured[LEFT_EYE] = 303, 187
    measured[RIGHT_EYE] = 220, 189
    measured[MOUTH_LEFT] = 308, 278
    measured[MOUTH_RIGHT] = 230, 281
    measured[LEFT_SHOULDER] = 440, 400
    measured[RIGHT_SHOULDER] = 75, 400
    assert apart(upright, measured) < 0.012
    assert (upright.visibility[CHECKED] > 0.9).all()
    assert (upright.presence[CHECKED] > 0.8).all()
    # hips, knees and feet are below the edge of the picture
    assert (upright.presence[23:] < 0.1).all()
    assert upright.score > 0.9


def test_world_landmarks_are_metres_from_the_hips(upright: Landmarks):
    assert upright.world[[23, 24]].mean(axis=0) == pytest.approx(np.zeros(3), abs=0.05)
    shoulders = upright.world[LEFT_SHOULDER] - upright.world[RIGHT_SHOULDER]
    assert 0.25 < np.linalg.norm(shoulders) < 0.5
    assert shoulders[0] > 0.2  # her left is on the right of the picture
    assert -0.8 < upright.world[NOSE, 1] < -0.4  # y points down
    assert upright.world[NOSE, 2] < upright.world[7, 2]  # and the nose is nearer than the ears


@pytest.mark.parametrize("degrees", [-20, -10, 10, 20])
def test_turning_the_picture_turns_the_landmarks(
    networks: BlazePose, upright: Landmarks, degrees: float
):
    pixels = grace_hopper_pixels()
    wide = np.pad(pixels, ((120, 120), (160, 160), (0, 0)))
    turned = np.asarray(Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR))
    found = estimate_landmarks(turned, networks=networks)
    centre = np.array([wide.shape[1], wide.shape[0]]) / 2
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin], [-sin, cos]])  # anticlockwise, with y down
    expected = (upright.image[:, :2] + [160, 120] - centre) @ turn.T + centre
    assert apart(found, expected) < 0.02
    turned_by = found.square.angle - upright.square.angle
    assert turned_by == pytest.approx(-np.radians(degrees), abs=0.06)
    away = found.world[CHECKED, :2] - upright.world[CHECKED, :2] @ turn.T
    assert np.abs(away).max() < 0.06


def test_a_mirrored_picture_swaps_left_and_right(networks: BlazePose, upright: Landmarks):
    found = estimate_landmarks(grace_hopper_pixels()[:, ::-1].copy(), networks=networks)
    expected = upright.image[FLIPPED, :2] * [-1, 1] + [512, 0]
    assert apart(found, expected) < 0.025


@pytest.mark.parametrize("scale", [0.3, 2.5, 6.0])
def test_scaling_the_picture_scales_the_landmarks(
    networks: BlazePose, upright: Landmarks, scale: float, tmp_path: Path
):
    picture = Image.open(grace_hopper())
    path = tmp_path / "scaled.jpg"
    picture.resize((round(512 * scale), round(600 * scale))).save(path)
    found = estimate_landmarks(path, networks=networks)
    assert apart(found, upright.image[:, :2] * scale) < 0.015
    assert found.square.side == pytest.approx(upright.square.side * scale, rel=0.05)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_that_exif_turns(
    networks: BlazePose, upright: Landmarks, orientation: int, tmp_path: Path
):
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "phone.png"
    stored = Image.open(grace_hopper()).transpose(undo.get(orientation, Image.Transpose.ROTATE_270))
    stored.save(path, exif=exif)
    assert apart(estimate_landmarks(path, networks=networks), upright.image[:, :2]) < 1e-6


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA"])
def test_other_colours(networks: BlazePose, upright: Landmarks, mode: str, tmp_path: Path):
    path = tmp_path / "picture.tif"
    Image.open(grace_hopper()).convert(mode).save(path)
    assert apart(estimate_landmarks(path, networks=networks), upright.image[:, :2]) < 0.012


def test_padding_moves_the_landmarks(networks: BlazePose, upright: Landmarks):
    padded = np.pad(grace_hopper_pixels(), ((90, 0), (300, 40), (0, 0)), constant_values=200)
    found = estimate_landmarks(padded, networks=networks)
    assert apart(found, upright.image[:, :2] + [300, 90]) < 0.02


def two_of_her() -> tuple[np.ndarray, np.ndarray]:
    """Small on the left, large on the right; and the large one's place (2,)."""
    large = Image.open(grace_hopper())
    small = large.resize((307, 360))
    sheet = Image.new("RGB", (1000, 600), (120, 140, 160))
    sheet.paste(small, (20, 240))
    sheet.paste(large, (460, 0))
    return np.asarray(sheet), np.array([460, 0])


def test_of_several_people_the_largest_or_the_one_in_the_box(
    networks: BlazePose, upright: Landmarks
):
    pixels, place = two_of_her()
    found = estimate_landmarks(pixels, networks=networks)
    assert apart(found, upright.image[:, :2] + place) < 0.03
    small = estimate_landmarks(pixels, box=(20, 250, 327, 600), networks=networks)
    assert apart(small, upright.image[:, :2] * 0.6 + [20, 240]) < 0.03
    with pytest.raises(InvalidInput, match=r"nobody in the box.*People were found in"):
        estimate_landmarks(pixels, box=(335, 5, 455, 200), networks=networks)


def test_the_box_is_in_pixels_of_the_file_however_large(
    networks: BlazePose, upright: Landmarks, tmp_path: Path
):
    pixels, _ = two_of_her()
    path = tmp_path / "large.jpg"
    Image.fromarray(pixels).resize((5000, 3000)).save(path)
    found = estimate_landmarks(path, box=(100, 1250, 1635, 3000), networks=networks)
    assert apart(found, (upright.image[:, :2] * 0.6 + [20, 240]) * 5) < 0.03


def test_someone_small_is_found_in_a_box_around_her(networks: BlazePose, upright: Landmarks):
    scale = 0.14
    sheet = Image.new("RGB", (1600, 1200), (120, 140, 160))
    small = Image.open(grace_hopper()).resize((round(512 * scale), round(600 * scale)))
    sheet.paste(small, (1200, 800))
    pixels = np.asarray(sheet)
    assert detect(pixels, networks.detector) == []
    box = (1200, 800, 1200 + small.width, 800 + small.height)
    found = estimate_landmarks(pixels, box=box, networks=networks)
    assert apart(found, upright.image[:, :2] * scale + [1200, 800]) < 0.03


@pytest.mark.parametrize("box", ["left", (1, 2, 3), (50, 50, 40, 90), (600, 0, 700, 100)])
def test_a_box_that_is_none_says_so(networks: BlazePose, box):
    with pytest.raises(InvalidInput, match="box"):
        estimate_landmarks(grace_hopper(), box=box, networks=networks)


def test_nobody(networks: BlazePose):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for pixels in (noise, np.full((300, 400, 3), 128, np.uint8)):
        with pytest.raises(InvalidInput, match="No person was found"):
            estimate_landmarks(pixels, networks=networks)


@pytest.mark.parametrize(
    ("name", "nose", "left_shoulder", "right_shoulder"),
    [
        ("astronaut", (222, 122), (318, 240), (100, 240)),
        ("camera", (246, 162), (205, 160), (110, 190)),
    ],
)
def test_other_photographs(networks: BlazePose, name: str, nose, left_shoulder, right_shoulder):
    found = estimate_landmarks(photograph(name), networks=networks)
    for index, place in ((0, nose), (11, left_shoulder), (12, right_shoulder)):
        away = np.linalg.norm(found.image[index, :2] - place)
        assert away < 0.03 * found.square.side, index


def test_the_right_side_stays_right_in_grey_profile(networks: BlazePose):
    """The man with the camera looks to the right of the picture and turns his right side to us."""
    found = estimate_landmarks(photograph("camera"), networks=networks)
    # bent forwards: the shoulders are to the right of the hips, and above them
    hips, shoulders = found.image[23:25, :2].mean(axis=0), found.image[11:13, :2].mean(axis=0)
    assert shoulders[0] > hips[0] + 30
    assert shoulders[1] < hips[1] - 80
    assert found.world[12, 2] < found.world[11, 2]


def test_the_overlay_draws_where_the_landmarks_are(
    networks: BlazePose, upright: Landmarks, tmp_path: Path
):
    picture = read_picture(grace_hopper())
    people = detect(picture.pixels, networks.detector)
    save_overlay(tmp_path / "overlay.png", picture, [upright], people)
    drawn = np.asarray(Image.open(tmp_path / "overlay.png")).astype(int)
    assert drawn.shape == picture.pixels.shape
    changed = np.abs(drawn - picture.pixels).sum(axis=-1) > 30
    for index, colour in ((LEFT_SHOULDER, "#e5485d"), (RIGHT_SHOULDER, "#2f8fe0")):
        x, y = upright.image[index, :2].round().astype(int)
        assert changed[y, x]
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(drawn[y, x] - wanted).max() < 40
    assert changed[int(people[0].box_xyxy[1]) + 1, 256]  # the box's upper edge
    assert changed.mean() < 0.1


def test_the_overlay_of_a_large_picture_is_in_its_users_pixels(upright: Landmarks):
    small = picture_of(np.zeros((300, 256, 3), np.uint8))
    half = type(small)(small.pixels, (512, 600))
    drawn = np.asarray(draw_overlay(half, [upright]))
    x, y = (upright.image[LEFT_SHOULDER, :2] / 2).round().astype(int)
    assert drawn[y, x].max() > 100


def moving(frames: int, step: int) -> list[np.ndarray]:
    """She goes to the right by `step` pixels a frame on a grey ground."""
    her = grace_hopper_pixels()
    out = []
    for k in range(frames):
        sheet = np.full((600, 900, 3), 150, np.uint8)
        sheet[:, k * step : k * step + 512] = her
        out.append(sheet)
    return out


def film(pictures: list[np.ndarray]) -> list[Frame]:
    return [Frame(k / 20, picture_of(pixels)) for k, pixels in enumerate(pictures)]


def test_tracking_asks_the_detector_once_and_follows(networks: BlazePose, upright: Landmarks):
    found = list(track(film(moving(6, 25)), networks))
    assert [f.detected for f in found] == [True] + [False] * 5
    assert [f.time for f in found] == pytest.approx([k / 20 for k in range(6)])
    for k, frame in enumerate(found):
        assert frame.landmarks is not None
        assert apart(frame.landmarks, upright.image[:, :2] + [25 * k, 0]) < 0.03


def test_tracking_looks_again_after_a_loss(networks: BlazePose):
    pictures = moving(5, 10)
    pictures[2] = np.full_like(pictures[2], 150)
    found = list(track(film(pictures), networks))
    assert [f.detected for f in found] == [True, False, True, True, False]
    assert [f.landmarks is None for f in found] == [False, False, True, False, False]


def test_tracking_the_one_in_the_box(networks: BlazePose, upright: Landmarks):
    pixels, _ = two_of_her()
    found = list(track(film([pixels] * 3), networks, box=(20, 250, 327, 600)))
    for frame in found:
        assert frame.landmarks is not None
        assert apart(frame.landmarks, upright.image[:, :2] * 0.6 + [20, 240]) < 0.03
    with pytest.raises(InvalidInput, match="nobody in the box"):
        list(track(film([pixels]), networks, box=(335, 5, 455, 200)))


def test_broken_networks_say_what_to_run(tmp_path: Path):
    for name in (DETECTOR_FILE, LANDMARKS_FILE):
        (tmp_path / name).write_bytes(b"not a network" * 100)
    with pytest.raises(AssetError, match="hmvlm fetch --force blazepose"):
        BlazePose(tmp_path)
