"""Classes at the door: shown with their numbers, doubted where they look wrong, taken when told to."""

from __future__ import annotations

import dataclasses
import io
import sys

import numpy as np
import pytest

from pipeline.chain.config import load_config
from pipeline.chain.plan import plan_run
from pipeline.errors import DataError, UsageError, exit_code
from pipeline.sources.doubts import find_doubts
from pipeline.sources.npz import Npz
from pipeline.sources.source import FOLDERS, ITSELF, LABEL_FILE, LISTED, Source
from pipeline.stages.preprocess.intake import DOUBTS, ROWS, admit_classes, show_classes, tell_folds
from pipeline.terminal import Terminal
from pipeline.workspace import Workspace


@pytest.mark.parametrize(
    "counts",
    [
        {"cat": 300, "bat": 2, "dog": 300},
        {"a": 100, "b": 2},
        {"1": 400, "7": 2, "10": 300},
        {"class1": 300, "class2": 2, "class10": 90},
        {"site 1 1": 90, "site 11": 80},
        {"1 11": 50, "11 1": 50},
        {"plane": 900, "truck": 50, "trucx": 40, "bus": 400, "car": 400},
        {"old": 70, "new": 10, "other": 20},
        {"ok": 80, "defect": 20},
        {"photo": 50, "drawing": 50},
    ],
)
def test_classes_as_they_are_in_good_data_are_not_doubted(counts):
    for origin in (FOLDERS, LABEL_FILE, ITSELF):
        assert find_doubts(counts, origin=origin) == []


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"truck": 240, "trucx": 2}, ["'trucx' (2 images) is one letter away from 'truck' (240"]),
        ({"truck": 240, "trucks": 20}, ["'trucks'", "one letter"]),
        ({"truck": 240, "rtuck": 20}, ["'rtuck'", "one letter"]),
        ({"Cat": 50, "cat": 60}, ["'Cat' (50 images), 'cat' (60 images) differ only by case", "one folder"]),
        ({"hot dog": 50, "hot  dog": 60, "hot_dog": 9}, ["'hot dog'", "'hot  dog'", "'hot_dog'"]),
        ({"cat ": 50, "cat": 60}, ["'cat '", "spaces"]),
        ({"cat": 50, "dog": 60, "NA": 8}, ["'NA' (8 images) is called", "--unlabelled-folders NA"]),
        ({"cat": 50, "dog": 60, "Unsorted": 8}, ["'Unsorted'", "--unlabelled-folders Unsorted"]),
        ({"cat": 50, "dog": 60, "new folder (2)": 500}, ["a place", "-folders 'new folder (2)'"]),
        ({"cat": 50, "dog": 60, "100CANON": 500}, ["'100CANON' holds 500 of the 610 images", "place"]),
        ({"cat": 50, "dog": 60, "lisbon": 2500}, ["'lisbon' holds 2,500", "--unlabelled-folders lisbon"]),
        ({"cat": 50, "dog": 60, "ant": 1}, ["The class 'ant' has one image only", "add images"]),
        ({"cat": 1, "dog": 1, "ant": 9, "bee": 9}, ["2 classes ('cat', 'dog') have one image only"]),
    ],
)  # fmt: skip
def test_a_doubt_names_the_class_its_number_and_what_to_do(counts, words):
    (doubt,) = find_doubts(counts, origin=FOLDERS)
    for word in words:
        assert word in doubt


@pytest.mark.parametrize("name", ["NA", "N/A", "nan", "null", "None", "?", "-", "unknown", "no label"])
def test_names_of_missing_labels_are_doubted_in_a_label_file_too(name):
    (doubt,) = find_doubts({"cat": 50, "dog": 60, name: 9}, origin=LABEL_FILE)
    assert repr(name) in doubt and "leave the label empty" in doubt
    # a pile is one of files: who writes a label means it
    assert find_doubts({"cat": 5, "trip": 600}, origin=LABEL_FILE) == []


def test_listed_classes_are_not_doubted_by_their_names():
    assert find_doubts({"trip": 900, "unknown": 30, "Trip": 9}, origin=LISTED) == []
    empty, near = find_doubts({"truck": 240, "dgo": 0}, origin=LISTED, passed_over={"dog": 9, "trucx": 2})
    assert "'dgo' of --classes has no image" in empty and "Did you mean 'dog'?" in empty
    assert "'trucx' (2 images) is nearly called like the class 'truck'" in near


def test_very_many_classes_are_looked_at_in_bounded_time():
    counts = {f"species number {i}": 1 + i % 50 for i in range(5_000)}
    assert len(find_doubts(counts, origin=FOLDERS)) == 1


