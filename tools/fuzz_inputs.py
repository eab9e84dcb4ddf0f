"""What `fuzz_serving.py` sends: image bombs and their mutations, JSON, HTTP framing, gRPC messages."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import random
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from PIL import Image

PREDICT = "/v1/models/fuzzed:predict"
CLASSIFY = "/v1/models/fuzzed:classify"
SIDE = 28


class Server(NamedTuple):
    """Ports of the server under test; `grpc_port` is None without gRPC."""

    port: int
    grpc_port: int | None


class Kind(NamedTuple):
    """A kind of request: how often it comes, and the function that sends one.

    `send` takes the server, a random generator and the seed images; it returns the answer in a word and
    what was sent.
    """

    weight: float
    send: Callable[[Server, random.Random, dict[str, bytes]], tuple[str, str]]


def post(server: Server, path: str, body: bytes, timeout: float = 20) -> tuple[int, bytes]:
    """Posts a body; returns status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, response.read()


def good_request(server: Server) -> Any:
    """Returns the answer to a request that nothing is wrong with: numbers and an image."""
    rows = [[[[(row * column) % 256] for column in range(SIDE)] for row in range(SIDE)]]
    image = {"b64": base64.b64encode(encoded("PNG", SIDE)).decode()}
    answers = []
    for body in ({"instances": rows}, {"signature_name": "serving_bytes", "instances": [image]}):
        status, answer = post(server, PREDICT, json.dumps(body).encode())
        if status != 200:
            raise ValueError(f"{status} {answer[:200]!r}")
        answers.append([round(p, 4) for p in json.loads(answer)["predictions"][0]["probabilities"]])
    return answers


def encoded(form: str, side: int, mode: str = "L", **options: Any) -> bytes:
    """Encodes a gradient as an image file."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def seeds_of_images() -> dict[str, bytes]:
    """Returns sound images of every format, and bombs: small files that cost much to decode."""
    sound = {
        f"{form} {mode} {side}": encoded(form, side, mode)
        for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "ICO")
        for mode in ("L", "RGB")
        for side in (SIDE, 200)
        if not (form == "ICO" and mode == "L")
    }
    frames = [Image.new("RGB", (40, 16), (60 * n, 99, 0)) for n in range(4)]
    buffers = {form: io.BytesIO() for form in ("WEBP", "GIF")}
    for form, buffer in buffers.items():
        frames[0].save(buffer, form, save_all=True, append_images=frames[1:], duration=10)
    return sound | {
        "animated WebP": buffers["WEBP"].getvalue(),
        "animated GIF": buffers["GIF"].getvalue(),
        "GIF of a huge frame": huge_gif(),
        "GIF of many frames": many_frames(),
        "GIF of a long comment": long_comment(),
        "JPEG of 2,000 scans": many_scans(2000),
        "JPEG progressive": encoded("JPEG", 300, "RGB", progressive=True),
        "PNG of 65535 x 65535": huge_png(65535, 8),
        "PNG of 4000 x 4000": huge_png(4000, 16),
        "PNG of 16 bits": encoded("PNG", SIDE, "I;16"),
        "PNG of a palette": encoded("PNG", SIDE, "P"),
        "BMP of a palette": encoded("BMP", SIDE, "P"),
        "JPEG XL": b"\xff\x0a" + bytes(60),
        "nothing": b"",
    }


def _gif(width: int, height: int, *blocks: bytes) -> bytes:
    table = bytes([0x80, 0, 0]) + bytes(6)
    return b"GIF89a" + struct.pack("<HH", width, height) + table + b"".join(blocks) + b";"


def _frame(width: int, height: int) -> bytes:
    # LZW of one clear code and the end: a decoder leaves the rest as it is
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"


def huge_gif() -> bytes:
    """A GIF whose first frame has one pixel, and whose second makes the canvas 12,000 x 12,000."""
    return _gif(1, 1, _frame(1, 1), _frame(12000, 12000))


def many_frames() -> bytes:
    """A GIF of 3,000 small frames on a large canvas."""
    return _gif(2000, 2000, *[_frame(1, 1)] * 3000)


def long_comment() -> bytes:
    """A GIF with 2 MB of comments before its frame."""
    return _gif(SIDE, SIDE, b"!\xfe" + (b"\xff" + b"c" * 255) * 8000 + b"\x00", _frame(SIDE, SIDE))


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = encoded("JPEG", 200, "RGB", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def huge_png(side: int, bits: int) -> bytes:
    """A small PNG of a claimed size, whose pixels are all equal."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = bytes(min(side * (side * bits // 8 + 1), 10**7))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Changes a file in a few places: bytes, lengths, cuts, repetitions."""
    changed = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 4, 16))):
        if not changed:
            break
        # the header is where sizes stand
        place = rng.randrange(min(len(changed), rng.choice((32, 400, len(changed)))))
        how = rng.randrange(6)
        if how == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            changed[place : place + 2] = rng.choice((b"\xff\xff", b"\0\0", b"\x7f\xff", b"\xff\x7f"))
        elif how == 2:
            del changed[place:]
        elif how == 3:
            del changed[place : place + rng.randrange(1, 64)]
        elif how == 4:
            changed[place:place] = changed[place : place + rng.randrange(1, 300)] * rng.randrange(1, 20)
        else:
            changed[place : place + 4] = rng.randbytes(4)
    return bytes(changed)


