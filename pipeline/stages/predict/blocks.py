"""Large jobs on Beam: blocks of about a thousand images, each answered by one worker into one file.

The rows travel through files and are put together in the order of the blocks, so the result is the one
of the direct way. Workers of an engine may be on other machines, so there these files lie beside the output.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.beam.engines import opened
from pipeline.beam.modes import ENGINES
from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt, receipt_of
from pipeline.beam.runner import run_pass
from pipeline.errors import DataError, WorkerLost
from pipeline.stages.predict.classifiers import find_version, open_classifier
from pipeline.stages.predict.inputs import Entry, Unreadable, read_entry
from pipeline.stages.predict.rows import ERROR, PATH, Row, predict_rows
from pipeline.stages.predict.settings import PredictConfig
from ssgan_tf.declare import is_url
from ssgan_tf.whole_files import replacing

BLOCK = 1000
_UNREAD = "cannot be read"


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

    def __call__(self, piece: Piece) -> Receipt:
        """Predicts one block.

        Raises:
            DataError: the model is damaged; or, when strict, an image cannot be used.
        """
        entries = [Entry(*values) for values in json.loads(_entries_file(self.scratch, piece).read_text())]
        classifier = open_classifier(self.model, self.engine)
        place = _rows_file(self.scratch, piece)
        lines = []
        with (
            replacing(place, durable=False, shared=True) as partial,
            partial.open("w", encoding="utf-8") as file,
        ):
            for rows in predict_rows(entries, classifier, batch_size=self.batch_size, strict=self.strict):
                lines += [json.dumps(row) for row in rows]
            file.writelines(f"{line}\n" for line in lines)
        return receipt_of(lines)


@dataclass(frozen=True)
class ModelProbe:
    """Reads the model's graph and the first image: a worker must have the same.

    Attributes:
        model: the model's folder.
        entries: the first image to predict.
    """

    model: Path
    entries: tuple[Entry, ...]

    def __call__(self) -> str:
        """Returns what tells them from others.

        Raises:
            DataError: there is no model.
        """
        version = find_version(self.model)
        digest = hashlib.sha256()
        for path in sorted(path for path in version.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(version).as_posix()} {path.stat().st_size}\n".encode())
        digest.update((version / "saved_model.pb").read_bytes())
        said = [f"model {digest.hexdigest()[:16]}"]
        for entry in self.entries:
            try:
                said.append(f"{entry.name!r} {hashlib.sha256(read_entry(entry)).hexdigest()[:16]}")
            except Unreadable as reason:
                said.append(f"{entry.name!r} {reason}")
        return "; ".join(said)


def rows_on_beam(
    config: PredictConfig,
    model: Path,
    entries: Sequence[Entry],
    progress: Callable[[int], None],
    output: Path | None = None,
) -> Iterator[list[Row]]:
    """Yields the rows of all entries in their order, one list a block, once all blocks are done.

    Args:
        config: runner, workers, batch size, engine.
        model: the model's folder.
        entries: what to predict.
        progress: called with the number of images that are done.
        output: where the answers go; an engine needs it: the blocks lie beside it meanwhile.

    Raises:
        GanpipeError: a block's failure, or a worker was killed.
        UsageError: an engine lacks something.
        DataError: a worker cannot read an image that can be read from here.
    """
    remote = config.runner in ENGINES
    beside = None
    if remote and output is not None:
        # a worker has another current folder
        beside = output.parent.absolute()
    with (
        opened(config.runner, workers=config.workers, options=config.beam_option) as engine,
        tempfile.TemporaryDirectory(prefix=".ganpipe-predict-", dir=beside) as name,
    ):
        scratch = Path(name)
        pieces = cut_blocks(len(entries), config.batch_size)
        for piece in pieces:
            block = [list(_from_root(entry)) for entry in entries[piece.start : piece.stop]]
            _entries_file(scratch, piece).write_text(json.dumps(block))
        receipts = run_pass(
            PredictBlock(model, config.engine, config.batch_size, config.strict, scratch),
            pieces,
            name="predict",
            scratch=scratch,
            engine=engine,
            probe=ModelProbe(model, tuple(map(_from_root, entries[:1]))),
            progress=progress,
        )
        for piece in pieces:
            lines = _rows_file(scratch, piece).read_text(encoding="utf-8").splitlines()
            if receipt_of(lines) != receipts[piece] or len(lines) != piece.stop - piece.start:
                raise WorkerLost(f"the answers of {piece.stem} are not those that a worker wrote. Run again.")
            rows = [json.loads(line) for line in lines]
            block_entries = entries[piece.start : piece.stop]
            for entry, row in zip(block_entries, rows, strict=True):
                row[PATH] = entry.name
            if remote:
                _check_seen(block_entries, rows)
            yield rows


def _from_root(entry: Entry) -> Entry:
    if is_url(entry.path):
        return entry
    return entry._replace(path=str(Path(entry.path).absolute()))


def _check_seen(entries: Sequence[Entry], rows: Sequence[Row]) -> None:
    """Reads what a worker could not read once more, from here."""
    for entry, row in zip(entries, rows, strict=True):
        if row[ERROR] is None or entry.problem:
            continue
        try:
            read_entry(entry)
        except Unreadable:
            continue
        if str(row[ERROR]).startswith(_UNREAD):
            raise DataError(
                f"a worker could not read {entry.name!r} ({row[ERROR]}), which can be read from here: every "
                "worker must see the images at the same path."
            )


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
