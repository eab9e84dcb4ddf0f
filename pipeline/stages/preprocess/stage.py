"""Stage `preprocess`: images of any source into TFRecord shards and dataset.json.

    document = run(config, seed=0, output=Path("an/empty/folder"), terminal=Terminal())

Two Beam passes over the source with the label draw between them: scan (check every image, note its
digest, label and size), draw (splits, duplicates, labelled mask), write (resize, encode, shards).
Besides shards and dataset.json the folder gets labelled.txt, the keys that kept their label, which
`data.labelled_keys` takes to repeat exactly this set.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.beam.pieces import cut, cut_for_scan
from pipeline.beam.runner import run_pass
from pipeline.config import DataConfig
from pipeline.errors import writing_to
from pipeline.sources.catalog import open_source
from pipeline.stages.preprocess.document import SPLITS, dataset_document, image_shape, save
from pipeline.stages.preprocess.draw import Draw, draw, read_keys
from pipeline.stages.preprocess.scan import Scan
from pipeline.stages.preprocess.scan import collect as collect_scans
from pipeline.stages.preprocess.write import Write, lay_plans
from pipeline.stages.preprocess.write import collect as collect_written
from pipeline.terminal import Terminal

NAME = "preprocess"


def run(config: DataConfig, *, seed: int, output: Path, terminal: Terminal) -> dict[str, Any]:
    """Prepares a data set.

    Args:
        config: the source, the labels to keep, the records' size and how to run.
        seed: of the draws.
        output: an empty folder; on failure what is in it is of no use.
        terminal: where progress and a summary go.

    Returns:
        The document that dataset.json holds.

    Raises:
        UsageError: unknown data set, or settings that contradict each other.
        DataError: the source, its labels or the output folder are not as they must be.
    """
    source = open_source(config.dataset, data_dir=config.data_dir, labels=config.labels)
    given = read_keys(Path(config.labelled_keys).expanduser()) if config.labelled_keys else None
    digest = source.digest()
    scratch = output / ".scratch"
    with writing_to(output):
        scratch.mkdir()
        try:
            sizes = source.splits()
            total = sum(sizes.values())
            on_beam = partial(run_pass, scratch=scratch, mode=config.runner, workers=config.workers)

            pieces = [piece for split, size in sizes.items() for piece in cut_for_scan(split, size)]
            with terminal.progress("scan", total) as progress:
                on_beam(Scan(source, scratch, config.strict), pieces, name="scan", progress=progress.update)
            scanned = collect_scans(pieces, scratch)

            class_names = source.class_names()
            drawn = draw(scanned, class_names=class_names, config=config, seed=seed, given=given)
            shape = image_shape(scanned, size=config.image_size, channels=config.channels)

            pieces = [piece for split, size in sizes.items() for piece in cut(split, size, config.shards)]
            lay_plans(drawn, pieces, scratch)
            outputs = {split: _outputs(drawn, split) for split in sizes}
            pieces = [piece for piece in pieces if outputs[piece.split]]
            write = Write(source, scratch, output, shape, outputs, config.background_level)
            with terminal.progress("write", sum(p.stop - p.start for p in pieces)) as progress:
                on_beam(write, pieces, name="write", progress=progress.update)

            document = dataset_document(
                source={"name": source.name, "digest": digest},
                shape=shape,
                background=config.background_level,
                class_names=class_names,
                drawn=drawn,
                written=collect_written(pieces, scratch),
                seed=seed,
            )
            labelled = sorted(member.key for member in drawn.of("train") if member.labelled)
            (output / "labelled.txt").write_text("".join(f"{key}\n" for key in labelled), encoding="utf-8")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        save(document, output)
    _summarise(document, terminal)
    return document


def _outputs(drawn: Draw, split: str) -> tuple[str, ...]:
    """Returns the output splits that the items of a source split go to, the source's own first."""
    there = {member.output for member in drawn.members[split] if member is not None}
    return tuple(sorted((name for name in SPLITS if name in there), key=lambda name: name != split))


def _summarise(document: dict[str, Any], terminal: Terminal) -> None:
    height, width, channels = document["image_shape"]
    splits = ", ".join(
        f"{name} {split['count']} ({split['labelled']} labelled)"
        for name, split in document["splits"].items()
    )
    terminal.say(f"  images {height} x {width} x {channels}: {splits}")
    per_class = document["labels_per_class"]
    if per_class:
        counts = set(per_class.values())
        each = str(counts.pop()) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
        terminal.say(f"  {len(per_class)} classes, labels kept for each: {each}")
        without = [name for name, count in per_class.items() if count == 0]
        if without:
            terminal.warn(f"no labelled training image of {len(without)} class(es): {', '.join(without[:5])}")
    rejected = document["rejected"]
    if rejected:
        first = rejected[0]
        terminal.warn(
            f"{len(rejected)} image(s) skipped, listed in dataset.json; the first: {first['key']!r}: "
            f"{first['reason']}"
        )
    duplicates = document["duplicates"]["across_splits"]
    if duplicates:
        terminal.say(f"  {duplicates} training image(s) left out: the same content is in another split")
