"""Classes as they are taken in: shown before the long work with what is doubtful, and after the draw.

Everything here comes from the source's listing; no image is decoded for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipeline.errors import DataError, did_you_mean
from pipeline.sources.doubts import find_doubts, in_numbers
from pipeline.sources.source import Source
from pipeline.stages.preprocess.draw import Draw
from pipeline.terminal import Terminal

NO_LABEL = "(no label)"
ROWS = 40
DOUBTS = 20
FOLDERS = 5
WHAT_TO_DO = (
    "Set right what is wrong; say --classes with the names to take only these as classes, or --yes to take "
    "the classes as they are."
)


def admit_classes(source: Source, terminal: Terminal, *, dataset: str, yes: bool) -> None:
    """Shows the classes that a source lists, and asks about what is doubtful; once in a command.

    Args:
        source: the data set.
        terminal: where the table goes; it is asked where a person sits at it.
        dataset: what to call the data set.
        yes: take the classes whatever is doubtful; the doubts are said.

    Raises:
        DataError: there are doubts, and nobody to ask or the answer was no.
    """
    if not source.lists_labels or not terminal.first_time(f"classes of {dataset}"):
        return
    names = source.class_names()
    counts = {split: Counter(label for _, label in source.labels(split)) for split in source.splits()}
    in_all = Counter[int]()
    for of_split in counts.values():
        in_all.update(of_split)
    if names:
        rows = [(name, [of_split[i] for of_split in counts.values()]) for i, name in enumerate(names)]
        rows.append((NO_LABEL, [of_split[-1] for of_split in counts.values()]))
        show_classes("  classes found:", list(counts), rows, terminal)
    if source.passed_over:
        terminal.warn(_passed_over(source.passed_over, names))
    if empty := source.empty_folders:
        said = ", ".join(map(repr, empty[:FOLDERS])) + (
            f"; and {len(empty) - FOLDERS:,} more" if len(empty) > FOLDERS else ""
        )
        terminal.warn(f"folders in which nothing lies, so that they are no classes: {said}")
    doubts = find_doubts(
        {name: in_all[i] for i, name in enumerate(names)},
        origin=source.classes_from,
        passed_over=source.passed_over,
    )
    if not doubts:
        return
    if len(doubts) > DOUBTS:
        doubts = [*doubts[:DOUBTS], f"And {len(doubts) - DOUBTS:,} more of this kind."]
    if yes or terminal.asks:
        for doubt in doubts:
            terminal.warn(doubt)
    if yes or (terminal.asks and terminal.ask("Take the classes as they are?")):
        return
    listed = "" if terminal.asks else "".join(f"\n  {doubt}" for doubt in doubts)
    raise DataError(f"the classes of {dataset!r} are doubtful.{listed}\n{WHAT_TO_DO}")


def tell_folds(source: Source, folds: int, terminal: Terminal) -> None:
    """Says that a draw is cross-fitted, and what that costs; once in a command."""
    if not terminal.first_time("cross-fitting"):
        return
    labelled = sum(label >= 0 for _, label in source.labels("train"))
    terminal.say(
        f"  cross-fitting: each of {labelled:,} labelled images is tested on once, by one of {folds} models "
        f"that have not seen it; with the model of all of them, {folds + 1} are trained, and as many "
        "baselines (--folds 0 sets a small test split aside instead)"
    )


def _passed_over(folders: Mapping[str, int], names: Sequence[str]) -> str:
    largest = sorted(folders, key=lambda folder: -folders[folder])
    said = []
    for folder in largest[:FOLDERS]:
        hint = did_you_mean(folder, names)
        nearest = f"; d{hint[2:]}" if hint else ""
        said.append(f"{folder!r} ({in_numbers(folders[folder])}{nearest})")
    more = f"; and {len(largest) - FOLDERS:,} more" if len(largest) > FOLDERS else ""
    what = "folders that are none of --classes, so that their images count as unlabelled"
    return f"{what}: {'; '.join(said)}{more}"


def show_draw(drawn: Draw, class_names: Sequence[str], terminal: Terminal) -> None:
    """Shows what became of each class's images: of the training images, which keep their label or do not."""
    if not class_names:
        return
    labelled, without = "labelled", "without label"
    members = drawn.members
    in_training = members.going_to("train")
    groups = {labelled: in_training & members.labelled, without: in_training & ~members.labelled}
    groups |= {split: members.going_to(split) for split in ("test", "validation", "certify")}
    groups = {column: there for column, there in groups.items() if there.any()}
    # those without a label come first
    counts = [
        np.bincount(members.labels[there] + 1, minlength=len(class_names) + 1) for there in groups.values()
    ]
    columns = list(groups)
    rows = [(name, [int(of[i]) for of in counts]) for i, name in enumerate(class_names, 1)]
    rows.append((NO_LABEL, [int(of[0]) for of in counts]))
    show_classes("  images after the draw:", columns, rows, terminal)


def show_classes(
    title: str, columns: Iterable[str], rows: Sequence[tuple[str, list[int]]], terminal: Terminal
) -> None:
    """Writes a table of classes; of very many the largest and the smallest."""
    shown = [(name, counts) for name, counts in rows if name != NO_LABEL or any(counts)]
    cut = len(shown) - ROWS
    if cut > 0:
        shown.sort(key=lambda row: -sum(row[1]))
        rest = shown[ROWS // 2 : -ROWS // 2]
        more = [sum(numbers) for numbers in zip(*(counts for _, counts in rest), strict=True)]
        shown = [*shown[: ROWS // 2], (f"({cut:,} more)", more), *shown[-ROWS // 2 :]]
    cells = [[name, *(f"{count:,}" for count in counts)] for name, counts in shown]
    terminal.table(title, ["class", *columns], cells)