class Typed(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


@dataclasses.dataclass(frozen=True)
class Listing(Source):
    """Labels without images."""

    counts: dict[str, int]
    others: dict[str, int] | None = None
    empty_folders: tuple[str, ...] = ()
    name = "listing"

    @property
    def classes_from(self):
        return FOLDERS if self.others is None else LISTED

    @property
    def passed_over(self):
        return self.others or {}

    def splits(self):
        return {"train": sum(self.counts.values())}

    def class_names(self):
        return tuple(self.counts)

    def digest(self):
        return ""

    def read(self, split, start, stop):
        raise AssertionError("an image was read")

    def labels(self, split):
        for label, count in enumerate(self.counts.values()):
            yield from [("", label)] * count


DOUBTFUL = Listing({"cat": 30, "dog": 30, "Inbox": 2500, "NA": 7})


def admitted(source, *, typed=None, yes=False, terminal=None):
    terminal = terminal or Terminal(io.StringIO() if typed is None else Typed())
    try:
        admit_classes(source, terminal, dataset="folder:x", yes=yes)
    finally:
        said = terminal.stream.getvalue()
    return said


def test_the_classes_are_shown_with_their_numbers():
    said = admitted(Listing({"cat": 300, "dog": 1200}))
    rows = [line.split() for line in said.splitlines()]
    assert ["class", "train"] in rows and ["cat", "300"] in rows and ["dog", "1,200"] in rows
    assert "(no label)" not in said


def test_folders_that_are_none_of_the_listed_classes_are_said():
    folders = {f"place {i}": i for i in range(1, 10)} | {"doge": 40}
    source = Listing({"cat": 30, "dog": 30}, others=folders)
    said = admitted(source)
    assert "'doge' (40 images; did you mean 'dog'?); 'place 9' (9 images)" in said and "and 5 more" in said


def test_folders_in_which_nothing_lies_are_said():
    said = admitted(Listing({"cat": 30, "dog": 30}, empty_folders=("horse", *(f"x{i}" for i in range(9)))))
    assert "'horse'" in said and "and 5 more" in said


def test_cross_fitting_and_its_price_are_said_once_before_the_work():
    terminal = Terminal(io.StringIO())
    for _ in range(2):
        tell_folds(Listing({"cat": 30, "dog": 30}), 5, terminal)
    said = terminal.stream.getvalue()
    assert said.count("each of 60 labelled images") == 1 and "6 are trained" in said and "--folds 0" in said


def test_on_a_pipe_all_doubts_are_listed_and_nothing_goes_on():
    with pytest.raises(DataError) as caught:
        admitted(DOUBTFUL)
    text = str(caught.value)
    assert exit_code(caught.value) == 3
    for word in ("'folder:x'", "'Inbox'", "'NA'", "--unlabelled-folders Inbox", "--classes", "--yes"):
        assert word in text


def test_yes_says_the_doubts_and_goes_on():
    assert admitted(DOUBTFUL, yes=True).count("warning:") == 2


@pytest.mark.parametrize(("answer", "taken"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)])
def test_at_a_terminal_somebody_is_asked_once_in_a_command(monkeypatch, answer, taken):
    monkeypatch.setattr(sys, "stdin", Typed(answer))
    terminal = Terminal(Typed())
    if not taken:
        with pytest.raises(DataError, match="doubtful"):
            admitted(DOUBTFUL, terminal=terminal)
        return
    said = admitted(DOUBTFUL, terminal=terminal)
    assert "Take the classes as they are? [y/N]" in said and "'Inbox'" in said
    # a second draw of the same data
    assert admitted(DOUBTFUL, terminal=terminal) == said


def test_who_wants_quiet_is_not_asked(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Typed("y\n"))
    with pytest.raises(DataError):
        admitted(DOUBTFUL, terminal=Terminal(Typed(), quiet=True))


def test_doubts_and_rows_without_end_are_cut():
    source = Listing({f"word{i}": 2 for i in range(50)} | {f"Word{i}": 2 for i in range(50)})
    with pytest.raises(DataError, match=f"And {50 - DOUBTS} more of this kind"):
        admitted(source)
    terminal = Terminal(io.StringIO())
    show_classes("classes:", ["train"], [(f"c{i}", [i]) for i in range(1000)], terminal)
    lines = terminal.stream.getvalue().splitlines()
    assert len(lines) == ROWS + 4
    (rest,) = [line for line in lines if "more)" in line]
    shown = sum(int(line.split()[1].replace(",", "")) for line in lines[3:] if line != rest)
    assert shown + int(rest.split()[-1].replace(",", "")) == sum(range(1000))


def test_yes_decides_nothing_and_the_classes_do(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 4, 4), np.uint8), y_train=[0, 0, 1, 1])

    def fingerprint(*overrides):
        config = load_config(overrides=[f"data.dataset=npz:{tmp_path / 'a.npz'}", *overrides])
        return plan_run(config, Workspace(tmp_path))[0].fingerprint

    assert fingerprint() == fingerprint("data.yes=true")
    for text in ("classes=cat", "classes=cat,cat", "unlabelled_folders=a,,b"):
        with pytest.raises(UsageError, match=f"data.{text.partition('=')[0]} must be .*names"):
            load_config(overrides=[f"data.{text}"])
    names = load_config(overrides=["data.classes=dog,cat"]).data.source_options["classes"]
    assert names == ("dog", "cat")
    with pytest.raises(UsageError, match="--classes belongs to folder"):
        fingerprint("data.classes=dog,cat")


def test_class_names_of_arrays_are_doubted_too(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        x_train=np.zeros((20, 4, 4), np.uint8),
        y_train=[0] * 9 + [1] * 9 + [2] * 2,
        class_names=["cat", "dog", "n/a"],
    )
    from pipeline.sources.catalog import open_source

    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert isinstance(source, Npz)
    with pytest.raises(DataError, match="'n/a' .* give its images the label -1"):
        admitted(source)
