"""Which versions are served, and how they come and go while requests go on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving_models
from serving_fixtures import serving

from pipeline.errors import DataError, UsageError
from pipeline.exported.layout import check_model_folder, find_versions
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.settings import ServeConfig, parse_labels, parse_versions
from pipeline.serving.status import ServingError


@pytest.fixture
def folder(tmp_path: Path, model_root: Path) -> Path:
    """A model folder of its own, with version 1."""
    shutil.copytree(model_root / "digits", tmp_path / "digits")
    return tmp_path / "digits"


class Clock:
    """A clock that stands until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def manager(folder: Path, versions: str = "latest", clock: Clock | None = None, **settings: Any) -> Manager:
    return Manager(
        {folder.name: folder},
        policy=parse_versions(versions),
        labels={"stable": 1},
        load=Model,
        clock=clock or Clock(),
        **settings,
    )


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("latest", [9]),
        ("latest:2", [3, 9]),
        ("latest:7", [1, 2, 3, 9]),
        ("all", [1, 2, 3, 9]),
        ("2", [2]),
        ("1, 3,4", [1, 3]),
    ],
)
def test_policy_chooses(text: str, chosen: list[int]) -> None:
    assert parse_versions(text).choose([3, 1, 9, 2]) == chosen


@pytest.mark.parametrize("text", ["", "newest", "latest:0", "latest:x", "1,b", "-1", "all:2", str(2**63)])
def test_policy_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="versions must be"):
        parse_versions(text)


def test_labels_are_read_or_refused() -> None:
    assert parse_labels("stable=1, canary=2") == {"stable": 1, "canary": 2}
    assert parse_labels(None) == {}
    for text in ("stable", "stable=", "=1", "stable=x", "a=1,a=2"):
        with pytest.raises(UsageError, match="label"):
            parse_labels(text)


def test_only_folders_with_numbers_are_versions(tmp_path: Path) -> None:
    for name in ("1", "0002", "3.partial", "-4", "５", "text", str(2**63)):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file")
    assert {number: path.name for number, path in find_versions(tmp_path).items()} == {1: "1", 2: "0002"}


def test_folders_that_are_no_model_are_explained(tmp_path: Path, model_root: Path) -> None:
    for path, text in (
        (tmp_path / "none", "no such model folder"),
        (tmp_path, "holds no version"),
        (model_root / "digits" / "1", "give the folder above it"),
    ):
        with pytest.raises(UsageError, match=text):
            check_model_folder(path)


