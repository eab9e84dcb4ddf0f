"""Many images: what the process that draws holds of each, and that each is decoded once."""

from __future__ import annotations

import gc
import io
import re
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from pipeline.beam.pieces import cut, cut_for_reading
from pipeline.images import decoding
from pipeline.images.rejected import Rejected
from pipeline.stages.evaluate.classification import _batches
from pipeline.stages.preprocess import stage
from pipeline.stages.preprocess.checks import check_draw
from pipeline.stages.preprocess.draw import draw
from pipeline.stages.preprocess.findings import FOUND, collect, scan_receipt, table_file, texts_file
from pipeline.stages.preprocess.given import given_lines
from pipeline.stages.preprocess.left_out import LeftOut
from pipeline.stages.preprocess.members import labelled_digest, record_order
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.stages.preprocess.write import lay_plans
from pipeline.terminal import Terminal

NAMES = tuple("0123456789")
FEW, MANY = 20_000, 40_000
MOST = 64


def written(scratch, count):
    """What a scan of so many images leaves, a hundredth of them copies; its pieces and receipts."""
    numbers = np.random.default_rng(count)
    digests = numbers.integers(0, 256, (count, 16), np.uint8)
    digests[: count // 100] = digests[count // 2 : count // 2 + count // 100]
    labels = numbers.integers(-1, 10, count)
    labels[: count // 100] = labels[count // 2 : count // 2 + count // 100]
    pieces, receipts = cut_for_reading("train", count), {}
    for piece in pieces:
        table = np.zeros(piece.stop - piece.start, FOUND)
        table["digest"], table["label"] = (of[piece.start : piece.stop] for of in (digests, labels))
        table["usable"], table["height"], table["width"], table["channels"] = True, 28, 28, 1
        np.save(table_file(scratch, piece), table)
        places = [f"train[{number}]" for number in range(piece.start, piece.stop)]
        listed = ", ".join(f'"{place}"' for place in places)
        texts_file(scratch, piece).write_text(f'{{"places": [{listed}], "reasons": {{}}}}')
        receipts[piece] = scan_receipt(table, places)
    return pieces, receipts


def draw_all(scratch, pieces, receipts, config):
    """All that the process does between the two passes, and after them."""
    findings = collect(pieces, scratch, receipts)
    drawn = draw(findings, class_names=NAMES, config=config, seed=1)
    check_draw(drawn, NAMES, config)
    order = {split: record_order(drawn.members, split, 1) for split in ("train", "test")}
    shards = [piece for split, rows in order.items() for piece in cut(split, len(rows), config.shards)]
    lay_plans(drawn.members, order, shards, pieces, scratch)
    for _ in given_lines(drawn.members):
        pass
    labelled_digest(drawn.members)
    LeftOut.of(drawn, findings)


def test_the_process_that_draws_holds_few_bytes_an_image(tmp_path):
    config = DataConfig(labels_per_class=10, validation_rate=0.1)
    peaks = []
    # the first one loads what is loaded once
    for count in (500, FEW, MANY):
        scratch = tmp_path / f"{count}"
        scratch.mkdir()
        pieces, receipts = written(scratch, count)
        gc.collect()
        tracemalloc.start()
        draw_all(scratch, pieces, receipts, config)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[2] - peaks[1]) / (MANY - FEW) < MOST


def pictures(folder):
    """Files of several formats, sizes and kinds; two that are damaged, one that has a good header."""
    numbers = np.random.default_rng(0)
    for number in range(18):
        ending = ("png", "jpg", "bmp", "gif", "webp", "tif")[number % 6]
        kind = ("L", "RGB", "RGBA" if ending in ("png", "webp", "tif") else "RGB")[number // 6]
        values = numbers.integers(0, 256, (30 + number, 80 - number, 4), np.uint8)
        picture = Image.fromarray(values).convert(kind)
        place = folder / "ab"[number % 2] / f"{number}.{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture.save(place)
    (folder / "a" / "cut.jpg").write_bytes((folder / "b" / "1.jpg").read_bytes()[:300])
    (folder / "b" / "none.png").write_bytes(b"no picture")
    return sorted(folder.rglob("*.*"))


def test_a_block_of_files_is_decoded_like_each_of_them(tmp_path):
    files = [path.read_bytes() for path in pictures(tmp_path)]
    found = list(decoding.decode_block(files, background=9))
    assert len(found) == len(files) and sum(isinstance(one, Rejected) for one in found) == 2
    for file, one in zip(files, found, strict=True):
        if isinstance(one, Rejected):
            with pytest.raises(Rejected, match=re.escape(str(one))):
                decoding.decode(file, background=9)
        else:
            np.testing.assert_array_equal(one, decoding.decode(file, background=9))


def test_each_image_is_decoded_once(tmp_path, monkeypatch):
    count, decode_part = len(pictures(tmp_path / "in")), decoding._decode_part
    seen = []

    def note(part, background):
        seen.extend(file for file, _ in part)
        return decode_part(part, background)

    monkeypatch.setattr(decoding, "_decode_part", note)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 10_000)
    (tmp_path / "out").mkdir()
    config = DataConfig(dataset=f"folder:{tmp_path / 'in'}", test_rate=0.3, folds=0, yes=True)
    stage.run(config, seed=0, output=tmp_path / "out", terminal=Terminal(io.StringIO()))
    assert len(seen) == len(set(seen)) == count
    # the pixels that were kept are gone
    assert not list((tmp_path / "out").rglob("kept-*"))


def test_the_answers_do_not_depend_on_how_the_images_are_read(tmp_path):
    images = np.arange(40).reshape(20, 2, 1, 1)
    for cuts in ([], [1], [7, 8], [3, 3, 19]):
        batches = list(_batches(np.split(images, cuts), 6))
        assert [len(batch) for batch in batches] == [6, 6, 6, 2]
        np.testing.assert_array_equal(np.concatenate(batches), images)
