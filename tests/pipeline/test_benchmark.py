"""`ganpipe benchmark`: the mathematics of its table and curve, budgets, claims, and who works on what."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from rows_one_by_one import Row, findings_of

from pipeline.benchmark import claims
from pipeline.benchmark.asked import Asked, check_folder, settle
from pipeline.benchmark.budgets import check_budgets, halvings, labels_there
from pipeline.benchmark.cells import Cell
from pipeline.benchmark.claims import claimed
from pipeline.benchmark.curve import Gain, fit, gain
from pipeline.benchmark.label_chart import LabelSeries, PublishedSeries, errors_by_labels_chart
from pipeline.benchmark.page import curve_sentences, markdown, page, sentences
from pipeline.benchmark.published import PUBLISHED, digest_of, is_mnist
from pipeline.benchmark.table import Spread, progress
from pipeline.benchmark.work import Board, work
from pipeline.errors import DataError, TrainingDiverged, UsageError
from pipeline.stages.preprocess.draw import draw
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.workspace import Workspace


def test_spread_by_hand():
    found = Spread.of([0.01, 0.02, 0.06])
    assert (found.mean, found.median, found.worst) == pytest.approx((0.03, 0.02, 0.06))
    assert found.deviation == pytest.approx(np.std([0.01, 0.02, 0.06], ddof=1))
    assert Spread.of([0.5]).deviation is None


def draws_of(law, labels, noise, draws=5, seed=0):
    """Errors [draws, M] that scatter about a curve."""
    numbers = np.random.default_rng(seed)
    true = np.array([law(n) for n in labels])
    return true * np.exp(numbers.normal(size=(draws, len(labels))) * noise)


def test_a_power_law_is_found_again():
    labels = [5, 10, 20, 40]
    errors = np.array([0.02 + 0.6 * n**-0.8 for n in labels])
    law = fit(labels, errors, np.full(4, 0.01))
    assert (law.a, law.b, law.c) == pytest.approx((0.02, 0.6, 0.8), rel=1e-3)
    assert law(80) == pytest.approx(0.02 + 0.6 * 80**-0.8, rel=1e-4)


def test_what_more_labels_would_bring_holds_the_truth_and_narrows_with_the_noise():
    labels = [5, 10, 20, 40]

    def law(n):
        return 0.02 + 0.6 * n**-0.8

    true = law(40) - law(90)
    loud, quiet = (gain(labels, draws_of(law, labels, noise), 1000) for noise in (0.2, 0.02))
    for told in (loud, quiet):
        assert isinstance(told, Gain) and (told.largest, told.more) == (40, 50)
        assert told.interval[0] <= true <= told.interval[1]
        assert told.interval[0] <= told.drop <= told.interval[1]
        assert "Another 50 labels a class would bring about" in told.sentence()
        assert told.parts["c"][0] <= told.law.c <= told.parts["c"][1]
    assert np.diff(quiet.interval) < np.diff(loud.interval) / 3
    # beyond four times the largest budget it is not asked
    near = gain([2, 4, 8], draws_of(law, [2, 4, 8], 0.02), 1000)
    assert near.more == 8 and "too far to say" in near.sentence()


@pytest.mark.parametrize(
    ("labels", "draws", "words"),
    [
        ([5, 20], 5, "wants 3 budgets"),
        ([5, 10, 20], 4, "4 draws are too few"),
        ([10, 12, 14], 5, "too near to each other"),
        ([5, 10, 20], 5, "cannot say what more labels would bring"),
    ],
)
def test_a_curve_is_refused_where_the_draws_cannot_tell(labels, draws, words):
    told = gain(labels, draws_of(lambda n: 0.1, labels, 0.3, draws), 1000)
    assert isinstance(told, str) and words in told


@dataclass(frozen=True)
class Listing:
    """A source as far as budgets look at it: how many labelled images of each class."""

    counts: dict
    tested: dict = field(default_factory=dict)

    def splits(self):
        return {"train": 1, **({"test": 1} if self.tested else {})}

    def class_names(self):
        return tuple(self.counts)

    def labels(self, split):
        counts = self.counts if split == "train" else self.tested
        names = list(self.counts)
        return ((f"{n}", names.index(name)) for name, count in counts.items() for n in range(count))


def test_labels_that_are_left_are_those_of_the_draw():
    source = Listing({"cat": 20, "dog": 9})
    assert labels_there(source, DataConfig(test_rate=0.2, folds=0)) == {"cat": 16, "dog": 7}
    assert labels_there(source, DataConfig(folds=0, validation_rate=0.1)) == {"cat": 14, "dog": 6}
    assert labels_there(Listing(source.counts, {"cat": 1}), DataConfig()) == source.counts
    # what is set aside for a promise is not there to be trained on
    aside = DataConfig(folds=0, certify_rate=0.3, validation_rate=0.1, labels_per_class="all")
    items = [
        Row(f"{label}{n:031}", f"{label}-{n}", label)
        for label, count in enumerate(source.counts.values())
        for n in range(count)
    ]
    there = draw(findings_of({"train": items}), class_names=source.class_names(), config=aside, seed=0).of(
        "train"
    )
    assert labels_there(source, aside) == {
        name: sum(m.label == label for m in there) for label, name in enumerate(source.counts)
    }
    folded = labels_there(source, DataConfig(folds=5))
    tested = [
        draw(
            findings_of({"train": items}),
            class_names=source.class_names(),
            config=DataConfig(folds=5, labels_per_class="all"),
            seed=3,
            fold=fold,
        ).of("test")
        for fold in range(5)
    ]
    for label, name in enumerate(source.counts):
        most = max(sum(m.label == label for m in members) for members in tested)
        assert folded[name] == source.counts[name] - most


def test_budgets_are_checked_and_chosen():
    check_budgets([2, 7], {"cat": 16, "dog": 7}, "folder:x")
    with pytest.raises(DataError, match=r"class 'dog' of 'folder:x' has 7 .*Budgets that go: 2, 7"):
        check_budgets([2, 7, 8], {"cat": 16, "dog": 7}, "folder:x")
    assert halvings({"cat": 50, "dog": 33}) == (4, 8, 16, 33)
    assert halvings({"cat": 8}) == (2, 4, 8)
    with pytest.raises(DataError, match="class 'dog' has 7 .* and 8 would do"):
        halvings({"cat": 50, "dog": 7})


def test_published_values_are_shown_for_mnist_only():
    assert is_mnist("tfds:mnist", []) and is_mnist("tfds:mnist:3.0.1", [])
    for other in ("tfds:fashion_mnist", "tfds:mnist_corrupted", "folder:/data/mnist", "npz:mnist.npz"):
        assert not is_mnist(other, ["a", "b"])
    assert digest_of(["a", "b"]) == digest_of(["b", "a"]) != digest_of(["a"])
    errors = {one.system: one.errors for one in PUBLISHED}
    assert errors["Improved GAN"] == {20: (16.77, 4.52), 50: (2.21, 1.36), 100: (0.93, 0.065)}
    assert errors["Triple-GAN"] == {20: (4.81, 4.95), 50: (1.56, 0.72), 100: (0.91, 0.58)}
    assert errors["Bad GAN"] == {100: (0.795, 0.098)}


def test_mnist_is_known_by_its_test_images_from_any_files(mnist_folder):
    from pipeline.sources.catalog import open_source
    from pipeline.sources.source import pixel_digest

    source = open_source(f"idx:{mnist_folder}")
    digests = [pixel_digest(item.pixels) for item in source.read("test", 0, 10_000)]
    assert is_mnist(f"idx:{mnist_folder}", digests)
    assert not is_mnist(f"idx:{mnist_folder}", digests[1:])


HOLD = """
import sys, time
from pathlib import Path
from pipeline.benchmark.claims import claimed
with claimed(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds):
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_processes_that_race_one_has_the_claim_and_a_killed_one_has_it_no_more(tmp_path):
    path = tmp_path / "cell.claim"
    racing = [hold(path, 60) for _ in range(3)]
    said = sorted(process.stdout.readline().strip() for process in racing)
    assert said == ["False", "False", "True"]
    with claimed(path) as mine:
        assert not mine
    for process in racing:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert path.exists(), "a killed process cannot tidy"
    with claimed(path) as mine:
        assert mine
    assert not path.exists() and list(tmp_path.iterdir()) == []


