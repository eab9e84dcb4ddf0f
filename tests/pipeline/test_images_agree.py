"""One file, one picture: preprocess, predict, the server and the graph alone give equal pixels, or refuse."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from pipeline.images import exif, formats
from pipeline.images.conversion import as_decodable, png_file
from pipeline.images.decoding import OutOfMemory, decode, record_images
from pipeline.images.headers import read_header
from pipeline.images.pillow_decoding import record_image
from pipeline.images.rejected import Rejected
from pipeline.serving import images as serving_images
from pipeline.serving.status import ServingError
from ssgan_tf import exif as graph_exif
from ssgan_tf import image_files, savedmodel
from ssgan_tf.framing import MODES, Framing

HEIGHT, WIDTH = 6, 9
RNG = np.random.default_rng(7)
COLOUR = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = COLOUR[..., :1]
ALPHA = RNG.choice(np.array([0, 3, 128, 254, 255], np.uint8), (HEIGHT, WIDTH, 1))
BACKGROUND = 40
FRAMING = Framing(background=BACKGROUND)


def over(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha.astype(float) / 255
    return np.floor(colours * share + BACKGROUND * (1 - share) + 0.5).astype(np.uint8)


def saved(image: Image.Image, form: str, orientation: int = 1, **options) -> bytes:
    if orientation > 1:
        block = Image.Exif()
        block[0x0112] = orientation
        options["exif"] = block.tobytes()
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def palette(transparency: int | None = None) -> tuple[Image.Image, np.ndarray]:
    image = picture(COLOUR).quantize(8)
    colours = np.asarray(image.convert("RGB"))
    if transparency is None:
        return image, colours
    alpha = np.where(np.asarray(image)[..., None] == transparency, 0, 255)
    return image, over(colours, alpha)


def deep(largest: int, channels: int = 1) -> np.ndarray:
    pixels = RNG.integers(0, largest + 1, (HEIGHT, WIDTH, channels)).astype(np.uint16)
    pixels[0, 0, 0] = largest
    return pixels


def scaled(pixels: np.ndarray, full: int) -> np.ndarray:
    return np.floor(pixels * (255 / full) + 0.5).astype(np.uint8)


# name: the file, the picture that a person sees (None where only equality counts)
FILES: dict[str, tuple[bytes, np.ndarray | None]] = {}
for form, lossless in (
    ("PNG", True),
    ("BMP", True),
    ("TIFF", True),
    ("WEBP", True),
    ("JPEG", False),
    ("GIF", False),
):
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    for kind, pixels in (("grey", GREY), ("colour", COLOUR)):
        seen = (np.repeat(GREY, 3, -1) if kind == "grey" else COLOUR) if lossless else None
        FILES[f"{form} {kind}"] = saved(picture(pixels), form, **options), seen
        for value in range(2, 9):
            if form not in ("BMP", "GIF"):
                turned = exif.upright(seen, value) if seen is not None else None
                FILES[f"{form} {kind} {value}"] = saved(picture(pixels), form, value, **options), turned
for form in ("PNG", "TIFF", "WEBP"):
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    layers = np.concatenate([COLOUR, ALPHA], -1)
    for value in (1, 6):
        laid = exif.upright(over(COLOUR, ALPHA), value)
        FILES[f"{form} alpha {value}"] = saved(Image.fromarray(layers), form, value, **options), laid
grey_alpha = np.concatenate([GREY, ALPHA], -1)
FILES["PNG grey alpha"] = saved(Image.fromarray(grey_alpha), "PNG"), np.repeat(over(GREY, ALPHA), 3, -1)
for form in ("PNG", "GIF", "TIFF"):
    image, seen = palette()
    FILES[f"{form} palette"] = saved(image, form), seen
for form in ("PNG", "GIF"):
    image, seen = palette(3)
    FILES[f"{form} transparent palette"] = saved(image, form, transparency=3), seen
key = tuple(int(v) for v in COLOUR[2, 2])
keyed = over(COLOUR, np.where((key == COLOUR).all(-1, keepdims=True), 0, 255))
FILES["PNG colour key"] = saved(picture(COLOUR), "PNG", transparency=key), keyed
FILES["PNG grey key"] = (
    saved(picture(GREY), "PNG", transparency=int(GREY[1, 1, 0])),
    np.repeat(over(GREY, np.where(GREY[1, 1, 0] == GREY, 0, 255)), 3, -1),
)
bits = picture(GREY).convert("1")
for form in ("PNG", "TIFF"):
    FILES[f"{form} bits"] = saved(bits, form), np.asarray(bits.convert("RGB"))
    for largest, full in ((100, 255), (1000, 1023), (4095, 4095), (40_000, 65_535)):
        pixels = deep(largest)
        seen = np.repeat(scaled(pixels, full), 3, -1)
        FILES[f"{form} 16 bits to {largest}"] = saved(Image.fromarray(pixels[..., 0]), form), seen
FILES["PNG 16 bits colour"] = png_file(pixels := deep(900, 3)), scaled(pixels, 1023)
deep_alpha = deep(3000, 4)
deep_alpha[..., 3] = RNG.choice([0, 30_000, 65_535], (HEIGHT, WIDTH))
FILES["PNG 16 bits alpha"] = (
    png_file(deep_alpha),
    over(scaled(deep_alpha[..., :3], 4095), scaled(deep_alpha[..., 3:], 65_535)),
)
FILES["PNG 16 bits black"] = png_file(np.zeros((HEIGHT, WIDTH, 1), np.uint16)), np.zeros((HEIGHT, WIDTH, 3))
FILES["JPEG progressive"] = saved(picture(COLOUR), "JPEG", 5, progressive=True), None
FILES["JPEG CMYK"] = saved(picture(COLOUR).convert("CMYK"), "JPEG"), None
FILES["TIFF CMYK"] = saved(picture(COLOUR).convert("CMYK"), "TIFF"), COLOUR
for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
    FILES[f"TIFF {compression}"] = saved(picture(COLOUR), "TIFF", compression=compression), COLOUR

if features.check("avif"):
    for value in (1, 6, 7):
        FILES[f"AVIF {value}"] = saved(picture(COLOUR), "AVIF", value, quality=90), None
    FILES["AVIF alpha"] = saved(Image.fromarray(layers), "AVIF"), None


def heic(image: Image.Image, orientation: int = 1, **options) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, exif=block.tobytes(), quality=90, **options)
    return stream.getvalue()


try:
    import pillow_heif
except ImportError:
    HEIC = False
else:
    HEIC = True
    for value in (1, 6, 7):
        FILES[f"HEIC {value}"] = heic(picture(COLOUR), value), None
    FILES["HEIC grey"] = heic(picture(GREY)), None
    FILES["HEIC alpha"] = heic(Image.fromarray(layers)), None

FRAMES = [picture(COLOUR), picture(COLOUR[::-1])]
REFUSED = {
    "animated WebP": saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
    "TIFF of pages": saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]),
    "TIFF of floats": saved(Image.fromarray(GREY[..., 0].astype(np.float32)), "TIFF"),
    "TIFF of JPEG": saved(FRAMES[0], "TIFF", compression="jpeg"),
    "BMP palette": saved(palette()[0], "BMP"),
    "AVIF of nothing": b"\0\0\0\x1cftypavif" + bytes(9),
    "HEIC of nothing": b"\0\0\0\x1cftypheic" + bytes(9),
    "camera RAW": b"II*\0\x10\0\0\0CR\x02" + bytes(60),
    "reduced TIFF": saved(picture(COLOUR), "TIFF", tiffinfo={254: 1}),
    "text": b"hello",
    "cut PNG": saved(picture(COLOUR), "PNG")[:60],
    "cut TIFF": saved(picture(COLOUR), "TIFF", compression="tiff_lzw")[:150],
    "cut WebP": saved(picture(COLOUR), "WEBP", lossless=True)[:60],
    "cut GIF": saved(palette()[0], "GIF")[:30],
}


def graph(shape: tuple[int, int, int], framing: Framing = FRAMING):
    """The decoding part of the served graph."""
    return tf.function(
        lambda values: savedmodel.decoded_records(values, shape, framing),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )


# large enough that nothing is resized, for pictures that stand and those that lie
GRAPHS = {
    shape: graph(shape)
    for shape in [(h, w, c) for h, w in ((HEIGHT, WIDTH), (WIDTH, HEIGHT), (5, 5)) for c in (1, 3)]
}


def prepared(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    image = decode(data, shape[2], BACKGROUND)
    return record_images(image[None], shape, FRAMING)[0]


def predicted(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    return GRAPHS[shape](tf.constant([as_decodable(data, read_header(data))]))[0].numpy()


def served(data: bytes, shape: tuple[int, int, int], in_examples: bool = False) -> np.ndarray:
    values = np.array([data], object)
    if in_examples:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
        features = tf.train.Features(feature={"image/encoded": feature})
        values[0] = tf.train.Example(features=features).SerializeToString()
    serving_images.costs(values, 1 << 20, in_examples)
    values = serving_images.decodable(values, in_examples)
    if in_examples:
        example = tf.train.Example.FromString(values[0])
        values[0] = example.features.feature["image/encoded"].bytes_list.value[0]
    return GRAPHS[shape](tf.constant(list(values)))[0].numpy()


@pytest.mark.parametrize("name", FILES)
def test_every_way_gives_the_picture_that_a_person_sees(name):
    data, seen = FILES[name]
    stored = decode(data, 0, BACKGROUND)
    for height, width in (stored.shape[:2], (5, 5)):
        for channels in (1, 3):
            shape = (height, width, channels)
            ours = prepared(data, shape)
            np.testing.assert_array_equal(predicted(data, shape), ours)
            np.testing.assert_array_equal(served(data, shape), ours)
            np.testing.assert_array_equal(served(data, shape, in_examples=True), ours)
            if name.startswith(("PNG", "JPEG", "BMP")):
                alone = GRAPHS[shape](tf.constant([data]))[0].numpy()
                np.testing.assert_array_equal(alone, ours)
            if name in ("PNG 16 bits colour", "PNG 16 bits alpha"):
                with pytest.raises(Rejected, match="savedmodel engine"):
                    record_image(data, shape, FRAMING)
            else:
                far = np.abs(record_image(data, shape, FRAMING).astype(int) - ours).max()
                assert far <= (60 if "JPEG" in name else 1 if (height, width) == (5, 5) else 0)
    if seen is not None:
        colours = stored if stored.shape[-1] == 3 else np.repeat(stored, 3, -1)
        np.testing.assert_array_equal(colours, seen)


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize("shape", [(5, 5, 3), (4, 13, 1), (11, 3, 3)])
def test_every_way_frames_a_file_alike(resize, shape):
    framing = Framing(resize, BACKGROUND)
    served_graph = graph(shape, framing)
    kinds = ("PNG alpha 6", "GIF palette", "TIFF 16 bits to 1000", "WEBP colour 8", "JPEG colour 5")
    plain = [as_decodable(FILES[name][0], read_header(FILES[name][0])) for name in kinds]
    for name, seen in zip(kinds, served_graph(tf.constant(plain)).numpy(), strict=True):
        data = FILES[name][0]
        ours = record_images(decode(data, shape[2], BACKGROUND)[None], shape, framing)[0]
        np.testing.assert_array_equal(seen, ours)
        far = np.abs(record_image(data, shape, framing).astype(int) - ours).max()
        assert far <= (60 if "JPEG" in name else 1)


@pytest.mark.parametrize("name", REFUSED)
def test_every_way_refuses(name):
    data, shape = REFUSED[name], (HEIGHT, WIDTH, 3)
    with pytest.raises(Rejected) as caught:
        prepared(data, shape)
    assert "object at" not in str(caught.value)
    with pytest.raises((Rejected, tf.errors.InvalidArgumentError)):
        predicted(data, shape)
    with pytest.raises((ServingError, tf.errors.InvalidArgumentError)):
        served(data, shape)
    with pytest.raises(Rejected):
        record_image(data, shape)
    with pytest.raises(tf.errors.InvalidArgumentError):
        GRAPHS[shape](tf.constant([data]))


QUARTERS = np.zeros((64, 96, 3), np.uint8)
QUARTERS[:32, :48], QUARTERS[32:, 48:] = (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("form", ["HEIC", "AVIF"])
def test_a_telephones_picture_is_turned_once(form, value):
    if not (HEIC if form == "HEIC" else features.check("avif")):
        pytest.skip(f"nothing reads {form} here")
    image = picture(QUARTERS)
    data = heic(image, value) if form == "HEIC" else saved(image, "AVIF", value, quality=90)
    seen, upright = decode(data).astype(int), exif.upright(QUARTERS, value)
    assert seen.shape == upright.shape
    assert np.abs(seen - upright).mean() < 6


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(formats, "_installed", lambda name: False)
    for brand, command in ((b"heic", r"'ganpipe\[heif\]'"), (b"avif", "-U pillow")):
        data = b"\0\0\0\x18ftyp" + brand + bytes(20)
        with pytest.raises(Rejected, match=f"pip install {command}"):
            decode(data)
        with pytest.raises(Rejected, match=f"pip install {command}"):
            record_image(data, COLOUR.shape)
        with pytest.raises(ServingError, match=f"pip install {command}"):
            served(data, COLOUR.shape)


@pytest.mark.skipif(not HEIC, reason="nothing reads HEIC here")
def test_a_heic_file_that_holds_more_than_it_claims_is_refused():
    whole = heic(Image.new("RGB", (2048, 2048)))
    at = whole.index(b"ispe") + 8
    with pytest.raises(Rejected):
        decode(whole[:at] + struct.pack(">II", 64, 64) + whole[at + 8 :])
    for end in range(0, len(whole), 97):
        with pytest.raises(Rejected):
            decode(whole[:end])


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF"])
def test_the_graph_alone_refuses_what_is_converted_in_front_of_it(form):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a PNG, JPEG or BMP image"):
        GRAPHS[HEIGHT, WIDTH, 3](tf.constant([FILES[f"{form} colour"][0]]))


def test_arrays_with_alpha_are_laid_over_the_background():
    layers = np.concatenate([COLOUR, ALPHA], -1)
    np.testing.assert_array_equal(record_images(layers[None], COLOUR.shape, FRAMING)[0], over(COLOUR, ALPHA))


@pytest.mark.parametrize("failure", [tf.errors.ResourceExhaustedError(None, None, "OOM"), MemoryError()])
def test_memory_that_runs_out_is_no_fault_of_the_image(monkeypatch, failure):
    def fail(*_, **__):
        raise failure

    monkeypatch.setattr(tf.io, "decode_image", fail)
    with pytest.raises(OutOfMemory, match="out of memory: an image of 9 x 6 pixels"):
        decode(FILES["JPEG colour"][0])


GRAPH_ORIENTATION = tf.function(
    graph_exif.orientation,
    input_signature=[tf.TensorSpec([], tf.string)],
)
GOOD_BLOCKS = [
    saved(picture(GREY), "PNG", 6).split(b"eXIf")[1],
    b"MM\0*\0\0\0\x08\0\x02\x01\x00\0\x03\0\0\0\x01\0\x09\0\0\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0",
]


@settings(max_examples=150, deadline=None, database=None)
@given(
    block=st.one_of(
        st.binary(max_size=60),
        st.tuples(
            st.sampled_from([image_files.EXIF_LITTLE, image_files.EXIF_BIG]), st.binary(max_size=60)
        ).map(b"".join),
        st.tuples(st.sampled_from(GOOD_BLOCKS), st.integers(0, 60), st.binary(max_size=2)).map(
            lambda row: row[0][: row[1]] + row[2] + row[0][row[1] + len(row[2]) :]
        ),
        st.tuples(st.sampled_from(GOOD_BLOCKS), st.integers(0, 60)).map(lambda row: row[0][: row[1]]),
    )
)
def test_both_readers_of_the_orientation_agree_on_any_bytes(block):
    assert GRAPH_ORIENTATION(tf.constant(block)).numpy() == exif.orientation(b"xeXIf" + block, "PNG")


def test_orientations_in_both_byte_orders_are_read():
    assert [exif.orientation_in(block) for block in GOOD_BLOCKS] == [6, 8]
