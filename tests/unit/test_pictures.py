# SPDX-License-Identifier: Apache-2.0
"""Every kind of picture file that a user may drop, and what is no picture."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from people_pictures import grace_hopper
from PIL import Image

from backend.errors import InvalidInput
from backend.vision.images import MAX_SIDE, picture_of, read_picture


def quadrants(width: int = 80, height: int = 60) -> Image.Image:
    """Red and green above, blue and white below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left, 0] = 255
    pixels[:top, left:, 1] = 255
    pixels[top:, :left, 2] = 255
    pixels[top:, left:] = 255
    return Image.fromarray(pixels)


def corners(pixels: np.ndarray) -> list[str]:
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    ends = [pixels[y, x] for y in (3, -3) for x in (3, -3)]
    return [names.get(tuple((v > 127).astype(int).tolist()), "?") for v in ends]


UPRIGHT = ["red", "green", "blue", "white"]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp", "gif"])
def test_kinds_of_files(tmp_path: Path, ending: str):
    path = tmp_path / f"picture.{ending}"
    quadrants().save(path)
    picture = read_picture(path)
    assert picture.pixels.dtype == np.uint8
    assert picture.size == (80, 60)
    assert corners(picture.pixels) == UPRIGHT


@pytest.mark.parametrize("ending", ["jpg", "tif", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_sets_the_picture_upright(tmp_path: Path, orientation: int, ending: str):
    # what the camera stores, so that turning it as the tag says gives the quadrants
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quadrants()
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{ending}"
    stored.save(path, exif=exif)
    picture = read_picture(path)
    assert corners(picture.pixels) == UPRIGHT
    assert picture.size == (80, 60)
    assert picture.pixels.shape == (60, 80, 3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr", "LAB"])
def test_modes(tmp_path: Path, mode: str):
    path = tmp_path / "mode.tif"
    if mode == "LAB":
        from PIL import ImageCms

        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        ImageCms.applyTransform(quadrants(), to_lab).save(path)
    else:
        quadrants().convert(mode).save(path)
    pixels = read_picture(path).pixels
    assert pixels.shape == (60, 80, 3)
    if mode in ("P", "CMYK", "RGBA", "YCbCr", "LAB"):
        assert corners(pixels) == UPRIGHT
    else:
        assert (pixels[-3, -3] == 255).all()
        assert (pixels[..., 0] == pixels[..., 1]).all()


@pytest.mark.parametrize("mode", ["RGBA", "P", "L"])
@pytest.mark.parametrize("size", [(80, 60), (2600, 100)])
def test_transparent_parts_are_white(tmp_path: Path, mode: str, size: tuple[int, int]):
    path = tmp_path / "clear.png"
    if mode == "RGBA":
        Image.new("RGBA", size, (255, 0, 0, 0)).save(path)
    else:
        Image.new(mode, size, 0).save(path, transparency=0)
    assert (read_picture(path).pixels == 255).all()


def test_sixteen_bits_and_floats_keep_their_greys(tmp_path: Path):
    ramp = np.linspace(0, 1, 64)[None].repeat(64, 0)
    wanted = (ramp * 255).round()
    for name, values in (
        ("a.png", (ramp * 65535).astype(np.uint16)),
        ("b.tif", (ramp * 65535).astype(np.uint16)),
        ("c.tif", (ramp * 65535).astype(np.int32)),
        ("d.tif", ramp.astype(np.float32)),
        ("e.tif", (ramp * 7e6 - 3e6).astype(np.int32)),
    ):
        Image.fromarray(values).save(tmp_path / name)
        pixels = read_picture(tmp_path / name).pixels
        assert np.abs(pixels[..., 0] - wanted).max() <= 1, name


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_large_pictures_are_scaled_and_remember_their_size(tmp_path: Path, ending: str):
    path = tmp_path / f"large.{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quadrants().resize((3000, 2250), Image.Resampling.NEAREST).save(path)
        picture = read_picture(path)
    assert picture.size == (3000, 2250)
    assert max(picture.pixels.shape) == MAX_SIDE
    assert picture.pixels.shape[0] == pytest.approx(MAX_SIDE * 0.75, abs=1)
    assert picture.scale == pytest.approx([3000 / MAX_SIDE] * 2, rel=1e-3)
    assert corners(picture.pixels) == UPRIGHT


def test_ninety_million_pixels_are_read_without_a_warning(tmp_path: Path):
    path = tmp_path / "huge.png"
    Image.new("L", (9_500, 9_500), 255).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(path)
    assert picture.size == (9_500, 9_500)
    assert (picture.pixels == 255).all()


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    path = tmp_path / "bomb.png"
    Image.new("1", (14_000, 14_000)).save(path)
    with pytest.raises(InvalidInput, match="178 million"):
        read_picture(path)


def test_too_small(tmp_path: Path):
    path = tmp_path / "icon.png"
    quadrants(16, 16).save(path)
    with pytest.raises(InvalidInput, match=r"16 x 16.*at least 32"):
        read_picture(path)


def heic(path: Path) -> None:
    path.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 100)


def cut_short(path: Path) -> None:
    path.write_bytes(grace_hopper().read_bytes()[:20_000])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.write_text("not a picture\n" * 40), "not a picture.*JPEG, PNG"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF"), "damaged|not a picture"),
        (cut_short, "damaged or incomplete"),
        (heic, "HEIC.*export it as JPEG"),
        (lambda p: p.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\x00" * 50), "video"),
        (lambda p: p.write_text("<svg xmlns='x'></svg>"), "SVG"),
        (lambda p: p.mkdir(), "folder"),
        (lambda p: None, "no picture.*Check the path"),
    ],
)
def test_what_is_no_picture_says_what_to_do(tmp_path: Path, make, said: str):
    path = tmp_path / "photo.jpg"
    make(path)
    with pytest.raises(InvalidInput, match=said):
        read_picture(path)


def test_the_first_of_several(tmp_path: Path):
    path = tmp_path / "moving.gif"
    red, blue = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    red.save(path, save_all=True, append_images=[blue])
    assert (read_picture(path).pixels[5, 5] == [255, 0, 0]).all()


def test_arrays():
    rgb = np.asarray(quadrants())
    assert (picture_of(rgb).pixels == rgb).all()
    assert (picture_of(rgb / 255).pixels == rgb).all()
    assert picture_of(rgb[..., 0]).pixels.shape == rgb.shape
    clear = np.concatenate([rgb, np.zeros_like(rgb[..., :1])], axis=-1)
    assert (picture_of(clear).pixels == 255).all()
    wrong = [
        rgb[None],
        rgb[:10],
        rgb.astype(np.int32),
        rgb.astype(float),
        np.full((40, 40), np.nan),
    ]
    for pixels in wrong:
        with pytest.raises(InvalidInput):
            picture_of(pixels)
