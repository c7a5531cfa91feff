"""Pictures on the wire: what comes back, what isn't one, and what an odd room may send."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from autograder.wire import Bounds, WireError
from autograder.wire_images import picture, picture_parts
from autograder.wire_values import Decoder, Encoder

BOUNDS = Bounds()
MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F")


def made(mode: str) -> Image.Image:
    """Make a picture of seven by three pixels."""
    count = Image.new(mode, (7, 3)).tobytes()
    data = np.random.default_rng(3).integers(0, 120, len(count)).astype(np.uint8)
    return Image.frombytes(mode, (7, 3), data.tobytes())


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_comes_back_as_it_was(mode: str) -> None:
    """Its class, mode, size and pixels."""
    one, encoder = made(mode), Encoder(BOUNDS)
    tag, *parts = picture_parts(encoder, one) or []
    other = picture(Decoder(memoryview(b"".join(map(bytes, encoder.blobs))), BOUNDS), parts)
    assert tag == "img"
    assert type(other) is Image.Image
    assert (other.mode, other.size, other.tobytes()) == (mode, (7, 3), one.tobytes())


def test_what_isnt_a_plain_picture_is_left_to_others() -> None:
    """A palette, a note beside the pixels, nothing to see, a class of one's own."""

    class Mine(Image.Image):
        pass

    noted = made("L")
    noted.info["author"] = "me"
    for other in (made("L").convert("P"), noted, Image.new("L", (0, 4)), Mine(), "L", None):
        assert picture_parts(Encoder(BOUNDS), other) is None


@pytest.mark.parametrize(
    "parts",
    [
        *([], ["L"], ["L", [2, 2]], ["P", [2, 2], [0, 4]], [["L"], [2, 2], [0, 4]]),
        *(["L", [2], [0, 4]], ["L", [2, -2], [0, 4]], ["L", [2, 2.0], [0, 4]]),
        *(["L", [2, 3], [0, 4]], ["L", [2, 2], [0, 5]], ["L", [2, 2], [2, 4]]),
        *(["RGB", [2, 2], [0, 4]], ["L", [1 << 40, 1], [0, 4]], ["L", [2, 2], None]),
    ],
)
def test_parts_that_make_no_picture_are_refused(parts: list[Any]) -> None:
    """Too few, of no mode, of no size, of other bytes."""
    with pytest.raises(WireError):
        picture(Decoder(memoryview(bytes(4)), BOUNDS), parts)
