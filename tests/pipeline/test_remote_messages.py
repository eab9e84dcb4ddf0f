"""What is wrong with a URL is said in one message, before anything is written, and never with its secrets."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from remote_fixtures import CUT, DROPPED, REFUSED, Bucket, FaultyLine

from pipeline.cli import main
from pipeline.errors import DataError, UsageError
from pipeline.remote import patience, systems
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import list_files, look_at, read
from pipeline.remote.urls import Url, url_of
from pipeline.sources.catalog import open_source
from pipeline.stages.predict.inputs import find_entries, read_entries
from ssgan_tf.declare import absolute, several_paths, whole_text


@pytest.fixture
def ganpipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in an empty folder, in which nothing may be left."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, words)
        assert not list(folder.iterdir()), words
        return result

    return run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s4://bucket/photos", "of no kind that is read. Did you mean 's3'"),
        ("ftp://host/photos", "Known are s3://, gs://, https://"),
        ("https://me:topsecret@host/photos", "holds a user or a password"),
        ("s3://AKIA:topsecret@bucket/photos", "holds a user or a password"),
        ("https://host/photos?token=topsecret", "has a query, which may hold a key"),
        ("s3://", "must name a bucket or host"),
        ("s3://bucket/../photos", "no '.' or '..' behind it"),
        ("s3://bucket/a\nb", "no text of one line"),
    ],
)
def test_urls_that_are_not_taken(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")) as refused:
        url_of(text)
    assert "topsecret" not in str(refused.value) and "AKIA" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "extra"), [("s3://b", "s3"), ("gs://b", "gs"), ("https://h", "http"), ("hf://d", "hf")]
)
def test_a_scheme_whose_extra_is_missing(text: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    names = {"s3fs", "gcsfs", "aiohttp", "huggingface_hub"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: name not in names and there(name) or None
    )
    with pytest.raises(UsageError, match=rf"not installed: pip install 'ganpipe\[{extra}\]'"):
        url_of(text)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--workdir", "s3://bucket/run"],
        ["preprocess", "--workdir", "s3://bucket/run"],
        ["export", "--push", "s3://bucket/models"],
        ["run", "--set", "export.push=s3://bucket/models"],
        ["run", "--labelled-keys", "s3://bucket/labelled.txt"],
        ["run", "--data-dir", "gs://bucket/tfds"],
        ["evaluate", "--not-worse-than", "s3://bucket/models"],
        ["predict", "photos", "--output", "s3://bucket/answers.csv"],
        ["predict", "photos", "--model", "s3://bucket/models"],
        ["serve", "models", "--cache", "s3://bucket/cache"],
        ["serve", "models", "--inputs-log", "s3://bucket/log"],
        ["inspect", "digits", "--html", "s3://bucket/page.html"],
        ["benchmark", "--workdir", "s3://bucket/run"],
        ["rollback", "s3://bucket/models"],
    ],
    ids=" ".join,
)
def test_what_is_written_lies_on_a_disk(words: list[str], ganpipe: Any) -> None:
    result = ganpipe(*words)
    assert result.exit_code == 2
    assert "must be a path of this machine, on a disk; got a URL (" in " ".join(result.output.split())


def test_commands_end_with_one_message(ganpipe: Any, bucket: Bucket, line: FaultyLine) -> None:
    bucket.put("photos/notes.txt", b"x")
    for words, code, said in (
        (["preprocess", "--dataset", bucket.url("photos")], 2, f"say folder:{bucket.url('photos')}"),
        (["preprocess", "--dataset", f"folder:{bucket.url('photos')}"], 3, "holds no images"),
        (["preprocess", "--dataset", "folder:s3://no-such-bucket/x"], 3, "no such bucket or folder"),
        (["preprocess", "--dataset", "folder:s4://x"], 2, "of no kind that is read"),
        (["preprocess", "--dataset", f"npz:{bucket.url('no.npz')}"], 3, "does not exist"),
        (["preprocess", "--dataset", f"idx:{bucket.url('photos')}"], 3, "holds no file 'train-images"),
        (["inspect", bucket.url("photos")], 3, "holds no images"),
        (["serve", bucket.url("photos"), "--port", "0"], 2, "holds no version"),
    ):
        result = ganpipe(*words)
        assert (result.exit_code, said in result.output) == (code, True), (words, result.output)
        assert result.output.count("error:") == 1


def test_label_files_that_are_not_there(bucket: Bucket, line: FaultyLine) -> None:
    bucket.put("photos/a.png", b"x")
    bucket.put("lists/notes.txt", b"x")
    for labels, said in (
        ("no.csv", "no.csv' does not exist"),
        ("lists", "holds no label file"),
        ("nowhere", "does not exist"),
        ("lists/*.csv", "does not exist"),
        ("list*", "is a pattern, which a URL cannot be"),
    ):
        with pytest.raises(DataError, match=said):
            open_source(f"folder:{bucket.url('photos')}", labels=bucket.url(labels))


def test_a_store_that_refuses_or_fails(
    bucket: Bucket, line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("photos/a.png", b"x")
    url = url_of(bucket.url("photos"))
    with line.failing(1.0, REFUSED) as met:
        with pytest.raises(DataError, match="7 attempts failed, the last with: .* Run again when the store"):
            list_files(url)
        assert met.met[REFUSED] == patience.ATTEMPTS
    monkeypatch.setattr(line, "_behind", lambda asked, body: (403, {"Content-Type": "text/xml"}, _DENIED))
    with line.failing(0.0) as met:
        for call in (lambda: list_files(url), lambda: read(RemoteFile(url / "a.png", "a.png", 1, ""))):
            with pytest.raises(DataError, match="it is not allowed .* Check the credentials"):
                call()
        assert met.met["fine"] == 2, "what is refused is not asked for again"
    monkeypatch.undo()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", line.url)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    systems._made.cache_clear()
    with pytest.raises(DataError, match="no credentials for it.*FSSPEC_S3_ANON=true"):
        list_files(url)
    # the next test has credentials again
    systems._made.cache_clear()


_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def test_a_mistake_of_the_program_is_not_tried_again() -> None:
    calls = []

    def wrong() -> None:
        calls.append(1)
        raise TypeError

    with pytest.raises(TypeError):
        patience.with_retries("read it", wrong)
    assert len(calls) == 1


def test_waits_grow_and_end() -> None:
    waits: list[float] = []

    def fails() -> None:
        raise ConnectionResetError("cut")

    with pytest.raises(DataError, match="7 attempts failed, the last with: cut"):
        patience.with_retries("read it", fails, waits.append)
    assert len(waits) == 6 and all(0.05 * 2**n <= wait <= 0.1 * 2**n for n, wait in enumerate(waits))


class Pages(BaseHTTPRequestHandler):
    """A web server with an index, and with answers that no honest server gives."""

    protocol_version = "HTTP/1.1"
    files = {"/photos/a/1 x.png": b"one", "/photos/b/2.png": b"three"}

    def do_GET(self) -> None:
        path = self.path.replace("%20", " ")
        headers: dict[str, str] = {}
        status, body = 200, self.files.get(path)
        if path == "/photos/":
            body = b'<a href="../">up</a><a href="a/">a</a><a href="b/">b</a><a href="http://127.0.0.1:9/x.png">x</a>'
        elif path == "/photos/a/":
            body = b'<a href="1%20x.png">1</a>'
        elif path == "/photos/b/":
            body = b'<a href="2.png">2</a><a href="file:///etc/x.png">x</a><a href="/photos/b/../3.png">'
        elif path.startswith("/to/file"):
            status, body, headers = 302, b"", {"Location": "file:///etc/hostname"}
        elif path == "/more.png":
            body = b"xy" if self.command == "HEAD" else b"x" * 50_000_000
        if body is None:
            status, body = 404, b""
        self.send_response(status)
        headers["Content-Length"] = str(len(body))
        if "/b/" not in path:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if path.endswith("/") else "image/png")
        self.end_headers()
        if self.command == "GET":
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_web_server_with_an_index(pages: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.0)
    source = open_source(f"folder:{pages}/photos")
    items = list(source.read("train", 0, 9))
    assert [(item.place, item.encoded) for item in items if item.encoded] == [
        ("a/1 x.png", b"one"),
        ("b/2.png", b"three"),
    ]
    assert source.class_names() == ("a", "b")
    assert source.digest() == open_source(f"folder:{pages}/photos").digest()
    # of the same length: told by the ETag, and where there is none by the bytes
    for name in Pages.files:
        before = open_source(f"folder:{pages}/photos").digest()
        monkeypatch.setitem(Pages.files, name, Pages.files[name].upper())
        assert open_source(f"folder:{pages}/photos").digest() != before


def test_a_web_server_under_faults(pages: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.0)
    bad = FaultyLine(int(pages.rpartition(":")[2]))
    try:
        for seed in range(5):
            with bad.failing(0.4, REFUSED, CUT, DROPPED, seed=seed) as met:
                source = open_source(f"folder:{bad.url}/photos")
                read_ = [item.encoded for item in source.read("train", 0, 9) if not item.problem]
            assert read_ == [b"one", b"three"] and met.met[REFUSED] + met.met[CUT] + met.met[DROPPED]
    finally:
        bad.close()


def test_a_web_server_that_does_not_tell_the_truth(pages: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.0)
    with pytest.raises((DataError, FileNotFoundError)) as refused:
        look_at(url_of(f"{pages}/to/file.png"))
    assert "root" not in str(refused.value)
    with pytest.raises(DataError, match="sends on to another place that is not read"):
        read(RemoteFile(url_of(f"{pages}/to/file.png"), "file.png", 10, ""))
    more = look_at(url_of(f"{pages}/more.png"))
    assert more.size == 2
    with pytest.raises(DataError, match="3 bytes came, and 2 were listed"):
        read(more)
    with pytest.raises(DataError, match="does not say how large"):
        read(RemoteFile(url_of(f"{pages}/more.png"), "more.png", None, ""))


def test_images_to_predict_by_url(bucket: Bucket, line: FaultyLine, tmp_path: Path) -> None:
    for name in ("a.png", "b/c.jpg", ".hidden.png", "notes.txt", "d.heic", "x.tfrecord"):
        bucket.put(f"in/{name}", name.encode())
    (tmp_path / "local.png").write_bytes(b"local")
    url = bucket.url("in")
    entries = find_entries([f"{url}/a.png", url, f"file://{tmp_path}/local.png"])
    names = ["a.png", "b/c.jpg", "d.heic", "x.tfrecord"]
    assert [entry.name for entry in entries] == [
        *(f"{url}/{name}" for name in names),
        str(tmp_path / "local.png"),
    ]
    bucket.remove("in/b/c.jpg")
    with line.failing(0.3):
        contents = list(read_entries(entries))
    assert contents[0] == b"a.png" and contents[-1] == b"local"
    assert [str(reason) for reason in contents[1:4:2]] == [
        "cannot be read: it is gone",
        "a TFRecord file behind a URL is not read: copy it here",
    ]
    for text, said in ((f"{url}/no.png", "does not exist"), (f"{url}/*.png", "A pattern cannot be a URL")):
        with pytest.raises(DataError, match=said):
            find_entries([text])


def test_file_urls_are_paths(tmp_path: Path) -> None:
    assert absolute("file:///a%20b/c", whole_text) == "/a b/c"
    assert absolute("s3://b/c,file:///d,e", several_paths) == f"s3://b/c,/d,{Path.cwd()}/e"
    with pytest.raises(UsageError, match="file:/// and a path from the root of this machine"):
        absolute("file://other/a", whole_text)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "1.png").write_bytes(b"x")
    assert open_source(f"folder:file://{tmp_path}/photos").splits() == {"train": 1}


def test_names_of_urls() -> None:
    url = Url("s3", "bucket/a/labels.tar.csv")
    assert (url.name, url.suffix, url.stem, str(url.parent)) == (
        "labels.tar.csv",
        ".csv",
        "labels.tar",
        "s3://bucket/a",
    )
    assert str(Url("s3", "bucket").parent) == "s3://bucket" and Url("s3", "b/.csv").suffix == ""
