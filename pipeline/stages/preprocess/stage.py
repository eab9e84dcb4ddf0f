"""Stage `preprocess`: images of any source into TFRecord shards and dataset.json.

    document = run(config, seed=0, output=Path("an/empty/folder"), terminal=Terminal())

The classes that the source lists are shown, and doubted where they look wrong. Then two Beam passes with the
label draw between them: scan (read, decode and check every image once, note its digest, label and size, keep
its pixels), draw (splits, duplicates, labelled mask, on arrays), write (PNG, shards in the order of a keyed
hash). Besides shards and dataset.json, which training reads, the folder gets

    labelled.txt    the keys that kept their label and the images drawn for test, validation and certify;
                    `data.labelled_keys` takes it to repeat exactly this draw
    provenance/     which file each key stands for, and all that would tell of withheld labels: further
                    columns of the label file, and the schema that later data are compared with
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from pipeline.beam.engines import Engine, opened
from pipeline.beam.pieces import Piece, cut, cut_for_reading
from pipeline.beam.runner import run_pass
from pipeline.data_schema.gate import check_schema
from pipeline.data_schema.schema import write_schema
from pipeline.errors import DataError, writing_to
from pipeline.provenance import FOLDER, SOURCE, write_provenance
from pipeline.rare_collection import rare_collection
from pipeline.sources.catalog import open_source
from pipeline.sources.source import Source
from pipeline.stages.preprocess.accounting import account_of, check_strict, in_words
from pipeline.stages.preprocess.checks import check_draw
from pipeline.stages.preprocess.document import (
    SPLITS,
    dataset_document,
    image_shape,
    provenance_document,
    save,
    sizes_in_words,
)
from pipeline.stages.preprocess.draw import Draw, draw
from pipeline.stages.preprocess.findings import Findings, Sizes, collect
from pipeline.stages.preprocess.further import further_values, no_slices
from pipeline.stages.preprocess.given import given_lines, read_given
from pipeline.stages.preprocess.intake import admit_classes, show_draw, tell_folds
from pipeline.stages.preprocess.left_out import LeftOut
from pipeline.stages.preprocess.members import OUTPUTS, record_order, rows_where
from pipeline.stages.preprocess.scan import Kept, Scan, SourceProbe, check_seen
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.stages.preprocess.write import Gather, collect_shards, lay_plans
from pipeline.terminal import Terminal
from pipeline.workspace import LABELLED_FILE


def run(
    config: DataConfig,
    *,
    seed: int,
    output: Path,
    terminal: Terminal,
    source_digest: str | None = None,
    fold: int | None = None,
) -> dict[str, Any]:
    """Prepares a data set.

    Args:
        config: the source, the labels to keep, the records' size and how to run.
        seed: of the draws.
        output: an empty folder; on failure what is in it is of no use.
        terminal: where progress and a summary go.
        source_digest: the source's digest when this run was planned.
        fold: of the draw, from 0 to `config.fold_count`; None: the whole.

    Returns:
        The document that dataset.json holds, and in `stands_for` what settings without a value stand for in
        this source.

    Raises:
        UsageError: unknown data set, or settings that contradict each other.
        DataError: the source, its labels or the output folder are not as they must be, its classes are
            doubtful and nobody said that they are right, or the source changed since it was planned or while
            it was read.
    """
    # what the engine wants is checked before all else
    with (
        opened(config.runner, workers=config.workers, options=config.beam_option) as engine,
        rare_collection(),
    ):
        return _prepare(
            config,
            engine,
            seed=seed,
            output=output,
            terminal=terminal,
            source_digest=source_digest,
            fold=fold,
        )


def _prepare(
    config: DataConfig,
    engine: Engine,
    *,
    seed: int,
    output: Path,
    terminal: Terminal,
    source_digest: str | None,
    fold: int | None,
) -> dict[str, Any]:
    source = _open(config)
    given = read_given(Path(config.labelled_keys).expanduser()) if config.labelled_keys else None
    digest = source.digest()
    if source_digest not in (None, digest):
        raise DataError(f"the data set {config.dataset!r} changed since this run was planned. Run again.")
    if config.strict:
        check_strict(source.aside())
    admit_classes(source, terminal, dataset=config.dataset, yes=config.yes)
    if fold is not None:
        tell_folds(source, config.fold_count, terminal)
    budget = _budget(config, source, terminal)
    kept = Kept(config.image_size, config.channels, config.framing)
    scratch = output / ".scratch"
    with writing_to(output):
        scratch.mkdir()
        try:
            on_beam = partial(run_pass, scratch=scratch, engine=engine, probe=SourceProbe(source))
            pieces = sorted(
                piece for split, size in source.splits().items() for piece in cut_for_reading(split, size)
            )
            with terminal.progress("scan", _size(pieces)) as progress:
                scan = Scan(source, scratch, config.strict, kept)
                receipts = on_beam(scan, pieces, name="scan", progress=progress.update)
            findings = collect(pieces, scratch, receipts)
            if engine.is_remote:
                check_seen(source, findings, config.framing.background)

            class_names = source.class_names()
            account = account_of(findings, source.aside())
            drawn = draw(findings, class_names=class_names, config=budget, seed=seed, given=given, fold=fold)
            schema = findings.schema.schema(class_names, distinct=drawn.members.distinct)
            if config.schema:
                check_schema(config.schema, schema, strict=config.strict, terminal=terminal)
            check_draw(drawn, class_names, config, fold)
            shape = image_shape(findings.sizes, size=config.image_size, channels=config.channels)
            sizes = sizes_in_words(findings.sizes)
            if config.image_size is None and sizes != f"{shape[0]} x {shape[1]}":
                drawn.notes.append(
                    f"the images, {sizes} pixels, become {shape[0]} x {shape[1]}; --image-size N says "
                    "otherwise (larger ones show more and take longer)."
                )

            order = {split: record_order(drawn.members, split, seed) for split in SPLITS}
            order = {split: rows for split, rows in order.items() if len(rows)}
            shards = [p for split, rows in order.items() for p in cut(split, len(rows), config.shards)]
            planned = lay_plans(drawn.members, order, shards, pieces, scratch)
            del order
            with terminal.progress("write", _size(shards)) as progress:
                gather = Gather(scratch, output, shape, config.framing, tuple(pieces))
                on_beam(gather, shards, name="write", expected=planned, progress=progress.update)
            _check_unchanged(config, digest)

            of_shards, histogram = collect_shards(shards, scratch, output)
            document = dataset_document(
                source=source.name,
                shape=shape,
                framing=config.framing,
                class_names=class_names,
                drawn=drawn,
                shards=of_shards,
                histogram=histogram,
                seed=seed,
                fold=fold,
                folds=config.fold_count,
            )
            with (output / LABELLED_FILE).open("w", encoding="utf-8", newline="") as file:
                file.writelines(given_lines(drawn.members))
            columns, values = further_values(source, _images(drawn, findings))
            left_out = LeftOut.of(drawn, findings)
            write_provenance(
                output,
                columns=columns,
                values=values,
                images=_images(drawn, findings),
                document=provenance_document(
                    source=source.name,
                    digest=digest,
                    class_names=class_names,
                    drawn=drawn,
                    left_out=left_out,
                    account=account,
                    no_slices=no_slices(source),
                ),
            )
            write_schema(output, schema)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        save(document, output)
    _summarise(document, drawn, terminal)
    # what is true of the source is said for the first fold and for the whole
    if not fold:
        show_draw(drawn, class_names, terminal)
        _warn(drawn, left_out, terminal)
        for line in in_words(account) if account else ():
            terminal.say(f"  {line}")
    own_budget = source.labels_per_class or "all"
    return {**document, "stands_for": {"labels_per_class": own_budget, **_own_shape(findings.sizes)}}


def _open(config: DataConfig) -> Source:
    return open_source(config.dataset, **config.source_options)


def _budget(config: DataConfig, source: Source, terminal: Terminal) -> DataConfig:
    """The settings with the source's own number of labels where the user says none."""
    own = source.labels_per_class
    if own is None or config.labels_per_class or config.labeled_rate or config.labelled_keys:
        return config
    if terminal.first_time("own budget"):
        terminal.say(
            f"  {own} labels of each class are kept, which is the default of {source.name!r}; "
            "--labels-per-class (a number, or all) and --labeled-rate say otherwise"
        )
    return replace(config, labels_per_class=own)


