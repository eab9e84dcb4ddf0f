"""Cross-fitting: which images a fold tests on, what is planned for it, and whose answers are pooled."""

import csv
import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rows_one_by_one import findings_of
from test_label_draw import NAMES, labelled, rows

from pipeline.chain.config import load_config
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.folds import check_alike, with_folds
from pipeline.chain.plan import plan_run
from pipeline.errors import DataError, UsageError
from pipeline.sources.catalog import open_source
from pipeline.stages.evaluate.pooled import PooledAnswers
from pipeline.stages.preprocess.checks import check_draw
from pipeline.stages.preprocess.draw import draw
from pipeline.stages.preprocess.given import Given
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.workspace import METRICS_FILE, PREDICTIONS_FILE, Model, Workspace


def drawn(scanned, fold, folds=5, seed=0, given=None, **config):
    settings = DataConfig(**{"folds": folds, "labels_per_class": "all" if given is None else None, **config})
    result = draw(findings_of(scanned), class_names=NAMES, config=settings, seed=seed, given=given, fold=fold)
    check_draw(result, NAMES, settings, fold)
    return result


SMALL = {"train": rows([0] * 23 + [1] * 11 + [2] * 2 + [-1] * 30)}


def test_folds_part_the_labelled_images_and_each_class_as_evenly_as_can_be():
    places = [drawn(SMALL, fold) for fold in range(5)]
    tested = [{m.digest for m in place.of("test")} for place in places]
    everyone = {row.digest for row in SMALL["train"] if row.label >= 0}
    assert set().union(*tested) == everyone and sum(map(len, tested)) == len(everyone)
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    for place in places:
        trained = {m.digest for m in place.of("train")}
        assert not trained & {m.digest for m in place.of("test")}
        # all others that have a label are trained on, and each class is among them
        assert labelled(place) == everyone & trained
        assert {m.label for m in place.of("train") if m.labelled} == {0, 1, 2}
    for label in (0, 1, 2):
        counts = Counter(sum(m.label == label for m in place.of("test")) for place in places)
        assert max(counts) - min(counts) <= 1
    whole = drawn(SMALL, None)
    assert not whole.of("test") and labelled(whole) == everyone


def test_folds_do_not_depend_on_the_order_of_the_source_but_on_the_seed():
    flipped = {"train": SMALL["train"][::-1]}

    def tested(source, **more):
        return {m.digest for m in drawn(source, 2, **more).of("test")}

    assert tested(SMALL) == tested(flipped) != tested(SMALL, seed=1)


def test_copies_are_tested_once_and_a_picture_alone_in_its_class_never():
    train = rows([0] * 10 + [1] * 10 + [2])
    source = {"train": [*train, *(row._replace(place=row.place + "-copy") for row in train[:5])]}
    places = [drawn(source, fold) for fold in range(5)]
    tested = Counter(m.digest for place in places for m in place.of("test"))
    assert tested == Counter(row.digest for row in train[:20])
    for place in places:
        assert not {m.digest for m in place.of("train")} & {m.digest for m in place.of("test")}
    (note,) = drawn(source, None).notes
    assert "single labelled image" in note and "cat" in note


def test_a_budget_is_drawn_from_what_a_fold_leaves():
    for fold in (*range(3), None):
        place = drawn({"train": rows([0, 1, 2] * 20)}, fold, folds=3, labels_per_class=6)
        assert len(labelled(place)) == 18 and len(place.of("test")) == (0 if fold is None else 20)
    with pytest.raises(DataError, match="has 13 labelled images for training, 14 were asked for"):
        drawn({"train": rows([0, 1, 2] * 20)}, 0, folds=3, labels_per_class=14)


def test_given_labels_are_withheld_where_they_are_tested_on():
    given = Given(frozenset(row.digest for row in SMALL["train"] if row.label >= 0))
    for fold in range(5):
        place = drawn(SMALL, fold, given=given)
        assert place.of("test") and labelled(place) == given.labelled - {m.digest for m in place.of("test")}
    with pytest.raises(DataError, match="leave out folds"):
        drawn(SMALL, 0, given=Given(given.labelled, {"0" * 32: "test"}))


def test_a_list_of_all_labels_leaves_none_for_a_plain_test_split():
    given = Given(frozenset(row.digest for row in SMALL["train"] if row.label >= 0))
    with pytest.raises(DataError, match="no labelled image to test on.*--folds 5"):
        drawn(SMALL, None, folds=0, given=given, labelled_keys="keys.txt")


def test_a_fold_without_a_test_image_is_refused():
    with pytest.raises(DataError, match="fold 4 of 5.*--folds 2"):
        drawn({"train": rows([0, 0, 1, 1])}, 4)


def photos(folder, labels):
    """A flat folder of small pictures and a label file; "" is unlabelled."""
    folder.mkdir()
    numbers = np.random.default_rng(0)
    with folder.with_suffix(".csv").open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(["path", "label"])
        for number, label in enumerate(labels):
            pixels = numbers.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            written.writerow([f"{number}.png", label])
    return {"data.dataset": f"folder:{folder}", "data.labels": str(folder.with_suffix(".csv"))}


