"""Variants in a benchmark: their names, settings and folders, and each row against the first one."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from test_benchmark import document

from pipeline.benchmark import against as module
from pipeline.benchmark.against import against
from pipeline.benchmark.asked import Asked, settle
from pipeline.benchmark.cells import Cell, Planned, workspaces
from pipeline.benchmark.page import against_sentences, columns, markdown, page, table_rows
from pipeline.benchmark.variants import LONGEST, parse_recipes
from pipeline.errors import UsageError
from pipeline.reporting.predictions import Predictions

GIVEN = {"recipes": "ssgan,narrow=ssgan", "labels_per_class": "10,2", "draws": "2"}
NARROW = ["ssgan.learning_rate=0.01", "narrow.width=0.25", "narrow.preset=full"]


def test_a_variant_has_the_settings_of_its_recipe_and_then_its_own(tmp_path):
    asked = settle(tmp_path, GIVEN, overrides=NARROW)
    plain, narrow = (asked.config(name, 10) for name in asked.recipes)
    assert (plain.train.recipe, plain.train.preset, plain.recipe) == (
        "ssgan",
        "small",
        {"learning_rate": 0.01},
    )
    assert (narrow.train.recipe, narrow.train.preset) == ("ssgan", "full")
    assert narrow.recipe == {"learning_rate": 0.01, "width": 0.25}
    assert asked.changed() == ["ssgan.learning_rate=0.01"]
    assert asked.variants_in_words() == {"narrow": "ssgan with recipe.width=0.25, train.preset=full"}
    # the recipe need not be a row itself
    alone = settle(tmp_path, {**GIVEN, "recipes": "narrow=ssgan"}, overrides=NARROW)
    assert alone.config("narrow", 10) == narrow


def test_no_two_rows_of_a_recipe_share_a_folder_or_a_file(tmp_path):
    names = ("ssgan", "sgan", "narrow", "labels-10", "labels-10-seed-0")
    asked = Asked(names, (2, 10), 2, 0, {}, variants=dict.fromkeys(names[2:], "ssgan"))
    folders = {workspace.root.name: first for workspace, first in workspaces(asked, tmp_path).items()}
    assert folders == {
        "labels-2": ("ssgan", 2),
        "labels-2-narrow": ("narrow", 2),
        "labels-2-labels-10": ("labels-10", 2),
        "labels-2-labels-10-seed-0": ("labels-10-seed-0", 2),
        "labels-10": ("ssgan", 10),
        "labels-10-narrow": ("narrow", 10),
        "labels-10-labels-10": ("labels-10", 10),
        "labels-10-labels-10-seed-0": ("labels-10-seed-0", 10),
    }
    cells = [
        Planned(Cell(name, budget, seed), tmp_path, [], asked.variants.get(name))
        for name in names
        for budget in asked.budgets
        for seed in asked.seeds
    ]
    files = [file for cell in cells for file in (cell.result, cell.log, cell.claim)]
    assert len(set(files)) == len(files)
    # recipes share prepared data, variants share none
    shared = {(cell.workspace.root, cell.cell.seed): cell.data_claim for cell in cells}
    assert len(set(shared.values())) == len(shared) and not set(files) & set(shared.values())


@pytest.mark.parametrize(
    ("recipes", "overrides", "words"),
    [
        ("ssgan,narrow=ssgann", [], ["unknown recipe 'ssgann'", "Did you mean 'ssgan'"]),
        ("narrow", [], ["unknown recipe 'narrow'", "A variant is NAME=RECIPE"]),
        ("narrow=dcgan", [], ["'dcgan' is unsupervised"]),
        ("ssgan,sgan=ssgan", [], ["'sgan' is a recipe's own name", "sgan-2"]),
        ("ssgan,Gan=ssgan", [], ["'Gan' is a recipe's own name"]),
        ("ssgan,train=ssgan", [], ["'train' cannot name a variant", "train-2"]),
        ("ssgan,recipe=ssgan", [], ["'recipe' cannot name a variant"]),
        ("a=ssgan,A=ssgan", [], ["variant twice", "'A'"]),
        ("ssgan,../x=ssgan", [], ["letters, digits", "'../x'", "narrow=ssgan"]),
        ("ssgan,=ssgan", [], ["letters, digits", "''"]),
        (f"ssgan,{'a' * (LONGEST + 1)}=ssgan", [], [f"at most {LONGEST}"]),
        ("ssgan,é=ssgan", [], ["letters, digits", "'é'"]),
        ("ssgan,narrow=ssgan", [], ["'narrow' has no settings of its own", "--set narrow.KEY=VALUE"]),
        ("ssgan,narrow=ssgan", ["narow.width=1"], ["no recipe or variant 'narow'", "Did you mean 'narrow'"]),
        ("ssgan,narrow=ssgan", ["trian.steps=1"], ["'trian'", "Did you mean 'train'"]),
        ("ssgan,narrow=ssgan", ["narrow.widht=1"], ["variant narrow", "'recipe.widht'", "'width'"]),
        ("ssgan,narrow=ssgan", ["narrow.width=-1"], ["variant narrow", "width", "-1"]),
        ("ssgan,narrow=ssgan", ["narrow.preset=small"], ["(ssgan with train.preset=small)", "'ssgan'"]),
        ("ssgan,narrow=ssgan", ["ssgan.width=0.25", "narrow.width=0.25"], ["says the same as 'ssgan'"]),
        ("ssgan,a=ssgan,b=ssgan", ["a.width=0.125", "b.width=0.125"], ["'b'", "says the same as 'a'"]),
    ],
)
def test_mistakes_with_variants(tmp_path, recipes, overrides, words):
    with pytest.raises(UsageError) as error:
        settle(tmp_path, {**GIVEN, "recipes": recipes}, overrides=overrides)
    for word in words:
        assert word in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_variants_are_kept_and_may_become_more(tmp_path):
    asked = settle(tmp_path, GIVEN, overrides=NARROW)
    asked.save(tmp_path)
    assert Asked.load(tmp_path) == asked == settle(tmp_path, {}) == settle(tmp_path, GIVEN, overrides=NARROW)
    # one that is there is known by its name
    more = settle(tmp_path, {**GIVEN, "recipes": "ssgan,narrow,wide=ssgan"}, overrides=["wide.width=1.5"])
    assert more == replace(
        asked,
        recipes=("ssgan", "narrow", "wide"),
        own={**asked.own, "wide": {"width": 1.5}},
        variants={"narrow": "ssgan", "wide": "ssgan"},
    )


@pytest.mark.parametrize(
    ("given", "overrides", "words"),
    [
        ({"recipes": "ssgan"}, [], "variant narrow left out"),
        ({"recipes": "ssgan,narrow=sgan"}, [], "narrow of ssgan -> of sgan"),
        ({}, ["narrow.width=0.5"], "narrow.width 0.25 -> 0.5"),
        # of the recipe's settings a variant has a part
        ({}, ["ssgan.learning_rate=0.02"], "narrow.learning_rate 0.01 -> 0.02"),
    ],
)
def test_a_variant_that_is_there_may_not_change(tmp_path, given, overrides, words):
    settle(tmp_path, GIVEN, overrides=NARROW).save(tmp_path)
    with pytest.raises(UsageError, match="holds another benchmark") as error:
        settle(tmp_path, given, overrides=overrides)
    assert words in str(error.value)


def test_a_recipe_may_not_get_settings_that_a_variant_of_it_would_have(tmp_path):
    settle(tmp_path, {**GIVEN, "recipes": "narrow=ssgan"}, overrides=["narrow.width=0.125"]).save(tmp_path)
    with pytest.raises(UsageError, match=r"narrow.learning_rate default -> 0.5"):
        settle(tmp_path, {"recipes": "narrow,ssgan"}, overrides=["ssgan.learning_rate=0.5"])


def test_a_file_from_before_there_were_variants_is_read_and_a_hostile_one_is_not(tmp_path):
    asked = settle(tmp_path, {**GIVEN, "recipes": "ssgan"})
    asked.save(tmp_path)
    file = tmp_path / "benchmark.yaml"
    assert "variants: {}\n" in (text := file.read_text())
    file.write_text(text.replace("variants: {}\n", ""))
    assert Asked.load(tmp_path) == asked
    for hostile in ("{../../x: ssgan}", "{1: ssgan}", "{x: [ssgan]}", "[a]", "null"):
        file.write_text(text.replace("variants: {}\n", f"variants: {hostile}\n"))
        with pytest.raises(UsageError, match="not as ganpipe wrote it"):
            Asked.load(tmp_path)


def test_names_are_read_with_spaces_around_them():
    assert parse_recipes(" ssgan , a = ssgan ") == (("ssgan", "a"), {"a": "ssgan"})


@dataclass(frozen=True)
class Made:
    """A finished cell as far as a comparison looks at it."""

    cell: Cell
    answers: Predictions


@pytest.fixture
def cells(monkeypatch):
    """Makes cells of a row from what is right on which images, by seed."""
    monkeypatch.setattr(module, "_answers", lambda job: job.answers)

    def make(name, rights, images=None):
        found = []
        for seed, right in rights.items():
            labels = np.zeros(len(right), int)
            probabilities = np.eye(2)[np.where(right, 0, 1)]
            digests = np.array(images or [f"{n}" for n in range(len(right))])
            found.append(Made(Cell(name, 10, seed), Predictions([], labels, probabilities, digests)))
        return found

    return make


def rights(errors, count=400):
    """Of each draw which answers are right: all but the first so many."""
    return {seed: np.arange(count) >= wrong for seed, wrong in enumerate(errors)}


def test_each_row_is_compared_with_the_first_one_on_the_draws_of_both(cells):
    first = cells("few", rights([4, 8, 6, 5, 7, 9]))
    other = cells("without", rights([24, 30, 25, 26, 27]))
    found = against(first, other)
    assert (found["recipe"], found["seeds"]) == ("few", [0, 1, 2, 3, 4])
    assert found["differences"] == pytest.approx([n / 400 for n in (20, 22, 19, 21, 20)])
    assert found["mean"] == pytest.approx(np.mean(found["differences"]))
    low, high = found["interval"]
    assert 0 < low < found["mean"] < high
    assert found["by_draw"][0] == {"first_only": 0, "second_only": 20, "chance": pytest.approx(0.0, abs=1e-4)}
    assert found["verdict"] == (
        f"against few: +5.10 points of error, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}: more than "
        "the noise of the draws and of the test images."
    )
    # the other way round it is the same, with the other sign
    back = against(other, first)
    assert back["mean"] == pytest.approx(-found["mean"])
    assert back["interval"] == pytest.approx([-high, -low])


def test_what_a_comparison_with_the_first_row_can_say(cells):
    first = cells("few", rights([4, 8]))
    assert "no difference" in against(first, cells("same", rights([4, 8])))["verdict"]
    assert (
        "2 draws are too few"
        in against(cells("a", rights([0, 0])), cells("b", rights([400, 400])))["verdict"]
    )
    one = against(first, cells("other", rights([6])))
    assert one["interval"] is None and "cannot tell the two apart" in one["verdict"]
    assert one["verdict"].startswith("against few: +0.50 points of error; ")
    # draws of other test images are none in common
    assert against(first, cells("other", rights([4, 8]), images=["x"] * 400)) is None
    assert against(first, cells("other", {7: np.ones(400, bool)})) is None


def test_the_table_names_variants_and_what_they_change(tmp_path):
    shown = document(published_too=False)
    plain = columns(shown)
    paired = {"recipe": "a<b", "mean": 0.0031, "interval": [-0.001, 0.007], "verdict": "against a<b: worse."}
    more = [{**row, "recipe": "narrow", "variant_of": "a<b", "against": paired} for row in shown["rows"]]
    shown["rows"] = [*shown["rows"], *more]
    shown["variants"] = [
        {"name": "narrow", "recipe": "a<b", "own": {"width": 1}, "words": "a<b with recipe.width=1"}
    ]
    assert columns(shown) == (*plain, "error against a<b, points", "error against a<b, 95 %")
    rows = table_rows(shown)
    assert [row[-2:] for row in rows] == [("", "")] * 2 + [("+0.31", "-0.10 to +0.70")] * 2
    assert against_sentences(shown)[0] == ("narrow, 2 labels a class", "against a<b: worse.")
    asked = Asked(("a<b", "narrow"), (2, 10), 2, 100, {}, variants={"narrow": "a<b"})
    text, html = markdown(shown), page(shown, asked, tmp_path)
    assert "- narrow: a<b with recipe.width=1" in text and "a&lt;b with recipe.width=1" in html
    for words in ("+0.31", "-0.10 to +0.70", "narrow, 10 labels a class"):
        assert words in text and words in html
    assert "labels-10-narrow --recipe a&lt;b" in html and "a<b" not in html
    assert "What does each variant change?" in html
    # without variants nothing of it is there
    assert "each variant" not in page(document(), Asked(("a<b",), (2, 10), 2, 100, {}), tmp_path)
