"""Many images: what the process that draws holds of each, and that each is decoded once."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np

from pipeline.beam.pieces import cut, cut_for_reading
from pipeline.stages.preprocess.checks import check_draw
from pipeline.stages.preprocess.draw import draw
from pipeline.stages.preprocess.findings import FOUND, collect, scan_receipt, table_file, texts_file
from pipeline.stages.preprocess.given import given_lines
from pipeline.stages.preprocess.left_out import LeftOut
from pipeline.stages.preprocess.members import labelled_digest, record_order
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.stages.preprocess.write import lay_plans

NAMES = tuple("0123456789")
FEW, MANY = 30_000, 60_000
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
