"""Decoding without TensorFlow gives the pictures that the served graph sees."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.images.decoding import decode, record_images
from pipeline.images.pillow_decoding import record_image
from pipeline.images.rejected import Rejected
from ssgan_tf.image_files import MAX_PIXELS

RNG = np.random.default_rng(2)
COLOUR = Image.fromarray(
    tf.cast(
        tf.clip_by_value(tf.image.resize(RNG.uniform(0, 255, (6, 6, 3)), (33, 41), "bicubic"), 0, 255),
        tf.uint8,
    ).numpy()
)
GREY = COLOUR.convert("L")
ALPHA = COLOUR.copy()
ALPHA.putalpha(GREY)


def encoded(image: Image.Image, form: str, **settings) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **settings)
    return stream.getvalue()


EXACT = {
    "colour png": encoded(COLOUR, "PNG"),
    "grey png": encoded(GREY, "PNG"),
    "alpha png": encoded(ALPHA, "PNG"),
    "grey alpha png": encoded(ALPHA.convert("LA"), "PNG"),
    "palette png": encoded(COLOUR.quantize(16), "PNG"),
    "transparent palette png": encoded(COLOUR.quantize(16), "PNG", transparency=3),
    "one bit png": encoded(GREY.convert("1"), "PNG"),
    "16 bit png": encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
    "colour bmp": encoded(COLOUR, "BMP"),
    "colour gif": encoded(COLOUR.quantize(16), "GIF"),
}
NEAR = {
    "colour jpeg": encoded(COLOUR, "JPEG", quality=90),
    "grey jpeg": encoded(GREY, "JPEG", quality=90),
    "progressive jpeg": encoded(COLOUR, "JPEG", progressive=True),
}


def served(content: bytes, height: int, width: int, channels: int) -> np.ndarray:
    return record_images(decode(content, channels)[None], (height, width, channels))[0].astype(int)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", EXACT)
def test_exact_formats_are_equal(name, channels):
    ours = record_image(EXACT[name], (33, 41, channels))
    np.testing.assert_array_equal(ours, served(EXACT[name], 33, 41, channels))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NEAR)
def test_jpeg_is_a_few_levels_near(name, channels):
    difference = np.abs(record_image(NEAR[name], (33, 41, channels)) - served(NEAR[name], 33, 41, channels))
    assert difference.mean() < 2
    assert difference.max() < 20


@pytest.mark.parametrize("size", [(8, 8), (64, 50), (33, 20)])
def test_resizing_is_within_a_level(size):
    for channels in (1, 3):
        ours = record_image(EXACT["colour png"], (*size, channels)).astype(int)
        assert np.abs(ours - served(EXACT["colour png"], *size, channels)).max() <= 1


def test_what_is_no_image_is_refused():
    for content, text in (
        (b"", "empty"),
        (b"hello", "not a PNG"),
        (EXACT["colour png"][:80], "damaged or cut off"),
        (encoded(GREY, "TIFF", compression="jpeg"), "a TIFF with compression 7"),
    ):
        with pytest.raises(Rejected, match=text):
            record_image(content, (8, 8, 1))


def test_a_small_file_cannot_unpack_to_a_huge_image():
    wide = Image.new("1", (MAX_PIXELS // 8192 + 8, 8192))
    with pytest.raises(Rejected, match="more than the"):
        record_image(encoded(wide, "PNG"), (8, 8, 1))
