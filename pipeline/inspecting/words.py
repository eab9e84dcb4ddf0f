"""What was found, on the terminal; and the command to run next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.terminal import Terminal, clock

ROWS = 30
_FEW = 3


def next_command(document: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """The command that goes on from here.

    Args:
        document: of the findings, with the estimate.
        asked: what was said of the data: option to value, in the order in which they are to stand.
    """
    words = ["ganpipe", "run"]
    for option, value in asked.items():
        words += [option] if value is True else [option, str(value)]
    record = document["estimate"]["record"]
    if record and document["different_sizes"] > 1 and "--image-size" not in asked:
        words += ["--image-size", str(record[0])]
    return shlex.join(words)


def show(document: Mapping[str, Any], ways_to_label: Sequence[str], terminal: Terminal) -> None:
    """Writes the findings: the sums, a table of classes, and a line for each thing that is not as it "
    "should be."""
    looked = f"; {document['looked_at']:,} were looked at, a sample" if document["sampled"] else ""
    splits = ", ".join(
        f"{name} {split['images']:,} ({split['labelled']:,} labelled)"
        for name, split in document["splits"].items()
    )
    terminal.say(f"{document['images']:,} images: {splits}{looked}")
    _show_classes(document, terminal)
    for line in _what_they_are(document):
        terminal.say(f"  {line}")
    for line in worries(document):
        terminal.warn(line)
    if not any(split["labelled"] for split in document["splits"].values()) and ways_to_label:
        terminal.warn("no image has a label.")
        for way in ways_to_label:
            terminal.say(f"- {way}")
    wanted = document["estimate"]
    terminal.say(
        f"Preparing them takes about {clock(wanted['prepare_seconds'])} on one core, and "
        f"{_size(wanted['disk_bytes'])} of disk ({_size(wanted['disk_bytes_while_it_works'])} while it "
        "works)."
    )
    terminal.say(f"Next: {document['next']}")


def _show_classes(document: Mapping[str, Any], terminal: Terminal) -> None:
    classes = document["classes"]
    if not classes:
        return
    columns = list(document["splits"])
    rows = [[name, *(f"{counts[column]:,}" for column in columns)] for name, counts in classes.items()]
    if len(rows) > ROWS:
        rows = [*rows[: ROWS - 1], [f"({len(rows) - ROWS + 1:,} more)", *("" for _ in columns)]]
    terminal.table("labelled images", ["class", *columns], rows)


def _what_they_are(document: Mapping[str, Any]) -> list[str]:
    def listed(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counts.items())

    lines = []
    if document["smallest"]:
        smallest, largest = (f"{h} x {w}" for h, w in (document["smallest"], document["largest"]))
        sizes = smallest if document["different_sizes"] == 1 else f"{smallest} to {largest}"
        lines.append(f"sizes (height x width): {sizes}, {document['different_sizes']:,} different")
        lines.append(f"kinds: {listed(document['modes'])}; files: {listed(document['formats'])}")
    if document["columns"]:
        columns = ", ".join(f"{name} ({len(values)} values)" for name, values in document["columns"].items())
        lines.append(f"slices that an evaluation will show: {columns}")
    others = [row for row in document["aside"] if not row["advice"]]
    if others:
        lines.append("no images: " + ", ".join(f"{row['count']:,} {row['kind']}" for row in others[:6]))
    return lines


def worries(document: Mapping[str, Any]) -> list[str]:
    """All that is not as it should be, a sentence each, what spoils an evaluation first."""
    found = []
    if same := document["across_splits"]["images"]:
        first = " and ".join(map(repr, document["across_splits"]["first"][0][:2]))
        found.append(
            f"{same:,} held-out image(s) have the same pixels as a training image ({first}): they leave the "
            "training split, else the error would be told too low."
        )
    near = document["near_duplicates"]
    if near["across_splits"]:
        first = " and ".join(map(repr, near["first_across_splits"][0]))
        found.append(
            f"{near['across_splits']:,} pair(s) of nearly the same picture lie in different splits "
            f"({first}): the error may be told too low. Put series of one scene into one split."
        )
    if near["pairs"] > near["across_splits"]:
        first = " and ".join(map(repr, near["first"][0]))
        found.append(
            f"{near['pairs'] - near['across_splits']:,} pair(s) of nearly the same picture in one split "
            f"({first}): a test split that is drawn from it may part them."
        )
    if copies := document["duplicates"]["images"]:
        first = " and ".join(map(repr, document["duplicates"]["first"][0][:2]))
        found.append(f"{copies:,} image(s) repeat the pixels of another ({first}).")
    if groups := document["under_two_labels"]["groups"]:
        first = " and ".join(map(repr, document["under_two_labels"]["first"][0][:2]))
        found.append(f"{groups:,} picture(s) stand under two labels ({first}): neither will be used.")
    for name, what in (
        ("constant", "show nothing: all of their pixels are the same"),
        ("tiny", "have a side of fewer than 8 pixels"),
        ("turned", "are turned by their Exif orientation, and will be upright"),
    ):
        if count := document[name]["count"]:
            found.append(f"{count:,} image(s) {what} ({_names(document[name]['first'], count)}).")
    found += [
        f"{row['count']:,} will be skipped: {row['kind']} ({_names(row['first'], row['count'])})."
        for row in document["skipped"][:6]
    ]
    found += [
        f"{row['count']:,} {row['kind']} are not read: {row['advice']} "
        f"({_names(row['first'], row['count'])})."
        for row in document["aside"]
        if row["advice"]
    ]
    if document["no_slices"]:
        found.append(f"{document['no_slices']}.")
    return found + document["doubts"]


def _names(first: Sequence[str], count: int) -> str:
    return ", ".join(first[:_FEW]) + (", ..." if count > _FEW else "")


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