def test_a_claim_of_another_machine_holds_as_long_as_it_is_renewed(tmp_path, monkeypatch):
    path = tmp_path / "cell.claim"
    path.write_text(json.dumps({"machine": "elsewhere/1", "process": 1, "token": "theirs"}))
    with claimed(path, stale=100) as mine:
        assert not mine
    old = time.time() - 101
    os.utime(path, (old, old))
    with claimed(path, stale=100, beat=0.01) as mine:
        assert mine and json.loads(path.read_text())["machine"] == claims.machine()
        before = path.stat().st_mtime_ns
        time.sleep(0.1)
        assert path.stat().st_mtime_ns > before, "it is renewed while it is held"
        # taken over while this one stood still: it is not ours to remove
        path.write_text(json.dumps({"machine": "elsewhere/1", "token": "theirs"}))
    assert path.exists()


@dataclass
class Stub:
    """A cell that notes its runs in a file, and can be killed or fail."""

    cell: Cell
    folder: Path
    fails: Exception | None = None
    ran: list = field(default_factory=list)

    @property
    def result(self):
        return self.folder / f"{self.cell.name}.json"

    def finished(self):
        return json.loads(self.result.read_text()) if self.result.exists() else None

    def run(self):
        with claimed(self.folder / f".{self.cell.name}.claim") as mine:
            if not mine or self.finished():
                return False
            self.ran.append(self.cell)
            if self.fails:
                raise self.fails
            models = {"recipe": {"error": 0.1, "seconds": 2}, "baseline": {"error": 0.3, "seconds": 1}}
            self.result.write_text(json.dumps({"models": models}))
            return True


