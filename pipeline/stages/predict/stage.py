"""Stage `predict`: images in files, folders, patterns or TFRecords to rows of answers."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.beam.modes import ENGINES
from pipeline.errors import DataError, UsageError
from pipeline.stages.predict.settings import PredictConfig
from pipeline.terminal import Progress, Terminal
from ssgan_tf.declare import is_url

if TYPE_CHECKING:
    from pipeline.stages.predict.classifiers import Classifier
    from pipeline.stages.predict.inputs import Entry
    from pipeline.stages.predict.rows import Row


def run(
    config: PredictConfig,
    *,
    model: Path,
    inputs: Sequence[str],
    output: Path | None,
    terminal: Terminal,
    protected: Sequence[Path] = (),
) -> dict[str, Any]:
    """Classifies images and writes one row each, in the order of the inputs.

    Args:
        config: format, engine, batch size, runner.
        model: an exported classifier: its version folder, the folder of versions, or the export.
        inputs: files, folders, patterns and TFRecord files.
        output: file to write, whole or not at all; None streams to standard output.
        terminal: for progress.
        protected: files that may not be replaced, besides the inputs.

    Returns:
        `{"images", "failed", "abstained", "labels": {name: count}, "output"}`.

    Raises:
        UsageError: no input, a format that cannot be written, or an output that is there and may not be
            replaced.
        DataError: an input or the model is absent, no image can be used, or, when strict, one cannot.
    """
    from pipeline.stages.predict.classifiers import open_classifier
    from pipeline.stages.predict.inputs import find_entries
    from pipeline.stages.predict.rows import ABSTAIN, ERROR, LABEL, column_names
    from pipeline.stages.predict.writers import check_output, choose_format, open_writer

    form = choose_format(config.format, output)
    if config.runner in ENGINES and output is None:
        raise UsageError(
            f"--runner {config.runner} needs --output FILE, on a disk that all its workers see: they write "
            "their answers beside it."
        )
    entries = find_entries(inputs)
    read = {Path(entry.path) for entry in entries if not is_url(entry.path)}
    check_output(output, [*read, *protected], overwrite=config.overwrite)
    # the same path as the blocks on Beam ask for, so that it is loaded once
    model = model.resolve()
    classifier = open_classifier(model, config.engine)
    failed, abstained, first = 0, 0, ""
    labels: Counter[str] = Counter()
    try:
        with (
            terminal.progress("predict", len(entries)) as progress,
            open_writer(
                form, output, column_names(classifier.class_names), overwrite=config.overwrite
            ) as write,
        ):
            for rows in _rows(config, model, classifier, entries, progress, output):
                write(rows)
                bad = [row for row in rows if row[ERROR] is not None]
                first = first or (f"{bad[0][0]!r}: {bad[0][ERROR]}" if bad else "")
                failed += len(bad)
                abstained += sum(row[ABSTAIN] is True for row in rows)
                labels.update(row[LABEL] for row in rows if row[ERROR] is None)
            if failed == len(entries):
                raise DataError(f"none of the {failed} images can be used; the first, {first}.")
    except BrokenPipeError:
        # the reader of standard output has seen enough; nothing more may be flushed into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if failed:
        terminal.warn(f"{failed} of {len(entries)} images cannot be used; the first, {first}.")
    return {
        "images": len(entries),
        "failed": failed,
        "abstained": abstained,
        "labels": dict(sorted(labels.items())),
        "output": str(output) if output else None,
    }


def _rows(
    config: PredictConfig,
    model: Path,
    classifier: Classifier,
    entries: Sequence[Entry],
    progress: Progress,
    output: Path | None,
) -> Iterator[list[Row]]:
    if config.runner != "direct":
        from pipeline.stages.predict.blocks import rows_on_beam

        yield from rows_on_beam(config, model, entries, progress.update, output)
        return
    from pipeline.stages.predict.rows import predict_rows

    done = 0
    for rows in predict_rows(entries, classifier, batch_size=config.batch_size, strict=config.strict):
        yield rows
        done += len(rows)
        progress.update(done)
