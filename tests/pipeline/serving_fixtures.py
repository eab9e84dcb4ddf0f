"""Fixtures of the server's tests: a server in its own process, as users run it, and a bare HTTP client."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import serving_models

_RUN = """
import json, sys
from ssgan_tf.declare import build
from pipeline.errors import GanpipeError, exit_code
from pipeline.serving.server import serve
from pipeline.serving.settings import ServeConfig
from pipeline.terminal import Terminal
try:
    serve(build(ServeConfig, json.loads(sys.argv[1])), Terminal())
except GanpipeError as error:
    print(error, file=sys.stderr)
    sys.exit(exit_code(error))
"""
_ROOT = Path(__file__).parents[2]


class Answer:
    """Status, headers and body of an HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        """The body, parsed; NaN and Infinity as floats."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error answer, which must be nothing but that."""
        document = self.json
        assert list(document) == ["error"], document
        return document["error"]

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:500]!r}"


class Served:
    """A server process; every setting is that of `ServeConfig`."""

    def __init__(self, model_dir: Path, **settings: Any) -> None:
        document = {"model_dir": str(model_dir), "port": 0, "access_log": "", **settings}
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(_ROOT)}
        started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _RUN, json.dumps(document)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._said: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.port = int(re.search(r"http://127.0.0.1:(\d+)/", self.wait_for("page ", 60))[1])
            self.request("GET", "/healthz")
        except BaseException:
            self.process.kill()
            raise
        self.seconds_to_ready = time.monotonic() - started

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            self._said.put(line.rstrip("\n"))
        self._said.put(None)

    def wait_for(self, text: str, seconds: float = 20) -> str:
        """Returns the next line said that holds `text`; fails when the process ends without it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._said.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{text!r} was not said within {seconds} s: {self.lines}") from None
            if line is None:
                raise AssertionError(f"the server ended without saying {text!r}: {self.lines}")
            if text in line:
                return line

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        """Makes one request; a body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def get(self, path: str) -> Answer:
        """GET."""
        return self.request("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        """POST."""
        return self.request("POST", path, body)

    def raw(self, timeout: float = 10) -> socket.socket:
        """Opens a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    @property
    def memory(self) -> int:
        """Resident memory of the process, in bytes."""
        return psutil.Process(self.process.pid).memory_info().rss

    def stop(self) -> int:
        """Ends the process by SIGTERM; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(5)
        self.process.stderr.close()
        return code


@contextlib.contextmanager
def serving(model_dir: Path, **settings: Any) -> Iterator[Served]:
    """A server for one block."""
    server = Served(model_dir, **settings)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models digits (version 1), samples (a generator) and echo (versions 1 and 3)."""
    root = tmp_path_factory.mktemp("models")
    serving_models.save_classifier(root / "digits" / "1")
    serving_models.save_generator(root / "samples" / "1")
    serving_models.save_echo(root / "echo" / "1")
    serving_models.save_echo(root / "echo" / "3")
    return root


@pytest.fixture(scope="session")
def digits(model_root: Path) -> Iterator[Served]:
    """A server of the classifier and the generator, with short time-outs and small limits."""
    settings = {
        "generator_dir": str(model_root / "samples"),
        "header_timeout": 1.0,
        "body_timeout": 1.5,
        "max_body_mb": 1.0,
        "max_megapixels": 1.0,
        "max_connections": 1100,
    }
    with serving(model_root / "digits", **settings) as server:
        yield server


@pytest.fixture(scope="session")
def echo(model_root: Path) -> Iterator[Served]:
    """A server of versions 1 and 3 of the echo model, version 1 labelled "stable"."""
    with serving(model_root / "echo", versions="1,3", labels="stable=1,next=3") as server:
        yield server