def count(options):
    data = load_config(options=options).data
    source = open_source(data.dataset, labels=data.labels, test_labels=data.test_labels)
    return with_folds(load_config(options=options), source).data.folds


def test_how_many_folds_a_draw_has(tmp_path):
    few = photos(tmp_path / "few", ["ant", "bee", ""] * 15)
    assert count(few) == 5
    assert count(few | {"data.folds": "3"}) == 3
    assert count(few | {"data.folds": "0"}) == count(few | {"data.folds": "none"}) == 0
    assert count(few | {"data.labelled_keys": "keys.txt"}) == 0
    assert count(few | {"data.labelled_keys": "keys.txt", "data.folds": 4}) == 4
    # 0.2 of 1,797 are more than 200, 0.1 are not
    assert count({}) == 0 and count({"data.test_rate": 0.1}) == 5
    assert count(photos(tmp_path / "fewer", ["ant", "bee", "ant", "bee", "ant"])) == 3
    assert count(photos(tmp_path / "single", ["ant", "bee"])) == count({"data.dataset": "gaussian"}) == 0
    with pytest.raises(DataError, match="folds=20.*the largest of .* has 15"):
        count(few | {"data.folds": 20})
    arrays = {"x_train": np.zeros([9, 4, 4], np.uint8), "y_train": np.arange(9) % 2}
    for name, label in (("own", 1), ("unlabelled", -1)):
        np.savez(tmp_path / f"{name}.npz", **arrays, x_test=arrays["x_train"], y_test=np.full(9, label))
    assert count({"data.dataset": f"npz:{tmp_path / 'own.npz'}"}) == 0
    assert count({"data.dataset": f"npz:{tmp_path / 'unlabelled.npz'}"}) == 5
    with pytest.raises(UsageError, match="labelled test split"):
        count({"data.dataset": f"npz:{tmp_path / 'own.npz'}", "data.folds": 3})


def test_test_labels_are_a_test_split_and_in_no_other(tmp_path):
    options = photos(tmp_path / "few", ["ant", "bee", ""] * 15)
    own, file = tmp_path / "few.csv", tmp_path / "test.csv"
    lines = own.read_text().splitlines()
    own.write_text("\n".join(lines[:-9]) + "\n")

    def opened(*rows, **more):
        file.write_text("\n".join(["path,label", *rows]) + "\n")
        named = {"labels": str(own), "test_labels": str(file)} | more
        return open_source(options["data.dataset"], **named)

    tested = ["36.png,ant", "37.png,bee", "38.png,ant"]
    source = opened(*tested)
    assert source.splits() == {"train": 42, "test": 3}
    assert list(source.labels("test")) == [("36.png", 0), ("37.png", 1), ("38.png", 0)]
    assert not {path for path, _ in source.labels("train")} & {"36.png", "37.png", "38.png"}
    assert source.digest() != opened("36.png,bee", *tested[1:]).digest()
    opened(*tested)
    assert count({**options, "data.test_labels": str(file)}) == 0
    with pytest.raises(UsageError, match="Leave out --folds, or --test-labels"):
        count({**options, "data.test_labels": str(file), "data.folds": 3})
    for wrong, said in (
        (["36.png,"], "'36.png' has no label"),
        (["0.png,ant"], "'0.png' is in the label file too"),
        (["36.png,aant"], "'aant', a class without an image to train on. Did you mean 'ant'"),
        (["360.png,ant"], "no image in the folder .*'360.png'"),
        ([], "name no image"),
    ):
        with pytest.raises(DataError, match=f"(?s){said}"):
            opened(*wrong)
    (tmp_path / "few/test").mkdir()
    (tmp_path / "few/train").mkdir()
    for number in range(42):
        (tmp_path / f"few/{number}.png").rename(
            tmp_path / f"few/{'train' if number else 'test'}/{number}.png"
        )
    for number in range(42, 45):
        (tmp_path / f"few/{number}.png").unlink()
    with pytest.raises(DataError, match="a test split of its own"):
        opened(*(f"train/{row}" for row in tested), labels=None)
    with pytest.raises(UsageError, match="belongs to folder"):
        open_source("digits", test_labels=str(file))


def test_test_labels_and_class_folders_must_agree(tmp_path):
    photos(tmp_path / "few", ["ant"] * 8)
    for number in range(8):
        (tmp_path / f"few/{number % 2}").mkdir(exist_ok=True)
        (tmp_path / f"few/{number}.png").rename(tmp_path / f"few/{number % 2}/{number}.png")
    file = tmp_path / "test.csv"
    file.write_text("path,label\n0/0.png,0\n1/1.png,1\n")
    source = open_source(f"folder:{tmp_path / 'few'}", test_labels=str(file))
    assert source.splits() == {"train": 6, "test": 2}
    file.write_text("path,label\n0/0.png,1\n")
    with pytest.raises(DataError, match="'0/0.png' is '1' there, and lies in the folder '0'"):
        open_source(f"folder:{tmp_path / 'few'}", test_labels=str(file))


