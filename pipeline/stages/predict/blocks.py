"""Large jobs on Beam: blocks of about a thousand images, each answered by one worker into one file.

The rows travel through files and are put together in the order of the blocks, so the result is the one
of the direct way.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.beam.pieces import Piece
from pipeline.beam.runner import run_pass
from pipeline.stages.predict.classifiers import open_classifier
from pipeline.stages.predict.inputs import Entry
from pipeline.stages.predict.rows import Row, predict_rows
from pipeline.stages.predict.settings import PredictConfig
from ssgan_tf.whole_files import replacing

BLOCK = 1000


@dataclass(frozen=True)
class PredictBlock:
    """Answers one block: reads its entries from `scratch` and leaves its rows there.

    Attributes:
        model: the model's folder; a worker process loads it once, with its first block.
        engine: "savedmodel" or "lite".
        batch_size: images a batch.
        strict: fail on the first image that cannot be used.
        scratch: folder of the blocks' files.
    """

    model: Path
    engine: str
    batch_size: int
    strict: bool
    scratch: Path

    def __call__(self, piece: Piece) -> None:
        """Predicts one block.

        Raises:
            DataError: the model is damaged; or, when strict, an image cannot be used.
        """
        entries = [Entry(*values) for values in json.loads(_entries_file(self.scratch, piece).read_text())]
        classifier = open_classifier(self.model, self.engine)
        place = _rows_file(self.scratch, piece)
        with replacing(place, durable=False) as partial, partial.open("w", encoding="utf-8") as file:
            for rows in predict_rows(entries, classifier, batch_size=self.batch_size, strict=self.strict):
                file.writelines(json.dumps(row) + "\n" for row in rows)


def rows_on_beam(
    config: PredictConfig, model: Path, entries: Sequence[Entry], progress: Callable[[int], None]
) -> Iterator[list[Row]]:
    """Yields the rows of all entries in their order, one list a block, once all blocks are done.

    Raises:
        GanpipeError: a block's failure, or a worker was killed.
    """
    with tempfile.TemporaryDirectory(prefix="ganpipe-predict-") as name:
        scratch = Path(name)
        pieces = cut_blocks(len(entries), config.batch_size)
        for piece in pieces:
            block = [list(entry) for entry in entries[piece.start : piece.stop]]
            _entries_file(scratch, piece).write_text(json.dumps(block))
        task = PredictBlock(model, config.engine, config.batch_size, config.strict, scratch)
        run_pass(
            task,
            pieces,
            name="predict",
            scratch=scratch,
            mode=config.runner,
            workers=config.workers,
            progress=progress,
        )
        for piece in pieces:
            with _rows_file(scratch, piece).open(encoding="utf-8") as file:
                yield [json.loads(line) for line in file]


def cut_blocks(count: int, batch_size: int) -> list[Piece]:
    """Cuts entries into blocks of about `BLOCK`, whole batches each.

    So every batch holds what it holds in the direct way, and its answers are the same to the last bit.
    """
    size = batch_size * max(1, round(BLOCK / batch_size))
    of = -(-count // size)
    return [Piece("block", i, of, i * size, min(count, (i + 1) * size)) for i in range(of)]


def _entries_file(scratch: Path, piece: Piece) -> Path:
    return scratch / f"{piece.stem}.entries.json"


def _rows_file(scratch: Path, piece: Piece) -> Path:
    return scratch / f"{piece.stem}.rows.jsonl"