def send_image(server: Server, rng: random.Random, seeds: dict[str, bytes]) -> tuple[str, str]:
    """Sends one to three mutated images, as rows or as examples."""
    names = rng.choices(list(seeds), k=rng.choice((1, 1, 1, 3)))
    images = [{"b64": base64.b64encode(mutated(rng, seeds[name])).decode()} for name in names]
    if rng.random() < 0.2:
        path, body = CLASSIFY, {"examples": [{"image/encoded": image} for image in images]}
        body["signature_name"] = "classify"  # type: ignore[assignment]
    else:
        path, body = PREDICT, {"signature_name": "serving_bytes", "instances": images}
    status, _ = post(server, path, json.dumps(body).encode())
    return str(status), ", ".join(names)


def _value(rng: random.Random, depth: int = 0) -> Any:
    kinds = 11 if depth < 4 else 8
    how = rng.randrange(kinds)
    if how < 8:
        return (
            None,
            rng.random() < 0.5,
            rng.randrange(-300, 300),
            rng.randrange(10**30),
            rng.choice((float("nan"), float("inf"), 1e308, rng.random())),
            "".join(map(chr, rng.choices(range(0xD7FF), k=rng.randrange(8)))),
            {"b64": rng.choice(("", "AAAA", "*", base64.b64encode(rng.randbytes(40)).decode()))},
            rng.choice(([], {}, "", 0)),
        )[how]
    if how == 8:
        return [[[[rng.randrange(256)] for _ in range(SIDE)] for _ in range(SIDE)]] * rng.randrange(1, 4)
    if how == 9:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(6))]
    keys = ("image", "image_bytes", "b64", "inputs", "instances", "image/encoded")
    return {rng.choice(keys): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def send_json(server: Server, rng: random.Random, seeds: dict[str, bytes]) -> tuple[str, str]:
    """Sends JSON of any shape, sometimes large, sometimes broken."""
    if rng.random() < 0.01:
        part = rng.choice((b"[],", b'{"a":1},', b"[[[[0]]]],", b"NaN,", b"1e9,", b'"",', b"[", b'{"":'))
        body = b'{"instances": [' + part * (rng.randrange(1, 12_000_000) // len(part)) + b"0]}"
        what = f"{len(body)} bytes of {part.decode()}"
    else:
        keys = ("signature_name", "instances", "inputs", "examples", "context")
        document = {rng.choice(keys): _value(rng) for _ in range(rng.randrange(1, 4))}
        if rng.random() < 0.5:
            document["signature_name"] = rng.choice(("serving_default", "serving_bytes", "classify"))
        body, what = json.dumps(document).encode("utf-8", "surrogatepass"), "a document"
        if rng.random() < 0.4:
            body, what = mutated(rng, body), "a broken document"
    path = rng.choice((PREDICT, PREDICT, CLASSIFY, "/v1/models/fuzzed:regress", "/v1/models/other:predict"))
    return str(post(server, path, body)[0]), what


def _framed(rng: random.Random) -> tuple[bytes, str]:
    rows = [[[[0]] * SIDE] * SIDE]
    body = json.dumps({"instances": rows}).encode()
    start = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\n".encode()
    chunked = start + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(body), body)
    lengths = (b"0", b"-1", b"99999999999999999999", b"1e3", b"5, 6", b"", b"%d" % (len(body) + 5))
    fill = rng.randrange(1, 300_000)
    return rng.choice(
        (
            (chunked + b"0\r\nX: " + b"y" * fill + b"\r\n\r\n", "a trailer"),
            (chunked + b"0\r\n" + b"x: y\r\n" * (fill // 6) + b"\r\n", "trailers"),
            (chunked + b"1;" + b"e" * fill + b"\r\nx\r\n0\r\n\r\n", "a chunk's extension"),
            (chunked + rng.choice((b"g\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n")), "a chunk's length"),
            (start + b"Content-Length: " + rng.choice(lengths) + b"\r\n\r\n" + body, "a length"),
            (start + b"X: " + b"y" * fill + b"\r\n\r\n", "a long header"),
            (start + b"x: y\r\n" * (fill // 6) + b"\r\n", "headers"),
            (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * rng.randrange(1, 500), "pipelining"),
            ((start + b"Content-Length: %d\r\n\r\n" % len(body) + body) * rng.randrange(1, 8), "pipelining"),
            (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", "another host"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "ws"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
            (rng.randbytes(rng.randrange(1, 400)), "noise"),
        )
    )


def send_framing(server: Server, rng: random.Random, seeds: dict[str, bytes]) -> tuple[str, str]:
    """Sends bytes that are almost HTTP, stops sending, and reads until the server closes."""
    data, what = _framed(rng)
    if rng.random() < 0.3:
        data, what = mutated(rng, data), f"{what}, changed"
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", server.port), 20) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            answer = (answer + part)[:64]
    found = answer.split(b" ", 2)
    return (found[1].decode("latin-1") if len(found) > 1 else "closed"), what


def send_grpc(server: Server, rng: random.Random, seeds: dict[str, bytes]) -> tuple[str, str]:
    """Sends a PredictRequest that claims much or is broken, and sometimes leaves before the answer."""
    import grpc
    import tensorflow as tf

    from pipeline.exported.serving_messages import message

    request = message("PredictRequest")()
    request.model_spec.name = "fuzzed"
    names = list(seeds)
    if rng.random() < 0.5:
        request.model_spec.signature_name = "serving_bytes"
        image = mutated(rng, seeds[rng.choice(names)])
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([image] * rng.randrange(1, 4)))
    else:
        rows = [[[[float(rng.randrange(256))]] * SIDE] * SIDE] * rng.randrange(1, 4)
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(rows, tf.float32))
    for proto in request.inputs.values():
        if rng.random() < 0.4:
            proto.tensor_shape.dim[0].size = rng.choice((-1, 0, 2, 10**5, 10**9, 2**62))
        if rng.random() < 0.2:
            proto.dtype = rng.choice((1, 2, 4, 7, 19))
    data = request.SerializeToString()
    if rng.random() < 0.4:
        data = mutated(rng, data)
    leaves = rng.random() < 0.1
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        try:
            call(data, timeout=0.002 if leaves else 20)
        except grpc.RpcError as error:
            return error.code().name, "a message"  # type: ignore[attr-defined]
    return "OK", "a message"


KINDS = {
    "images": Kind(5, send_image),
    "json": Kind(3, send_json),
    "framing": Kind(1.5, send_framing),
    "grpc": Kind(1, send_grpc),
}
