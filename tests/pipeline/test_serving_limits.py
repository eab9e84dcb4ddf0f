"""Clients that send too much, too slowly, too often or tricks: a clear refusal, and the next is served."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from PIL import Image
from serving_fixtures import Served, serving

PREDICT = "/v1/models/digits:predict"
GOOD = {"instances": [[[[0.0]] * 8] * 8]}


@pytest.fixture(autouse=True)
def next_request_is_answered(digits: Served) -> Iterator[None]:
    """Whatever a test did, a good request must be answered at once, and memory must not have grown."""
    before = digits.memory
    yield
    assert digits.post(PREDICT, GOOD).status == 200
    assert digits.process.poll() is None
    assert digits.memory - before < 300e6


def everything(connection: socket.socket) -> bytes:
    """Reads until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def one_answer(connection: socket.socket) -> bytes:
    """Reads one answer of a connection that stays open."""
    text = b""
    while True:
        head, end, body = text.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return text
        part = connection.recv(65536)
        assert part, text
        text += part


def status(text: bytes) -> int:
    return int(text.split(b" ", 2)[1])


def post(length: int | str, path: str = PREDICT) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(digits: Served) -> None:
    with digits.raw() as connection:
        connection.sendall(post(10**9))
        answer = everything(connection)
    assert status(answer) == 413
    assert b"larger than the 1048576 bytes allowed" in answer and b"connection: close" in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_a_gigabyte_is_cut_off(digits: Served, chunked: bool) -> None:
    block = b" " * 65536
    sent = 0
    with digits.raw() as connection:
        if chunked:
            head = (
                f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            block = b"10000\r\n" + block + b"\r\n"
        else:
            head = post(10**9)
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            while sent < 10**9:
                connection.sendall(block)
                sent += len(block)
        answer = everything(connection)
    assert sent < 100e6, "the body was read to its end"
    assert status(answer) == 413


def test_many_bodies_at_once_stay_within_memory(model_root: Path) -> None:
    with serving(model_root / "digits", max_pending_mb=4.0, max_body_mb=1.0) as server:
        body = b" " * 900_000
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(server.raw()) for _ in range(20)]
            answers = []
            for connection in connections:
                # all but the last byte: the server must hold them, or say no
                connection.sendall(post(len(body)) + body[:-1])
            time.sleep(1)
            for connection in connections:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b" ")
                connection.shutdown(socket.SHUT_WR)
                answers.append(status(everything(connection)))
        assert set(answers) == {400, 429}, answers
        assert server.post(PREDICT, GOOD).status == 200


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def claimed(kind: str, width: int, height: int) -> bytes:
    """A small image file whose header is changed to claim a size."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    else:
        data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


LARGE = "more than the 1048576 that can be read"
BOMBS = {
    "png of 4 gigapixels": (png_header(65535, 65535), LARGE),
    "png of 2^31 x 2^31": (png_header(2**31 - 1, 2**31 - 1), LARGE),
    "png just over": (png_header(1025, 1024), "1025 x 1024 pixels, " + LARGE),
    "png that is whole": (tf.io.encode_png(np.zeros((3000, 3000, 1), np.uint8)).numpy(), LARGE),
    "jpeg": (claimed("JPEG", 12000, 12000), LARGE),
    "gif": (claimed("GIF", 12000, 12000), LARGE),
    "bmp": (claimed("BMP", 12000, 12000), LARGE),
    "jpeg xl": (b"\xff\x0a" + b"\0" * 50, "JPEG XL files are not read: store it as PNG or JPEG"),
    "png of 0 x 0": (png_header(0, 0), ""),
    "png cut off": (png_header(10, 10)[:20], "header cannot be read"),
    "riff of nothing": (b"RIFF\x10\0\0\0WEBPVP8 ", "header cannot be read"),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("way", ["predict", "classify"])
def test_an_image_that_claims_too_much_is_refused_unread(digits: Served, name: str, way: str) -> None:
    data, text = BOMBS[name]
    image = {"b64": base64.b64encode(data).decode()}
    started = time.monotonic()
    if way == "predict":
        answer = digits.post(PREDICT, {"signature_name": "serving_bytes", "instances": [image]})
    else:
        body = {"signature_name": "classify", "examples": [{"image/encoded": image}]}
        answer = digits.post("/v1/models/digits:classify", body)
    assert answer.status == 400, answer
    assert text in answer.error
    assert time.monotonic() - started < 2


def test_an_image_within_the_limit_is_decoded(digits: Served) -> None:
    data = tf.io.encode_png(np.zeros((1024, 1024, 1), np.uint8)).numpy()
    image = {"b64": base64.b64encode(data).decode()}
    answer = digits.post(PREDICT, {"signature_name": "serving_bytes", "instances": [image] * 3})
    assert answer.status == 200 and len(answer.json["predictions"]) == 3


def test_a_slow_header_is_ended(digits: Served) -> None:
    started = time.monotonic()
    with digits.raw() as connection:
        connection.sendall(b"POST ")
        with contextlib.suppress(ConnectionError):
            for letter in PREDICT * 10:
                connection.sendall(letter.encode())
                time.sleep(0.05)
        answer = everything(connection)
    assert status(answer) == 408
    assert time.monotonic() - started < 10


def test_blank_lines_do_not_keep_a_connection(digits: Served) -> None:
    with digits.raw() as connection, contextlib.suppress(ConnectionError):
        for _ in range(100):
            connection.sendall(b"\r\n")
            time.sleep(0.05)
    assert len(psutil.Process(digits.process.pid).net_connections()) < 50


def test_a_slow_body_is_ended(digits: Served) -> None:
    started = time.monotonic()
    with digits.raw() as connection:
        connection.sendall(post(1000))
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)
        answer = everything(connection)
    assert status(answer) == 408
    assert time.monotonic() - started < 10


def test_half_open_connections_are_let_go(digits: Served) -> None:
    process = psutil.Process(digits.process.pid)

    def open_ones() -> int:
        return sum(item.status == psutil.CONN_ESTABLISHED for item in process.net_connections())

    before = open_ones()
    with contextlib.ExitStack() as stack:
        for index in range(100):
            connection = stack.enter_context(digits.raw())
            connection.sendall([b"", b"GET / HT", post(50) + b"x"][index % 3])
        time.sleep(0.3)
        assert open_ones() - before > 60
        deadline = time.monotonic() + 8
        while open_ones() > before + 5 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert open_ones() <= before + 5


def test_a_client_that_does_not_read_is_let_go(digits: Served) -> None:
    with digits.raw() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.settimeout(0.5)
            for _ in range(20_000):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert digits.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (post(5, "/v1/models/digits:predict\r\nX: " + "y" * 100_000), 431),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", 431),
    ],
)
def test_what_is_no_http_is_refused_as_json(digits: Served, data: bytes, expected: int) -> None:
    with digits.raw() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        answer = everything(connection)
    assert status(answer) == expected
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


TRICKS = [
    "..",
    "../digits",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fsecret",
    "digits%2f..%2f..%2fsecret",
    "%2fetc%2fpasswd",
    "digits%00",
    "digits%0d%0aX-Injected:%20yes",
    "C:%5cWindows",
    "digits/versions/1/../../..",
    "%F0%28%8C%28",
    "x" * 5000,
    "__proto__",
    "digits ",
]


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("tail", [":predict", "", "/metadata"])
def test_names_are_only_looked_up(digits: Served, name: str, tail: str) -> None:
    method = "POST" if tail == ":predict" else "GET"
    body = json.dumps(GOOD).encode()
    with digits.raw() as connection:
        target = f"/v1/models/{name.replace(' ', '%20')}{tail}"
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = everything(connection)
    assert status(answer) in (400, 404), answer
    headers, _, text = answer.partition(b"\r\n\r\n")
    assert b"X-Injected" not in headers
    assert json.loads(text)["error"]


def test_no_file_outside_the_model_folder_is_opened(digits: Served, model_root: Path, tmp_path: Path) -> None:
    secret = model_root / "secret" / "1" / "saved_model.pb"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(b"secret")
    opened = secret.stat().st_atime_ns
    for name in ("secret", "..%2fsecret", "digits%2f..%2f..%2fsecret", "../secret"):
        answer = digits.get(f"/v1/models/{name}")
        assert answer.status in (400, 404) and b"secret" not in answer.body.replace(name.encode(), b"")[:20]
    assert digits.get("/../secret/1/saved_model.pb").status == 404
    assert digits.get("/..%2fsecret%2f1%2fsaved_model.pb").status == 404
    assert secret.stat().st_atime_ns == opened


def test_a_thousand_connections(digits: Served) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(digits.raw(30)) for _ in range(1000)]
        for connection in connections:
            connection.sendall(request)
        codes = {status(one_answer(connection)) for connection in connections}
        assert codes == {200}
        # all of them are open still, and work a second time
        body = json.dumps(GOOD).encode()
        for connection in connections[::10]:
            connection.sendall(post(len(body)) + body)
        assert {status(one_answer(connection)) for connection in connections[::10]} == {200}


def test_connections_over_the_limit_get_503(model_root: Path) -> None:
    with serving(model_root / "digits", max_connections=10) as server, contextlib.ExitStack() as stack:
        held = [stack.enter_context(server.raw()) for _ in range(10)]
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(one_answer(connection)) == 200
        with server.raw() as one_more:
            assert status(everything(one_more)) == 503
        held[0].close()
        time.sleep(0.3)
        assert server.post(PREDICT, GOOD).status == 200


def test_refused_requests_leave_no_memory_behind(digits: Served) -> None:
    body = json.dumps({"signature_name": "none", "instances": [[[[0.0]] * 8] * 8] * 2200}).encode()
    assert 900_000 < len(body) < 2**20
    digits.post(PREDICT, body)
    before = digits.memory
    for _ in range(150):
        assert digits.post(PREDICT, body).status == 400
    assert digits.memory - before < 60e6


@pytest.mark.parametrize(
    "tail",
    [
        b"0\r\n" + b"X: " + b"y" * 200_000,
        b"0\r\n" + b"x: y\r\n" * 40_000,
        b"1;" + b"e" * 200_000,
    ],
    ids=["a long trailer", "many trailers", "a chunk's extension"],
)
def test_what_follows_a_chunked_body_has_a_limit(digits: Served, tail: bytes) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with digits.raw() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode() + b"2\r\n{}\r\n" + tail)
        answer = everything(connection)
    assert status(answer) == 431


def test_trailers_are_dropped_and_the_request_is_answered(digits: Served) -> None:
    body = json.dumps(GOOD).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\nX: y\r\nHost: evil.example\r\n\r\n" % (len(body), body)
    with digits.raw() as connection:
        connection.sendall(head.encode() + chunks)
        assert status(one_answer(connection)) == 200


def test_a_client_that_only_stopped_sending_is_answered(digits: Served) -> None:
    body = json.dumps({"instances": GOOD["instances"] * 100}).encode()
    with digits.raw() as connection:
        connection.sendall(post(len(body)) + body)
        connection.shutdown(socket.SHUT_WR)
        assert status(everything(connection)) == 200


def worst_json(size: int) -> bytes:
    return b'{"instances": [' + b"[]," * (size // 3) + b"[]]}"


def test_large_json_does_not_hold_up_the_others(model_root: Path) -> None:
    def latencies(until: threading.Event) -> list[float]:
        found = []
        while not until.is_set():
            started = time.monotonic()
            assert server.get("/healthz").status == 200
            found.append(time.monotonic() - started)
        return found

    bodies = {
        "too many values": (worst_json(15_900_000), 413),
        "as many as are taken": (worst_json(1_490_000), 400),
        "objects": (b'{"instances": [' + b'{"a":1},' * 400_000 + b"1]}", 400),
        "keys": (b"{" + b'"":0,' * 900_000 + b'"instances": 1}', 400),
        "one long number": (b'{"instances": [' + b"1" * 15_900_000 + b"]}", 400),
        "open brackets": (b'{"instances": ' + b"[" * 15_900_000, 413),
    }
    with serving(model_root / "digits") as server, ThreadPoolExecutor(1) as pool:
        for name, (body, expected) in bodies.items():
            done = threading.Event()
            others = pool.submit(latencies, done)
            started = time.monotonic()
            answer = server.post(PREDICT, body)
            done.set()
            assert answer.status == expected, (name, answer)
            assert time.monotonic() - started < 2, name
            assert max(others.result()) < 1, (name, max(others.result()))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e30", "-1000", "3000"])
def test_pixels_that_are_none_are_refused(digits: Served, value: str) -> None:
    pixels = [[[0.5]] * 8] * 8
    body = json.dumps({"instances": [pixels, [[[0.5]] * 8] * 7 + [[["X"]] * 8]]}).replace('"X"', value)
    answer = digits.post(PREDICT, body.encode())
    assert answer.status == 400 and "numbers from 0 to 255" in answer.error