def stubs(folder, **fails):
    return [
        Stub(Cell(recipe, budget, seed), folder, fails.get(f"{recipe}_{budget}_{seed}"))
        for seed in (100, 101)
        for budget in (2, 5)
        for recipe in ("ssgan", "sgan")
    ]


def test_what_is_finished_is_not_run_again_and_a_stopped_job_goes_on(tmp_path):
    first = stubs(tmp_path, sgan_2_101=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        work(Board(first))
    done = [job.cell for job in first if job.finished()]
    assert done == [job.cell for job in first[:5]]
    told = []
    again = stubs(tmp_path)
    board = Board(again, lambda job, found, results: told.append((job.cell, len(results))))
    assert len(board.look(quietly=True)) == 3
    work(board)
    assert [cell for job in again for cell in job.ran] == [job.cell for job in again[5:]]
    assert told == [(job.cell, 6 + n) for n, job in enumerate(again[5:])]


def test_others_cells_are_waited_for(tmp_path):
    jobs = stubs(tmp_path)
    theirs = tmp_path / f".{jobs[0].cell.name}.claim"
    theirs.write_text(json.dumps({"machine": "elsewhere/1", "token": "theirs"}))

    def tell(job, found, results):
        if len(results) == 7:
            # the other machine is done too
            jobs[0].result.write_text("{}")

    work(Board(jobs, tell), poll=0.01)
    assert jobs[0].ran == [] and all(len(job.ran) == 1 for job in jobs[1:])


def test_a_cell_that_diverges_is_passed_over_and_named_at_the_end(tmp_path):
    jobs = stubs(tmp_path, ssgan_5_100=TrainingDiverged("not finite at step 3."))
    with pytest.raises(TrainingDiverged, match="ssgan-labels-5-seed-100: not finite"):
        work(Board(jobs))
    assert [job.cell for job in jobs if not job.finished()] == [Cell("ssgan", 5, 100)]
    assert all(len(job.ran) == 1 for job in jobs)


def test_a_line_for_each_finished_cell_has_the_running_mean():
    def found(error, baseline):
        return {
            "models": {
                "recipe": {"error": error, "seconds": 60.0},
                "baseline": {"error": baseline, "seconds": 10.0},
            }
        }

    results = {Cell("ssgan", 5, 0): found(0.02, 0.2), Cell("ssgan", 2, 1): found(0.9, 0.9)}
    results[Cell("ssgan", 5, 1)] = found(0.04, 0.3)
    line = progress(results, Cell("ssgan", 5, 1), 10)
    assert line == (
        "[3/10] ssgan, 5 labels a class, seed 1: error 4.00% (baseline 30.00%); 70 s of training; "
        "mean of 2 draws 3.00% (baseline 25.00%)"
    )


GIVEN = {"recipes": "ssgan", "labels_per_class": "10,2", "draws": "2"}


def test_what_was_asked_for_is_kept_and_may_grow(tmp_path):
    asked = settle(tmp_path, GIVEN, overrides=["ssgan.width=0.25", "train.steps=30"], options={"seed": None})
    assert (asked.recipes, asked.budgets, list(asked.seeds)) == (("ssgan",), (2, 10), [0, 1])
    config = asked.config("ssgan", 10)
    assert (config.data.labels_per_class, config.train.steps, config.recipe) == (10, 30, {"width": 0.25})
    assert config.evaluate.samples == 0 and asked.agreed().config("ssgan", 2).data.yes
    assert asked.changed() == ["train.steps=30", "ssgan.width=0.25"]
    asked.save(tmp_path)
    assert Asked.load(tmp_path) == asked
    # nothing given, or the same: it goes on
    assert settle(tmp_path, {}) == settle(tmp_path, GIVEN, overrides=["ssgan.width=0.25"]) == asked
    more = settle(tmp_path, {"recipes": "ssgan,sgan", "labels_per_class": "2,10,20", "draws": "5"})
    assert more == replace(asked, recipes=("ssgan", "sgan"), budgets=(2, 10, 20), draws=5)


@pytest.mark.parametrize(
    ("given", "overrides", "words"),
    [
        ({"draws": "1"}, [], "draws 2 -> 1"),
        ({"first_seed": "100"}, [], "first_seed 0 -> 100"),
        ({"labels_per_class": "2"}, [], "10 labels a class left out"),
        ({"recipes": "sgan"}, [], "recipe ssgan left out"),
        ({}, ["train.steps=31"], "train.steps 30 -> 31"),
        ({}, ["ssgan.width=0.5"], "ssgan.width default -> 0.5"),
        ({}, ["data.dataset=gaussian"], "data.dataset digits -> gaussian"),
    ],
)
def test_another_benchmark_is_refused(tmp_path, given, overrides, words):
    settle(tmp_path, GIVEN, overrides=["train.steps=30"]).save(tmp_path)
    before = (tmp_path / "benchmark.yaml").read_bytes()
    with pytest.raises(UsageError, match="holds another benchmark") as error:
        settle(tmp_path, given, overrides=overrides)
    assert words in str(error.value)
    assert (tmp_path / "benchmark.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "overrides", "words"),
    [
        ({"recipes": "ssgann"}, [], ["unknown recipe 'ssgann'", "Did you mean 'ssgan'"]),
        ({"recipes": "ssgan,dcgan"}, [], ["'dcgan' is unsupervised", "improved-gan"]),
        ({"recipes": "supervised"}, [], ["is the paired baseline"]),
        ({"recipes": "ssgan,ssgan"}, [], ["twice"]),
        ({"labels_per_class": "2,five"}, [], ["labels_per_class", "2,5,10", "'2,five'"]),
        ({"labels_per_class": "0,5"}, [], ["labels_per_class", "from 1"]),
        ({"labels_per_class": "5,5"}, [], ["different"]),
        ({"labels_per_class": "-5"}, [], ["labels_per_class"]),
        ({"draws": "0"}, [], ["draws must be a whole number from 1", "got 0"]),
        ({"first_seed": str(2**32 - 1)}, [], ["first_seed"]),
        ({}, ["data.labeled_rate=0.1"], ["data.labeled_rate does not go with a benchmark"]),
        ({}, ["sgan.steps=3"], ["no recipe 'sgan'", "'ssgan'"]),
        ({}, ["ssgan.widht=3"], ["recipe ssgan", "'recipe.widht'", "'width'"]),
        ({}, ["ssgan.preset=smal"], ["recipe ssgan", "'smal'", "'small'"]),
    ],
)
def test_mistakes(tmp_path, given, overrides, words):
    with pytest.raises(UsageError) as error:
        settle(tmp_path, {**GIVEN, **given}, overrides=overrides)
    for word in words:
        assert word in str(error.value)


def test_budgets_are_named_or_left_to_a_curve(tmp_path):
    with pytest.raises(UsageError, match=r"--labels-per-class 2,5,10, or say --curve"):
        settle(tmp_path, {})
    assert settle(tmp_path, {"curve": True}).budgets == ()


def test_a_folder_that_is_no_benchmark_s_is_left_alone(tmp_path):
    check_folder(Workspace(tmp_path / "new"))
    (tmp_path / "ganpipe.log").touch()
    check_folder(Workspace(tmp_path))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"'mine.txt' and no benchmark.yaml"):
        check_folder(Workspace(tmp_path))
    (tmp_path / "config.yaml").write_text("# Written by ganpipe\nseed: 0\n")
    with pytest.raises(UsageError, match="working folder of a run"):
        check_folder(Workspace(tmp_path))
    (tmp_path / "benchmark.yaml").write_text("recipes: 3\n")
    check_folder(Workspace(tmp_path))
    with pytest.raises(UsageError, match="not as ganpipe wrote it"):
        Asked.load(tmp_path)