def test_first_load_that_fails_says_why(folder: Path) -> None:
    (folder / "1" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(
        DataError,
        match="model 'digits' version 1 cannot be served: no readable SavedModel in .*: Cannot parse",
    ):
        manager(folder).load_first()


def test_new_version_takes_over_and_old_one_closes_after_its_last_request(folder: Path) -> None:
    served = manager(folder)
    served.load_first()
    busy = served.acquire("digits")
    serving_models.save_classifier(folder / "2", shift=1.0)
    served.look()
    assert served.available("digits") == [2]
    states = {item["version"]: item["state"] for item in served.status("digits")["model_version_status"]}
    assert states == {"2": "AVAILABLE", "1": "END"}
    # the request that holds version 1 can still compute
    signature = busy.signature("")
    image = serving_models.np.zeros((1, 8, 8, 1), "f")
    assert busy.run(signature, {"image": image})["class_id"][0] == 0
    busy.release()
    with pytest.raises(ServingError):
        busy.run(signature, {"image": image})
    with pytest.raises(ServingError, match=r"Specific\(digits, 1\)"):
        served.acquire("digits", 1)


def test_removing_the_newest_version_brings_back_the_one_before(folder: Path) -> None:
    serving_models.save_classifier(folder / "2", shift=1.0)
    served = manager(folder)
    served.load_first()
    assert served.available("digits") == [2]
    shutil.rmtree(folder / "2")
    served.look()
    assert served.available("digits") == [1]
    shutil.rmtree(folder)
    served.look()
    assert served.available("digits") == [1], "a folder gone for a moment must not stop the service"


def test_a_replaced_version_is_loaded_again(folder: Path) -> None:
    served = manager(folder)
    served.load_first()
    first = served.acquire("digits")
    served.look()
    assert served.acquire("digits") is first
    first.release()
    shutil.rmtree(folder / "1")
    serving_models.save_classifier(folder / "1", shift=1.0)
    served.look()
    assert served.acquire("digits") is not first
    image = serving_models.np.zeros((1, 8, 8, 1), "f")
    first.run(first.signature(""), {"image": image})
    first.release()
    with pytest.raises(ServingError):
        first.run(first.signature(""), {"image": image})


def test_a_failed_version_is_reported_retried_and_given_up(folder: Path) -> None:
    clock = Clock()
    served = manager(folder, clock=clock, retries=2, retry_wait=1.0)
    served.load_first()
    shutil.copytree(folder / "1", folder / "2")
    broken = folder / "2" / "saved_model.pb"
    good = broken.read_bytes()
    broken.write_bytes(b"nonsense")

    def state() -> tuple[str, str]:
        item = served.status("digits", 2)["model_version_status"][0]
        return item["state"], item["status"]["error_code"]

    attempts = 0

    def load(name: str, version: int, path: Path) -> Model:
        nonlocal attempts
        attempts += 1
        return Model(name, version, path)

    served._load = load
    expected = [
        (0.0, 1, "LOADING"),
        (0.5, 1, "LOADING"),
        (1.1, 2, "LOADING"),
        (2.0, 2, "LOADING"),
        (3.2, 3, "END"),
    ]
    for now, count, word in expected:
        clock.now = now
        served.look()
        assert (attempts, *state()) == (count, word, "NOT_FOUND")
        assert served.available("digits") == [1], "the old version must serve on"
    clock.now = 1000.0
    served.look()
    assert attempts == 3, "given up"
    broken.write_bytes(good)
    served.look()
    assert attempts == 4 and state() == ("AVAILABLE", "OK"), "changed files are tried at once"
    assert served.available("digits") == [2]


def test_labels_choose_versions(folder: Path) -> None:
    serving_models.save_classifier(folder / "2", shift=1.0)
    served = manager(folder, "all")
    served.load_first()
    assert served.acquire("digits").version == 2
    assert served.acquire("digits", label="stable").version == 1
    with pytest.raises(ServingError, match="Unrecognized servable version label: other"):
        served.acquire("digits", label="other")


def request_forever(server: object, stop: threading.Event, answers: list[tuple[int, int]]) -> None:
    body = {"instances": [[[[0.0]] * 8] * 8]}
    while not stop.is_set():
        answer = server.post("/v1/models/digits:predict", body)
        answers.append(
            (answer.status, answer.json["predictions"][0]["class_id"] if answer.status == 200 else -1)
        )


@pytest.fixture
def loaded(folder: Path) -> Iterator[tuple[object, Path, list]]:
    """A server under load from four clients."""
    with serving(folder, poll=0.2, retry_wait=0.2) as server:
        stop, answers = threading.Event(), []
        clients = [threading.Thread(target=request_forever, args=(server, stop, answers)) for _ in range(4)]
        for client in clients:
            client.start()
        yield server, folder, answers
        stop.set()
        for client in clients:
            client.join()


def test_hot_reload_under_load_loses_no_request(loaded: tuple) -> None:
    server, folder, answers = loaded
    time.sleep(0.5)
    # a broken version first: it must be reported, and the old one must answer meanwhile
    broken = folder / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    server.wait_for("loading digits version 2 failed", 10)
    status = server.get("/v1/models/digits").json["model_version_status"]
    assert [item["state"] for item in status] == ["LOADING", "AVAILABLE"] and status[0]["status"][
        "error_message"
    ]
    assert {code for _, code in answers} == {0}
    shutil.rmtree(broken)
    # black images: the shift of the biases makes the last class the answer
    serving_models.save_classifier(folder / "3", shift=1.0)
    placed = time.monotonic()
    while answers[-1][1] != 9:
        assert time.monotonic() - placed < 10
        time.sleep(0.02)
    taken = time.monotonic() - placed
    assert taken < 2.0, f"a new version took {taken:.1f} s"
    time.sleep(0.5)
    shutil.rmtree(folder / "3")
    server.wait_for("loaded digits version 1", 10)
    time.sleep(0.5)
    assert answers[-1][1] == 0
    assert {status for status, _ in answers} == {200}, "no request may fail while versions change"
    assert len(answers) > 100


def test_settings_have_defaults_that_serve_on_loopback() -> None:
    config = ServeConfig("folder")
    assert config.host == "127.0.0.1" and config.port == 8501 and config.versions == "latest"


def test_links_to_nowhere_do_not_end_the_search_for_versions(folder: Path, monkeypatch) -> None:
    with serving(folder, poll=0.1) as server:
        (folder / "2" / "variables").mkdir(parents=True)
        (folder / "2" / "variables" / "variables.index").symlink_to("/nowhere")
        (folder / "4").symlink_to("/nowhere")
        server.wait_for("loading digits version 2 failed", 10)
        shutil.rmtree(folder / "2")
        serving_models.save_classifier(folder / "3", shift=1.0)
        server.wait_for("loaded digits version 3", 10)
        assert server.get("/readyz").status == 200


def test_a_look_that_fails_is_said_and_tried_again(folder: Path, monkeypatch) -> None:
    said: list[str] = []
    served = manager(folder, poll=0.01, say=said.append)
    served.load_first()
    look, failing = served.look, threading.Event()
    failing.set()

    def unreadable() -> None:
        if failing.is_set():
            raise PermissionError("not yours")
        look()

    monkeypatch.setattr(served, "look", unreadable)
    served.start()
    serving_models.save_classifier(folder / "2", shift=1.0)
    time.sleep(0.1)
    assert sum("not yours" in line for line in said) == 1 and served.ready()
    failing.clear()
    deadline = time.monotonic() + 10
    while served.available("digits") != [2]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    served.stop()
    assert not served.ready(), "a server that no longer looks must not say that it is ready"
