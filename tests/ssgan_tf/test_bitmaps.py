"""BMP files: either the decoder gives Pillow's picture, or the file is refused."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ssgan_tf import bitmaps, savedmodel

COLOURS = Image.fromarray(np.random.default_rng(4).integers(0, 256, (5, 7, 3), np.uint8))
GREY = COLOURS.convert("L")
ALPHA = COLOURS.copy()
ALPHA.putalpha(GREY)


def bmp(image):
    stream = io.BytesIO()
    image.save(stream, "BMP")
    return stream.getvalue()


def with_number(data, at, value, form="<i"):
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def full_palette_byte(data):
    """The grey palette's fourth bytes filled, as some writers leave it."""
    palette = bytearray(data[54 : 54 + 1024])
    palette[3::4] = palette[0::4]
    return data[:54] + bytes(palette) + data[54 + 1024 :]


def masked(data, masks):
    """A 32-bit file with its colour masks between header and pixels."""
    header = with_number(with_number(data[:54], 30, 3), 10, 54 + 12)
    return header + struct.pack("<3I", *masks) + data[54:]


TAKEN = {
    "colour": (bmp(COLOURS), COLOURS),
    "grey": (bmp(GREY), GREY),
    "grey, palette filled": (full_palette_byte(bmp(GREY)), GREY),
    "alpha": (bmp(ALPHA), COLOURS),
    "usual masks": (masked(bmp(ALPHA), (0xFF0000, 0xFF00, 0xFF)), COLOURS),
}
REFUSED = {
    "palette": bmp(COLOURS.quantize(16)),
    "one bit": bmp(GREY.convert("1")),
    "grey from white to black": bmp(GREY)[:54] + bmp(GREY)[54 : 54 + 1024][::-1] + bmp(GREY)[54 + 1024 :],
    "compressed": with_number(bmp(GREY), 30, 1),
    "other masks": masked(bmp(ALPHA), (0xFF, 0xFF00, 0xFF0000)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_is_read_rightly(name):
    data, image = TAKEN[name]
    channels = 1 if image.mode == "L" else 3
    served = savedmodel.decoded_records(tf.constant([data]), (5, 7, channels))[0]
    np.testing.assert_array_equal(served, np.asarray(image).reshape(5, 7, channels))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_would_be_misread_is_refused(name, channels):
    graph = tf.function(lambda values: savedmodel.decoded_records(values, (5, 7, channels)))
    good = TAKEN["colour"][0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="store it as PNG"):
        graph(tf.constant([good, REFUSED[name]]))


def test_other_formats_and_damaged_files_are_the_decoders_business():
    stream = io.BytesIO()
    COLOURS.quantize(16).save(stream, "PNG")
    for data in (b"", b"B", b"BM", b"BM" + b"\xff" * 40, stream.getvalue()):
        assert bitmaps.is_read_rightly(tf.constant(data))


def test_a_header_that_points_elsewhere_ends_in_an_error():
    data = bmp(GREY)
    for size in (2**31 - 1, 2**30, -(2**31), -60):
        with pytest.raises(tf.errors.InvalidArgumentError):
            savedmodel.decoded_records(tf.constant([with_number(data, 14, size)]), (5, 7, 1))