def _images(drawn: Draw, findings: Findings) -> Iterator[tuple[str, str, str]]:
    """Yields key, output split and place of every usable image."""
    members = drawn.members
    rows = rows_where(members.usable)
    places = compress(findings.places(), members.usable)
    for key, output, place in zip(members.keys(rows), members.output[rows], places, strict=True):
        yield key, OUTPUTS[output], place


def _own_shape(sizes: Sizes) -> dict[str, int]:
    _, _, channels = image_shape(sizes, size=1, channels=None)
    with suppress(DataError):
        height, width, _ = image_shape(sizes, size=None, channels=None)
        if height == width:
            return {"image_size": height, "channels": channels}
    return {"channels": channels}


def _check_unchanged(config: DataConfig, digest: str) -> None:
    """Opens the source anew and compares: what was read must be what the digest says."""
    what = f"the data set {config.dataset!r} changed while it was being read"
    try:
        same = _open(config).digest() == digest
    except DataError as error:
        raise DataError(f"{what}: {error} Run again.") from None
    if not same:
        raise DataError(f"{what}. Run again.")


def _size(pieces: list[Piece]) -> int:
    return sum(piece.stop - piece.start for piece in pieces)


def _summarise(document: dict[str, Any], drawn: Draw, terminal: Terminal) -> None:
    height, width, channels = document["image_shape"]
    splits = ", ".join(
        f"{name} {split['count']} ({split['labelled']} labelled)"
        for name, split in document["splits"].items()
    )
    terminal.say(f"  images {height} x {width} x {channels}: {splits}")
    train = document["splits"]["train"]
    everyone = drawn.method == "all" and bool(
        (drawn.members.labels[drawn.members.going_to("train")] >= 0).all()
    )
    if everyone and terminal.first_time("nothing unlabelled"):
        terminal.say(
            f"  all {train['count']:,} training images have a label and keep it: there is nothing unlabelled "
            "to learn from (--labels-per-class N withholds labels, to try what fewer would give)"
        )
    per_class = document["labels_per_class"]
    if per_class:
        counts = set(per_class.values())
        each = str(counts.pop()) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
        terminal.say(f"  {len(per_class)} classes, labels kept for each: {each}")
        without = [name for name, count in per_class.items() if count == 0]
        if without:
            terminal.warn(f"no labelled training image of {len(without)} class(es): {', '.join(without[:5])}")


def _warn(drawn: Draw, left_out: LeftOut, terminal: Terminal) -> None:
    for note in drawn.notes:
        terminal.warn(note)
    listed = f"listed in {FOLDER}/{SOURCE}"
    if left_out.rejected:
        place, reason = left_out.rejected[0]
        terminal.warn(f"{len(left_out.rejected)} image(s) skipped, {listed}; the first: {place!r}: {reason}")
    if left_out.contradicted:
        first = min(place for _, place in left_out.contradicted)
        terminal.warn(
            f"{len(left_out.contradicted)} image(s) have the same pixels as one of another class, {listed}; "
            f"the first: {first!r}. Their labels are not used."
        )
    if left_out.duplicates:
        terminal.say(
            f"  {len(left_out.duplicates)} training image(s) left out: the same content is in another split"
        )
