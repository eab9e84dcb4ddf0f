"""A data set is downloaded by its name: from a mirror on loopback, checked, once, and not at all without."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.errors import DataError
from pipeline.sources import tfds_download
from pipeline.sources.catalog import bring, full_name, in_full, open_source
from pipeline.terminal import Terminal

FILES = ("pixels.npy", "labels.npy")
ADDRESS = {"url": ""}
PATIENCE = 30.0


class LoopbackDigits(tfds.core.GeneratorBasedBuilder):
    """Forty images of 8x8 in two files, from where ADDRESS says."""

    VERSION = tfds.core.Version("1.2.3")
    url_infos: dict = {}

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(8, 8, 1)),
            "label": tfds.features.ClassLabel(num_classes=4),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({name: ADDRESS["url"] + name for name in FILES})
        return {"train": self._generate_examples(paths)}

    def _generate_examples(self, paths):
        pixels, labels = (np.load(paths[name]) for name in FILES)
        for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            yield i, {"image": image, "label": int(label)}


class Sentences(tfds.core.GeneratorBasedBuilder):
    """A data set without images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"text": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {}

    def _generate_examples(self):
        yield from ()


class Handler(SimpleHTTPRequestHandler):
    asked: list[str] = []
    # files that are answered only once something holds, or after PATIENCE
    held: dict[str, Callable[[], bool]] = {}

    def do_GET(self):
        self.asked.append(self.path)
        holds, until = self.held.get(self.path), time.monotonic() + PATIENCE
        while holds and not holds() and time.monotonic() < until:
            time.sleep(0.005)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serves the two files; their checksums are those that the data set knows."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    random = np.random.default_rng(0)
    np.save(folder / FILES[0], random.integers(0, 256, (40, 8, 8, 1), np.uint8))
    np.save(folder / FILES[1], random.integers(0, 4, 40))
    Handler.asked, Handler.held = [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(ADDRESS, "url", f"http://127.0.0.1:{server.server_port}/")
    infos = {ADDRESS["url"] + name: _info(folder / name) for name in FILES}
    monkeypatch.setattr(LoopbackDigits, "url_infos", infos)
    yield folder
    server.shutdown()
    server.server_close()


def _info(path):
    data = path.read_bytes()
    return tfds.core.download.checksums.UrlInfo(
        size=tfds.core.utils.Size(len(data)), checksum=hashlib.sha256(data).hexdigest(), filename=path.name
    )


def brought(root):
    heard = io.StringIO()
    bring("loopback_digits", data_dir=str(root), terminal=Terminal(heard))
    return heard.getvalue()


def test_a_set_is_downloaded_by_its_name_and_once(mirror, tmp_path):
    said = brought(tmp_path / "data")
    assert "downloading it" in said and str(tmp_path / "data") in said
    source = open_source("loopback_digits", data_dir=str(tmp_path / "data"))
    assert source.splits() == {"train": 40}
    pixels = {item.pixels.tobytes() for item in source.read("train", 0, 40)}
    assert pixels == {image.tobytes() for image in np.load(mirror / FILES[0])}
    asked = len(Handler.asked)
    assert asked == 2
    assert brought(tmp_path / "data") == "" and len(Handler.asked) == asked


def test_a_download_that_broke_off_keeps_what_arrived(mirror, tmp_path):
    labels = (mirror / FILES[1]).read_bytes()
    (mirror / FILES[1]).write_bytes(labels[:-9])
    downloads = tmp_path / "data" / "downloads"
    # the two are fetched at once: the broken one must not end it before the other has arrived
    Handler.held = {"/" + FILES[1]: lambda: any(map(Path.is_file, downloads.glob("*/*pixels*.npy")))}
    with pytest.raises(DataError, match="has wrong checksum"):
        brought(tmp_path / "data")
    assert not list((tmp_path / "data").glob("loopback_digits/*/features.json"))
    (mirror / FILES[1]).write_bytes(labels)
    Handler.asked.clear()
    brought(tmp_path / "data")
    # what had arrived whole is not asked for again
    assert Handler.asked == ["/" + FILES[1]]


def test_without_a_network_one_message_says_how_to_bring_the_files_by_hand(mirror, tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
    infos = {closed + name: info for name, info in zip(FILES, LoopbackDigits.url_infos.values(), strict=True)}
    monkeypatch.setattr(LoopbackDigits, "url_infos", infos)
    monkeypatch.setitem(ADDRESS, "url", closed)
    manual = tmp_path / "data" / "downloads" / "manual"
    with pytest.raises(DataError) as caught:
        brought(tmp_path / "data")
    words = str(caught.value)
    assert repr(str(manual)) in words and all(closed + name in words for name in FILES)
    assert "\n" not in words and "--data-dir" in words
    # and that does it
    manual.mkdir(parents=True)
    for name in FILES:
        (manual / name).write_bytes((mirror / name).read_bytes())
    brought(tmp_path / "data")
    assert open_source("tfds:loopback_digits", data_dir=str(tmp_path / "data")).splits() == {"train": 40}


def test_a_preparation_that_was_killed_is_not_taken_for_a_set(mirror, tmp_path):
    brought(tmp_path / "data")
    whole = tmp_path / "data" / "loopback_digits" / "1.2.3"
    whole.rename(whole.with_name("1.2.3.incompleteABCDEF"))
    with pytest.raises(DataError, match="not prepared"):
        open_source("tfds:loopback_digits", data_dir=str(tmp_path / "data"))
    brought(tmp_path / "data")
    assert whole.is_dir()


def test_what_cannot_be_had_is_refused_before_anything_is_downloaded(tmp_path):
    refused = {
        "tfds:mnsit": "Did you mean 'mnist'",
        "sentences": "no image classification set",
        "tfds:imagenet2012": "belongs: manual_dir should contain",
        "tfds:mnist:0.0.7": "cannot be had",
    }
    for spec, words in refused.items():
        with pytest.raises(DataError, match=words):
            bring(spec, data_dir=str(tmp_path / "data"), terminal=Terminal(io.StringIO()))
    assert not (tmp_path / "data").exists()


def test_names_of_sets_are_one_with_and_without_their_kind():
    assert in_full("mnist") == full_name("mnist") == "tfds:mnist"
    assert in_full("mnist:3.0.1") == "tfds:mnist:3.0.1"
    assert in_full("svhn") == "tfds:svhn_cropped"
    assert in_full("digits") == "digits" and in_full("no_such_set") == "no_such_set"
    assert not tfds_download.registered("no_such_set")
