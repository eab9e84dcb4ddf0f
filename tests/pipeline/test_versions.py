"""Exported versions: a number keeps its content, and a new content does not take away an old one."""

import pytest

from pipeline.errors import UsageError
from pipeline.exported.layout import MADE_FROM_FILE
from pipeline.exported.versions import carry_over, choose_version, contents_of, why_again, write_made_from


def make(export, number, content=None, kinds=("classifier", "generator")):
    for kind in kinds:
        folder = export / kind / str(number)
        (folder / MADE_FROM_FILE).parent.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"{kind} {number}")
        if content:
            write_made_from(folder, content)


@pytest.fixture
def export(tmp_path):
    """Version 1 by a release that wrote no content, 2 and 5 of a and b, 5 without a generator."""
    make(tmp_path / "export", 1)
    make(tmp_path / "export", 2, "a")
    make(tmp_path / "export", 5, "b", ("classifier",))
    (tmp_path / "export" / "classifier" / "notes").mkdir()
    return tmp_path / "export"


def test_the_number_of_a_version(export):
    there = contents_of(export)
    assert there == {1: None, 2: "a", 5: "b"}
    assert choose_version({}, "a") == 1
    assert choose_version(there, "b") == 5
    # the newest is what is served: what was there before is new again
    assert choose_version(there, "a") == choose_version(there, "c") == 6
    assert choose_version(there, "a", 3) == 3


def test_what_is_there_serves_unless_its_number_or_count_is_not_as_asked(export):
    assert why_again(export, "b", None, None) == why_again(export, "b", 5, 3) == []
    assert why_again(export, "b", 3, None) and why_again(export, "b", None, 2)
    assert why_again(export.parent / "none", "b", None, 2) == []
    for wanted in (1, 2):
        with pytest.raises(UsageError, match=f"version {wanted} .*does not change.*the next number, 6"):
            why_again(export, "b", wanted, None)


@pytest.mark.parametrize(
    ("new", "keep", "versions"),
    [(6, None, [1, 2, 5, 6]), (6, 2, [5, 6]), (6, 1, [6]), (5, None, [1, 2, 5]), (3, 2, [3, 5])],
)
def test_versions_stay(export, tmp_path, new, keep, versions):
    output = tmp_path / "output"
    make(output, new, "c")
    found, damaged = carry_over(export, output, new=new, keep=keep, is_intact=lambda below: True)
    assert (found, damaged, list(contents_of(output))) == (versions, [], versions)
    for number in set(versions) - {new}:
        path = f"classifier/{number}/saved_model.pb"
        assert (output / path).samefile(export / path)
    assert (output / "generator" / "5").exists() == (new == 5)


def test_a_damaged_version_stays_behind(export, tmp_path):
    output = tmp_path / "output"
    make(output, 6, "c")
    found, damaged = carry_over(
        export, output, new=6, keep=None, is_intact=lambda below: below != "generator/2/"
    )
    assert (found, damaged) == ([1, 2, 5, 6], ["generator/2"])
    assert not (output / "generator" / "2").exists()