def document(published_too=True):
    """A table of one recipe at two budgets, as `make_document` gives it."""

    def model(name, errors):
        return {
            "name": name,
            "errors": errors,
            **vars(Spread.of(errors)),
            "interval": [0.0, 0.5],
            "seconds": 60.0,
            "steps": [20],
            "test_images": 10_000,
            "folds": None,
        }

    rows = [
        {
            "recipe": "a<b",
            "labels_per_class": budget,
            "labels": 10 * budget,
            "seeds": [100, 101],
            "models": {"recipe": model("a<b", errors), "baseline": model("supervised", [0.2, 0.3])},
            "difference": {"mean": 0.1, "interval": [-0.1, 0.3], "verdict": "within the noise"},
        }
        for budget, errors in ((2, [0.04, 0.06]), (10, [0.01, 0.02]))
    ]
    known = [
        {
            "system": one.system,
            "source": one.source,
            "protocol": one.protocol,
            "labels": labels,
            "error": mean / 100,
            "deviation": deviation / 100,
        }
        for one in PUBLISHED
        for labels, (mean, deviation) in one.errors.items()
    ]
    return {
        "dataset": "tfds:mnist",
        "seeds": [100, 101],
        "rows": rows,
        "missing": [],
        "curves": [{"recipe": "a<b", "role": "baseline", "sentence": "No curve."}],
        "published": known if published_too else None,
        "code": [{"recipe": "a<b", "version": "1", "commit": None, "digest": "f" * 12}],
        "settings": ["train.steps=20"],
        "variants": [],
    }


