# SPDX-License-Identifier: Apache-2.0
"""Any picture that a user has, as upright 8-bit RGB of a size that can be worked with."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.errors import InvalidInput

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 2048
"""Longer pictures are scaled down to this: the detector sees 224 pixels, a crop 256."""
MIN_SIDE = 32
MAX_SOURCE_PIXELS = 178_000_000
"""Beyond this decoding takes gigabytes of memory (Pillow's own limit for refusing a file)."""

_EXIF_ORIENTATION = 0x0112
_TURNS = {  # orientation -> what sets the picture upright, and whether width and height change
    2: ("FLIP_LEFT_RIGHT", False),
    3: ("ROTATE_180", False),
    4: ("FLIP_TOP_BOTTOM", False),
    5: ("TRANSPOSE", True),
    6: ("ROTATE_270", True),
    7: ("TRANSVERSE", True),
    8: ("ROTATE_90", True),
}


@dataclass(frozen=True)
class Picture:
    """An upright picture.

    pixels: (height, width, 3) uint8 RGB, at most MAX_SIDE long. size: (width, height) that the
    picture has in the user's eyes; coordinates given out and taken in are pixels of that size.
    """

    pixels: np.ndarray
    size: tuple[int, int]

    @property
    def scale(self) -> np.ndarray:
        """(2,) what x and y of `pixels` are multiplied by to get the user's pixels."""
        height, width = self.pixels.shape[:2]
        return np.array([self.size[0] / width, self.size[1] / height])


def read_picture(path: str | Path) -> Picture:
    """The picture in a file: turned as its EXIF says, transparency over white, first of several.

    Raises InvalidInput when there is none, it is broken, of a kind that cannot be read, or too
    small or too large.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    _check_file(path)
    try:
        # the size is checked here, with a message of ours
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(path)
    except UnidentifiedImageError as error:
        raise InvalidInput(f"{path} is not a picture that can be read. {_advice(path)}") from error
    except Image.DecompressionBombError as error:
        raise InvalidInput(_too_large(path)) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidInput(_broken(path, error)) from error
    with file:
        if file.width * file.height > MAX_SOURCE_PIXELS:
            raise InvalidInput(_too_large(path))
        if min(file.size) < MIN_SIDE:
            raise InvalidInput(
                f"{path} is {file.width} x {file.height} pixels, too small to find a person in: "
                f"give a picture of at least {MIN_SIDE} x {MIN_SIDE}."
            )
        width, height = file.size
        try:
            # a JPEG can be decoded at a half, a quarter or an eighth of its size
            file.draft(None, (MAX_SIDE, MAX_SIDE))
            file.load()
            # asked after load(), which turns a TIFF by itself and drops the tag
            turn, lies = _TURNS.get(file.getexif().get(_EXIF_ORIENTATION, 1), (None, False))
            image = to_rgb(_shrunk(file))
        except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
            raise InvalidInput(_broken(path, error)) from error
    if turn:
        image = image.transpose(Image.Transpose[turn])
    return Picture(np.asarray(image), (height, width) if lies else (width, height))


def picture_of(pixels: np.ndarray) -> Picture:
    """The picture in an array (height, width), (height, width, 3) or (height, width, 4).

    uint8, or floats from 0 to 1. Raises InvalidInput for any other array or one that is too small.
    """
    from PIL import Image

    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise InvalidInput(f"A picture is (height, width, 3), not {pixels.shape}.")
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise InvalidInput(f"A picture needs at least {MIN_SIDE} x {MIN_SIDE} pixels.")
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
            raise InvalidInput("The values of a picture in floats lie from 0 to 1.")
        pixels = np.round(pixels * 255).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise InvalidInput(f"A picture is uint8 or floats, not {pixels.dtype}.")
    image = Image.fromarray(pixels)
    return Picture(np.asarray(to_rgb(_shrunk(image))), image.size)


def to_rgb(image: "Image.Image") -> "Image.Image":
    """Any Pillow mode as 8-bit RGB; transparent parts become white, as viewers show them."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Greys of 16 or 32 bits or floats -> uint8; over their own range if it is not a usual one."""
    floats = np.issubdtype(values.dtype, np.floating)
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    for top in (1.0, 255.0) if floats else (65535.0,):
        if low >= 0 and high <= top:
            low, high = 0.0, top
            break
    return np.round((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def _shrunk(image: "Image.Image") -> "Image.Image":
    """At most MAX_SIDE long, with every source pixel counted."""
    from PIL import Image

    ratio = MAX_SIDE / max(image.size)
    if ratio >= 1:
        return image
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    if image.mode in ("P", "1"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    how = Image.Resampling.NEAREST if image.mode.startswith("I;") else Image.Resampling.BOX
    return image.resize(size, how, reducing_gap=2.0 if how == Image.Resampling.BOX else None)


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise InvalidInput(f"There is no picture {path}. Check the path.")
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder: give one picture.")
        if path.stat().st_size == 0:
            raise InvalidInput(f"{path} is empty: it was perhaps not copied to its end.")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.") from error


def _advice(path: Path) -> str:
    """What to do with a file that Pillow does not know, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"):
        return (
            "HEIC (what iPhones save) is not supported: export it as JPEG or PNG "
            "(on the phone: Settings > Camera > Formats > Most Compatible)."
        )
    if brand or head[:4] in (b"\x1aE\xdf\xa3", b"RIFF"):
        return "It looks like a video: give one frame of it as JPEG or PNG."
    if b"<svg" in head:
        return "SVG is a drawing, not a photograph: export it as PNG."
    return "Give a JPEG, PNG, WebP, TIFF, BMP or GIF."


def _too_large(path: Path) -> str:
    return (
        f"{path} has more than {MAX_SOURCE_PIXELS // 1_000_000} million pixels: "
        "save a smaller copy of it."
    )


def _broken(path: Path, error: Exception) -> str:
    return f"{path} is damaged or incomplete ({error}). Save or copy it again."
