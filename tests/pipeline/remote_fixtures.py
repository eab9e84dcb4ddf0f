"""Fixtures of the tests of URLs: a real S3 API on loopback (moto's), and a line to it that fails."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.remote import patience

SECRET = "a-secret-of-the-tests"
SLOW, REFUSED, CUT, DROPPED = "slow", "503", "cut", "dropped"
_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class FaultyLine:
    """A proxy in front of a server: of each request a seeded draw says what goes wrong.

    The draw is a function of the seed, the request and how often it was made: not of the order of threads.

    Attributes:
        rate: share of the requests with a fault; 1 for a server that is down.
        only: the faults to choose among.
        met: how often each fault was met, and "fine".
        asked: method and path of each request.
    """

    def __init__(self, port: int) -> None:
        self.behind, self.rate, self.only, self.seed = port, 0.0, (SLOW, REFUSED, CUT, DROPPED), 0
        self.met: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.before: Callable[[str], Any] = lambda path: None
        self._lock = threading.Lock()
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # head and body in one packet: else each answer waits for an acknowledgement
            wbufsize = -1

            def do_GET(self) -> None:
                line.answer(self)

            do_HEAD = do_PUT = do_DELETE = do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @contextmanager
    def failing(self, rate: float, *faults: str, seed: int = 0) -> Iterator[FaultyLine]:
        """Switches faults on."""
        self.rate, self.only, self.seed = rate, faults or self.only, seed
        self.met.clear()
        self.asked.clear()
        try:
            yield self
        finally:
            self.rate, self.only = 0.0, (SLOW, REFUSED, CUT, DROPPED)

    def _fault(self, request: str) -> str:
        with self._lock:
            time_ = self.asked[request]
            self.asked[request] += 1
            # a bucket's number depends on the tests that ran before
            nameless = re.sub(r"bucket-\d+", "bucket", request)
            draw = hashlib.sha256(f"{self.seed} {nameless} {time_}".encode()).digest()
            bad = draw[0] / 256 < self.rate
            fault = self.only[draw[1] % len(self.only)] if bad else "fine"
            self.met[fault] += 1
        return fault

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """Answers one request: with what the server says, or worse."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        self.before(asked.path)
        fault = self._fault(f"{asked.command} {asked.path} {asked.headers.get('Range', '')}")
        asked.close_connection = fault in (CUT, DROPPED)
        if fault == DROPPED:
            return
        if fault == SLOW:
            time.sleep(0.03)
        if fault == REFUSED:
            status, headers, content = 503, {"Content-Type": "application/xml"}, _SLOW_DOWN
        else:
            status, headers, content = self._behind(asked, body)
        asked.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "server", "date"):
                asked.send_header(name, value)
        length = headers.get("Content-Length", "0") if asked.command == "HEAD" else str(len(content))
        asked.send_header("Content-Length", length)
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(content[: len(content) // 2] if fault == CUT else content)
        asked.wfile.flush()

    def _behind(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        headers = {name: value for name, value in asked.headers.items() if name.lower() != "connection"}
        server.request(asked.command, asked.path, body or None, headers)
        answer = server.getresponse()
        content = answer.read()
        server.close()
        return answer.status, dict(answer.getheaders()), content

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Bucket:
    """A bucket of moto's, filled and looked at without the line."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name
        client.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes) -> None:
        """Writes an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def remove(self, key: str) -> None:
        """Removes an object."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Writes all files of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def url(self, key: str = "") -> str:
        """Of the bucket, or of something in it."""
        return f"s3://{self.name}/{key}".rstrip("/")


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    """The port of a server of the S3 API, on loopback."""
    from moto.server import ThreadedMotoServer

    # a line for each request would be half of its work
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="session")
def faulty_line(moto_port: int) -> Iterator[FaultyLine]:
    """The line to it; see `line`."""
    line = FaultyLine(moto_port)
    yield line
    line.close()


@pytest.fixture
def line(faulty_line: FaultyLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FaultyLine:
    """The line to the server, by which all s3:// goes; short waits between attempts."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": faulty_line.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(patience, "LONGEST_WAIT", 0.1)
    faulty_line.before = lambda path: None
    return faulty_line


@pytest.fixture(scope="session")
def make_bucket(moto_port: int) -> Callable[[], Bucket]:
    """Makes a bucket, whose contents are written without the line."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto_port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key=SECRET,
        config=Config(proxies={}),
    )
    numbers = itertools.count()
    return lambda: Bucket(client, f"bucket-{next(numbers)}")


@pytest.fixture
def bucket(line: FaultyLine, make_bucket: Callable[[], Bucket]) -> Bucket:
    """A bucket of the test's own."""
    return make_bucket()
