"""What `fuzz_serving.py` sends: image bombs and their mutations, JSON, HTTP framing, gRPC messages."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import random
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from hostile_images import all_bombs
from hostile_images import names as names_of_bombs
from PIL import Image

PREDICT = "/v1/models/fuzzed:predict"
CLASSIFY = "/v1/models/fuzzed:classify"
SIDE = 28
LARGEST = 12_300_000


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
        "JPEG progressive": encoded("JPEG", 300, "RGB", progressive=True),
        "PNG of 16 bits": encoded("PNG", SIDE, "I;16"),
        "PNG of a palette": encoded("PNG", SIDE, "P"),
        "BMP of a palette": encoded("BMP", SIDE, "P"),
        "JPEG XL": b"\xff\x0a" + bytes(60),
        "nothing": b"",
        "PNG of 16 megapixels": encoded("PNG", 4000, "RGB", compress_level=1),
        **all_bombs(),
    }


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


def _name(rng: random.Random, seeds: dict[str, bytes]) -> str:
    # bombs cost the client and the server more: a tenth is enough
    bombs = (*names_of_bombs(), "PNG of 16 megapixels")
    return rng.choice(bombs if rng.random() < 0.1 else [name for name in seeds if name not in bombs])


def send_image(server: Server, rng: random.Random, seeds: dict[str, bytes]) -> tuple[str, str]:
    """Sends one to three mutated images, as rows or as examples."""
    names = [_name(rng, seeds) for _ in range(rng.choice((1, 1, 1, 3)))]
    files = [mutated(rng, seeds[name]) for name in names]
    # more is refused while it is being sent, which http.client reports as a broken pipe
    files = files if sum(map(len, files)) < LARGEST else [files[0][:LARGEST]]
    images = [{"b64": base64.b64encode(file).decode()} for file in files]
    if rng.random() < 0.2:
        path, body = CLASSIFY, {"examples": [{"image/encoded": image} for image in images]}
        body["signature_name"] = "classify"  # type: ignore[assignment]
    else:
        path, body = PREDICT, {"signature_name": "serving_bytes", "instances": images}
    status, _ = post(server, path, json.dumps(body).encode())
    return str(status), ", ".join(names)


def send_unchanged(server: Server, image: bytes) -> None:
    """Sends a seed image as it is."""
    body = {"signature_name": "serving_bytes", "instances": [{"b64": base64.b64encode(image).decode()}]}
    post(server, PREDICT, json.dumps(body).encode(), 60)


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
    if rng.random() < 0.5:
        request.model_spec.signature_name = "serving_bytes"
        image = mutated(rng, seeds[_name(rng, seeds)])
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