def test_the_page_and_the_text_hold_the_same_figures(tmp_path):
    asked = Asked(("a<b",), (2, 10), 2, 100, {})
    for shown in (document(), document(published_too=False)):
        text, html = markdown(shown), page(shown, asked, tmp_path)
        for words in (
            "5.00%",
            "+10.00",
            "0:02:00",
            "within the noise",
            "No curve.",
            "train.steps=20",
            "100 to 101",
        ):
            assert words in text and words in html
        assert ("16.77 ± 4.52 %" in text) == ("16.77 ± 4.52 %" in html) == bool(shown["published"])
        assert "a&lt;b" in html and "a<b" not in html
        assert "<script" not in html and "default-src 'none'" in html
        assert "prefers-color-scheme: dark" in html and html.count("<svg") == 1
        assert sentences(shown)[0] == ("a<b, 2 labels a class", "within the noise")
        assert curve_sentences(shown) == [("a<b, its baseline", "No curve.", "")]


def test_every_draw_is_a_dot_and_published_marks_are_named():
    series = [
        LabelSeries("one", 0, False, [(20, [0.1, 0.2], (0.0, 0.3)), (100, [0.01, 0.02], (0.0, 0.03))]),
        LabelSeries("its baseline", 0, True, [(20, [0.3, 0.4], (float("nan"), float("nan")))]),
    ]
    known = [PublishedSeries("Bad GAN, published", [(100, 0.00795, 0.00098)])]
    drawn = errors_by_labels_chart(series, known)
    assert drawn == errors_by_labels_chart(series, known)
    assert "Bad GAN, published" in drawn and ">100<" in drawn and ">20<" in drawn
    assert "published" not in errors_by_labels_chart(series[:1])
    # of no error at all there is no logarithm
    errors_by_labels_chart([LabelSeries("x", 5, False, [(20, [0.0, 0.5], (0.0, 1.0))])])
