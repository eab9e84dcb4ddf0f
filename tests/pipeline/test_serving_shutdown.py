"""Starting and stopping: what is wrong is said at once, and what was asked is answered before the end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from serving_fixtures import _ROOT, _RUN, Served, serving

PREDICT = "/v1/models/digits:predict"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(model_root: Path, number: int) -> None:
    # batches of one row make these requests last
    body = json.dumps({"instances": [[[[1.0]] * 8] * 8] * 1500}).encode()
    with serving(model_root / "digits", max_batch=1) as server:
        answers = []
        clients = [
            threading.Thread(target=lambda: answers.append(server.request("POST", PREDICT, body).status))
            for _ in range(6)
        ]
        idle = server.raw()
        half = server.raw()
        half.sendall(
            b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1"
        )
        for client in clients:
            client.start()
        deadline = time.monotonic() + 5
        while b"ganpipe_serving_queue_requests 6" not in server.get("/monitoring/prometheus/metrics").body:
            assert time.monotonic() < deadline and not answers, "the requests are too short for this test"
        server.process.send_signal(number)
        half.sendall(b"2345")
        for client in clients:
            client.join()
        assert answers == [200] * 6
        assert server.process.wait(20) == 0
        assert server.lines[-1] == "stopped"
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", server.port), 2)
        idle.close()
        half.close()


def test_a_request_log_has_a_line_a_request(model_root: Path, tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    with serving(model_root / "digits", access_log=str(log)) as server:
        server.get("/v1/models/digits")
        server.get("/v1/models/evil%0aname\x1b[31m".replace("\x1b", "%1b"))
        server.post(PREDICT, {"instances": [[[[1.0]] * 8] * 8]})
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [(line[1], line[2], line[3], line[4]) for line in lines] == [
        ("127.0.0.1", "GET", "/healthz", "200"),
        ("127.0.0.1", "GET", "/v1/models/digits", "200"),
        ("127.0.0.1", "GET", "/v1/models/evil%0aname%1b[31m", "404"),
        ("127.0.0.1", "POST", PREDICT, "200"),
    ]
    assert all(float(line[6]) > 0 for line in lines)


def attempt(**settings: object) -> tuple[int, str]:
    command = [sys.executable, "-c", _RUN, json.dumps({"port": 0, **settings})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=_ROOT, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model_dir": "/no/such/folder"}, "no such model folder"),
        ({"versions": "newest"}, "versions must be"),
        ({"labels": "x"}, "labels must be"),
        ({"name": "a/b"}, "a model's name cannot be 'a/b'"),
        ({"port": 99999}, "a port 0 to 65535"),
        ({"max_batch": 0}, "max_batch must be"),
    ],
)
def test_wrong_settings_are_said_in_one_line(model_root: Path, settings: dict, text: str) -> None:
    code, said = attempt(**{"model_dir": str(model_root / "digits"), **settings})
    assert code == 2
    assert text in said and len(said.splitlines()) == 1


def test_a_taken_port_is_said_before_anything_is_loaded(digits: Served, model_root: Path) -> None:
    started = time.monotonic()
    code, said = attempt(model_dir=str(model_root / "digits"), port=digits.port)
    assert code == 2 and f"cannot listen on 127.0.0.1:{digits.port}" in said
    assert time.monotonic() - started < 5


def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    code, said = attempt(model_dir=str(tmp_path))
    assert code == 3
    assert "version 1 cannot be served: no readable SavedModel" in said.splitlines()[-1]