@pytest.mark.parametrize("value", ["1", "-2", "some", "2.5"])
def test_folds_want_a_number(value):
    with pytest.raises(UsageError, match=r"data\.folds must be a number from 2"):
        load_config(options={"data.folds": value})


def test_a_plan_makes_the_folds_first_and_pools_them(tmp_path):
    source = photos(tmp_path / "few", ["ant", "bee", ""] * 15)
    workspace = Workspace(tmp_path / "run")
    nodes = plan_run(load_config(options=source), workspace)
    names = [node.name for node in nodes]
    in_fold = ("data", "ssgan/train", "ssgan/evaluate", "ssgan/supervised/train", "ssgan/supervised/evaluate")
    for fold in range(5):
        assert names[5 * fold : 5 * fold + 5] == [f"seed-0/fold-{fold}/{name}" for name in in_fold]
    whole = {node.name: node for node in nodes[25:]}
    assert list(whole) == [f"seed-0/{n}" for n in (*in_fold[:3], "ssgan/export", *in_fold[3:])]
    for model in ("ssgan", "ssgan/supervised"):
        pooled = whole[f"seed-0/{model}/evaluate"].fingerprint.inputs
        made = {node.name: node.fingerprint.digest for node in nodes}
        for fold in range(5):
            assert pooled[f"fold-{fold}"] == made[f"seed-0/fold-{fold}/{model}/evaluate"]
    # a generator has nothing to be tested on
    generator = plan_run(load_config(options=source | {"train.recipe": "dcgan"}), workspace)
    assert not any("fold" in node.name for node in generator)
    assert generator[0].fingerprint.digest == whole["seed-0/data"].fingerprint.digest
    plain = plan_run(load_config(options=source | {"data.folds": 0}), workspace)
    assert len(plain) == 6 and plain[0].fingerprint.digest != generator[0].fingerprint.digest


def test_answers_of_another_training_are_refused(tmp_path):
    def made(stage, source="a", **parameters):
        return tmp_path / str(len(parameters)), Fingerprint(stage, parameters, {"source": source}, {}, {})

    whole = {"preprocess": made("preprocess", budget=4), "train": made("train", steps=9)}
    check_alike({"preprocess": made("preprocess", budget=4, fold=1)}, whole)
    check_alike({"train": made("train", source="b", steps=9, fold=1)}, whole)
    for other in (made("preprocess", budget=5, fold=1), made("preprocess", source="b", budget=4, fold=1)):
        with pytest.raises(DataError, match="does not belong to .*ganpipe preprocess"):
            check_alike({"preprocess": other}, whole)
    with pytest.raises(DataError, match=r"steps changed: 9 -> 8.*ganpipe train"):
        check_alike({"train": made("train", steps=8, fold=1)}, whole)


def evaluation(folder, keys, right):
    """What the evaluation of a fold leaves: the first `right` of its images are answered rightly."""
    folder.mkdir(parents=True)
    labels = np.arange(len(keys), dtype=np.int32) % 2
    said = np.where(np.arange(len(keys)) < right, labels, 1 - labels)
    metrics = {"recipe": "ssgan", "error": 1 - right / len(keys), "images_like_training": 1}
    metrics["per_class"] = {"ant": {}, "bee": {}}
    (folder / METRICS_FILE).write_text(json.dumps(metrics))
    np.savez(
        folder / PREDICTIONS_FILE,
        keys=np.array(keys),
        digests=np.array(keys),
        labels=labels,
        logits=np.eye(2, dtype=np.float32)[said],
        real_scores=np.zeros(len(keys), np.float32),
    )
    return folder


def test_pooled_answers_are_those_of_the_folds(tmp_path):
    folders = [
        evaluation(
            tmp_path / "draw" / f"fold-{n}" / "ssgan" / "evaluate", [f"{n}-{i}" for i in range(6)], 5 - n
        )
        for n in range(3)
    ]
    record = SimpleNamespace(recipe="ssgan", class_names=("ant", "bee"))
    trained = SimpleNamespace(record=record)
    pooled = PooledAnswers(trained, folders)
    assert pooled.summary == {"folds": 3, "images": 18, "errors": pytest.approx([1 / 6, 2 / 6, 3 / 6])}
    wrong = pooled.stored["logits"].argmax(1) != pooled.stored["labels"]
    np.testing.assert_array_equal(np.bincount(pooled.stored["folds"], weights=wrong), [1, 2, 3])
    assert pooled.like_training == 3 and len(set(pooled.stored["keys"])) == 18
    twice = [*folders[:2], folders[0]]
    with pytest.raises(DataError, match="tested the same image"):
        PooledAnswers(trained, twice)
    record.class_names = ("ant", "cat")
    with pytest.raises(DataError, match="ssgan with 2 classes.* or has others"):
        PooledAnswers(trained, folders)
    record.class_names = ("ant", "bee")
    (folders[1] / METRICS_FILE).unlink()
    with pytest.raises(DataError, match="cannot be read.*ganpipe evaluate"):
        PooledAnswers(trained, folders)
    assert Workspace(tmp_path).result(3, Model("ssgan"), "train", 2) == tmp_path / "seed-3/fold-2/ssgan/train"
