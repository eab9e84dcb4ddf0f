"""The label draw: a pure function of content and seed, exact for each class, blind to order."""

from __future__ import annotations

import hashlib
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from draw_by_objects import draw_objects
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_one_by_one import Row, findings_of

from pipeline.errors import DataError, UsageError
from pipeline.stages.preprocess.checks import check_draw
from pipeline.stages.preprocess.draw import Draw, draw, share
from pipeline.stages.preprocess.given import Given, given_lines, read_given
from pipeline.stages.preprocess.left_out import LeftOut
from pipeline.stages.preprocess.members import Members, keyed_hash, labelled_digest, record_order
from pipeline.stages.preprocess.settings import DataConfig

NAMES = ("ant", "bee", "cat")


def rows(labels, prefix="train", first=0):
    """Items with the given labels, each with a content of its own."""
    digests = [hashlib.md5(f"{prefix}{first + i}".encode()).hexdigest() for i in range(len(labels))]
    return [Row(d, f"{prefix}/{d}", label) for d, label in zip(digests, labels, strict=True)]


def labelled(result: Draw):
    return {m.digest for m in result.of("train") if m.labelled}


def drawn(scanned, *, seed=0, given=None, **config):
    chosen = Given(given) if isinstance(given, frozenset) else given
    found = findings_of(scanned)
    result = draw(found, class_names=NAMES, config=DataConfig(**config), seed=seed, given=chosen)
    return result


def everyone(result: Draw):
    return result.members.view(result.members.usable)


def left_out(result: Draw, scanned):
    return LeftOut.of(result, findings_of(scanned))


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(-1, 2), min_size=60, max_size=90),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 2**70),
)
def test_the_order_of_the_source_changes_nothing(labels, order: random.Random, seed: int):
    source = rows(labels)
    shuffled = order.sample(source, len(source))
    config = {"labels_per_class": "all", "validation_rate": 0.1}
    one = drawn({"train": source}, seed=seed, **config)
    two = drawn({"train": shuffled}, seed=seed, **config)
    for split in ("train", "test", "validation"):
        assert {m.digest for m in one.of(split)} == {m.digest for m in two.of(split)}
    assert labelled(one) == labelled(two)
    assert labelled_digest(one.members) == labelled_digest(two.members)


@pytest.mark.parametrize("wanted", [1, 7, 20])
def test_exactly_as_many_labels_of_each_class_as_asked_for(wanted):
    result = drawn({"train": rows([0, 1, 2] * 30), "test": rows([0, 1, 2], "test")}, labels_per_class=wanted)
    for label in range(3):
        assert sum(m.labelled and m.label == label for m in result.of("train")) == wanted


def test_the_labelled_are_those_with_the_smallest_hash_up_to_the_threshold():
    result = drawn({"train": rows([0, 1, 2] * 30), "test": rows([0], "test")}, labels_per_class=5, seed=4)
    for member in result.of("train"):
        hashed = keyed_hash(member.digest, seed=4, purpose="labelled")
        assert member.labelled == (hashed <= int(result.thresholds[NAMES[member.label]], 16))


def test_a_larger_budget_holds_the_smaller_one_and_another_seed_draws_others():
    source = {"train": rows([0, 1, 2] * 40), "test": rows([0], "test")}
    few, many = drawn(source, labels_per_class=5), drawn(source, labels_per_class=10)
    assert labelled(few) < labelled(many)
    assert labelled(few) != labelled(drawn(source, labels_per_class=5, seed=1))


def test_a_rate_is_stratified():
    source = {"train": rows([0] * 100 + [1] * 50 + [2] * 3), "test": rows([0], "test")}
    result = drawn(source, labeled_rate=0.1)
    assert [sum(m.labelled and m.label == c for m in result.of("train")) for c in range(3)] == [10, 5, 1]


@pytest.mark.parametrize("unlabelled", [0, 50])
def test_no_label_is_withheld_that_nobody_asked_to_withhold(unlabelled):
    result = drawn({"train": rows([0, 1, 2] * 30 + [-1] * unlabelled), "test": rows([0], "test")})
    assert len(labelled(result)) == 90
    assert result.method == "all" and not result.thresholds


def test_test_and_validation_are_stratified_disjoint_and_drawn_from_labelled_images_only():
    result = drawn({"train": rows([0] * 50 + [1] * 20 + [2] * 10 + [-1] * 100)}, validation_rate=0.1)
    assert [sum(m.label == c for m in result.of("test")) for c in (-1, 0, 1, 2)] == [0, 10, 4, 2]
    assert [sum(m.label == c for m in result.of("validation")) for c in (-1, 0, 1, 2)] == [0, 5, 2, 1]
    assert sum(len(result.of(split)) for split in ("train", "test", "validation")) == 180
    assert all(m.labelled for m in result.of("test") + result.of("validation"))


def test_images_set_aside_for_a_promise_are_in_no_other_split_and_the_same_in_every_fold():
    # every picture twice, some without a label
    source = {"train": [row for row in rows([0, 1, 2] * 20 + [-1] * 9) for _ in range(2)]}
    whole = drawn(source, certify_rate=0.25, validation_rate=0.2, labels_per_class="all")
    contents = [{m.digest for m in whole.of(name)} for name in ("train", "test", "validation", "certify")]
    assert len(set.union(*contents)) == sum(map(len, contents)) == 69
    assert [sum(m.label == c for m in whole.of("certify")) for c in (-1, 0, 1, 2)] == [0, 10, 10, 10]
    aside = contents[3]
    for fold in (None, 0, 1, 2):
        config = DataConfig(folds=3, certify_rate=0.25, labels_per_class="all")
        of_fold = draw(findings_of(source), class_names=NAMES, config=config, seed=0, fold=fold)
        assert {m.digest for m in of_fold.of("certify")} == aside
        assert not aside & {m.digest for m in of_fold.of("test") + of_fold.of("train")}
    # the draw can be repeated from its list
    again = drawn(source, given=read_lines("".join(given_lines(whole.members))), test_rate=0.5)
    assert {m.digest for m in again.of("certify")} == aside


def test_the_source_s_own_images_for_a_promise_stay_whole():
    own = rows([0, 1, 2], "certify")
    result = drawn({"train": rows([0, 1, 2] * 20), "certify": own}, certify_rate=0.5)
    assert [m.digest for m in result.of("certify")] == [row.digest for row in own]


def test_the_source_s_own_test_split_stays_whole():
    test = rows([0, 1, 2, 2], "test")
    result = drawn({"train": rows([0, 1, 2] * 20), "test": test}, labels_per_class=2)
    assert [(m.digest, m.stored_label) for m in result.of("test")] == [(r.digest, r.label) for r in test]


def test_an_unlabelled_image_of_the_test_split_is_listed_and_left_out():
    source = {"train": rows([0, 1, 2] * 20), "test": rows([0, -1], "test")}
    result = drawn(source)
    assert len(result.of("test")) == 1
    assert "without a label" in left_out(result, source).rejected[0][1]


def test_content_of_the_test_split_leaves_training():
    train, test = rows([0, 1, 2] * 20), rows([0, 1], "test")
    copies = [test[0]._replace(label=-1), test[0]._replace(label=0)]
    result = drawn({"train": [*copies, *train], "test": test}, labels_per_class=20)
    members = result.members
    assert [m.key for m in members.view(members.duplicate)] == [test[0].digest, f"{test[0].digest}.1"]
    assert not {m.digest for m in result.of("train")} & {m.digest for m in result.of("test")}


def test_a_drawn_test_split_shares_no_content_with_training_or_validation():
    twins = [row for row in rows([0, 1, 2] * 20) for _ in range(2)]
    result = drawn({"train": twins}, validation_rate=0.2, labels_per_class=3)
    contents = [{m.digest for m in result.of(split)} for split in ("train", "test", "validation")]
    assert len(set.union(*contents)) == sum(map(len, contents))
    keys = [m.key for split in ("train", "test", "validation") for m in result.of(split)]
    assert len(set(keys)) == len(keys)


def test_twins_in_training_count_one_by_one():
    twins = [row for row in rows([0, 1, 2] * 4) for _ in range(2)]
    result = drawn({"train": twins, "test": rows([0], "test")}, labels_per_class=3)
    assert [sum(m.labelled and m.label == c for m in result.of("train")) for c in range(3)] == [3, 3, 3]


def test_too_few_labels_name_the_class_what_it_has_and_what_was_asked():
    with pytest.raises(DataError, match=r"class 'cat' has 4 labelled .* 5 were asked for"):
        drawn({"train": rows([0] * 9 + [1] * 9 + [2] * 4), "test": rows([0], "test")}, labels_per_class=5)


def test_without_any_label_there_is_nothing_to_draw_and_no_test_split():
    source = {"train": rows([-1] * 20)}
    result = draw(findings_of(source), class_names=(), config=DataConfig(), seed=0)
    assert len(result.of("train")) == 20 and not result.of("test") and result.method == "none"
    with pytest.raises(DataError, match="no training image of the source has a label"):
        draw(findings_of(source), class_names=(), config=DataConfig(labels_per_class=5), seed=0)


def test_given_keys_repeat_a_draw_and_spare_the_test_split():
    source = {"train": rows([0, 1, 2] * 30)}
    first = drawn(source, labels_per_class=5, validation_rate=0.1)
    keys = frozenset(m.key for m in first.of("train") if m.labelled)
    again = drawn(source, validation_rate=0.1, given=keys)
    assert everyone(again) == everyone(first)
    other = drawn(source, seed=9, given=keys)
    assert {m.key for m in other.of("train") if m.labelled} == keys


def test_given_keys_must_be_labelled_training_images():
    train, test = rows([0, 1, 2] * 5 + [-1]), rows([0], "test")
    source = {"train": train, "test": test}
    for key, why in (
        (train[-1].digest, "has no label"),
        (test[0].digest, "no usable training"),
        ("x", "no image"),
    ):
        with pytest.raises(DataError, match=f"{key!r} (is )?{why}"):
            drawn(source, given=frozenset([key, train[0].digest]))
    with pytest.raises(UsageError, match="labelled_keys"):
        drawn(source, given=frozenset([train[0].digest]), labels_per_class=3)


def test_a_file_of_keys_must_be_there_hold_keys_and_none_twice(tmp_path):
    file = tmp_path / "keys.txt"
    with pytest.raises(DataError, match="cannot read"):
        read_given(file)
    file.write_text("\n")
    with pytest.raises(DataError, match="no key"):
        read_given(file)
    file.write_text("a\nb\na\n")
    with pytest.raises(DataError, match="'a' twice"):
        read_given(file)
    file.write_text("b\na b\n")
    assert read_given(file) == Given(frozenset({"b", "a b"}))


def test_rejected_images_go_nowhere():
    source = rows([0, 1, 2] * 10)
    source[3] = source[3]._replace(reason="damaged")
    result = drawn({"train": source}, labels_per_class=2)
    assert not result.members.output[3] and not result.members.usable[3]
    assert left_out(result, {"train": source}).rejected == [(source[3].place, "damaged")]


@pytest.mark.parametrize(
    ("rate", "count", "expected"), [(0.2, 10, 2), (0.2, 2, 1), (0.2, 1, 0), (0.99, 3, 2), (0.0, 9, 0)]
)
def test_a_share_leaves_some_on_either_side(rate, count, expected):
    assert share(rate, count) == expected


def test_pixels_under_two_labels_are_neither_labelled_nor_tested_on():
    source = rows([0, 1, 2] * 20)
    source += [
        source[0]._replace(label=1, place="twin"),
        source[3]._replace(label=-1, place="unlabelled twin"),
    ]
    for seed in range(5):
        result = drawn({"train": source}, labels_per_class=13, validation_rate=0.1, seed=seed)
        twins = [m for m in everyone(result) if m.digest == source[0].digest]
        assert [(m.output, m.labelled, m.label) for m in twins] == [("train", False, 0), ("train", False, 1)]
        assert result.members.view(result.members.contradicted) == twins
    test = [rows([0], "test")[0], source[0]._replace(label=2), rows([1], "more")[0]]
    result = drawn({"train": source, "test": test}, labels_per_class=15)
    assert len(result.of("test")) == 2 and np.count_nonzero(result.members.contradicted) == 3
    # whether such an image is trained on does not hang on its label
    assert source[0].digest not in {m.digest for m in result.of("train")}


def test_a_given_draw_holds_out_the_same_images_whatever_the_seed_and_the_withheld_labels():
    source = rows([0, 1, 2] * 40)
    first = drawn({"train": source}, labels_per_class=4, validation_rate=0.1)
    given = read_lines("".join(given_lines(first.members)))
    assert given.labelled == labelled(first) and given.names("test") and given.names("validation")
    withheld = {m.digest for m in first.of("train") if not m.labelled}
    shifted = [row._replace(label=(row.label + 1) % 3) if row.digest in withheld else row for row in source]
    again = drawn({"train": shifted}, seed=7, given=given)
    for split in ("train", "test", "validation"):
        ours, theirs = (one.members.view(record_order(one.members, split, 0)) for one in (first, again))
        assert [(m.key, m.stored_label) for m in ours] == [(m.key, m.stored_label) for m in theirs]


def read_lines(text: str) -> Given:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return read_given(Path(file.name))


def test_a_given_key_under_two_labels_or_for_an_unknown_split_is_refused():
    source = rows([0, 1, 2] * 10)
    source.append(source[0]._replace(label=1))
    with pytest.raises(DataError, match="same pixels as an image of another class"):
        drawn({"train": source}, given=frozenset([source[0].digest, source[1].digest]))
    with pytest.raises(DataError, match=r"'tset'\. Did you mean 'test'\?"):
        read_lines("a\nb\ttset\n")
    with pytest.raises(DataError, match="names images for the test split; the source has its own"):
        drawn({"train": source, "test": rows([0], "t")}, given=read_lines(f"{source[1].digest}\nb\ttest\n"))


def test_the_source_s_own_validation_split_is_kept_whole():
    scanned = {"train": rows([0, 1, 2] * 20), "validation": rows([0, 1, -1], "validation")}
    scanned["train"].append(scanned["validation"][0]._replace(place="copy"))
    result = drawn(scanned, labels_per_class=3, validation_rate=0.2)
    assert [m.digest for m in result.of("validation")] == [r.digest for r in scanned["validation"][:2]]
    assert len(result.of("test")) == 12
    places = left_out(result, scanned)
    assert places.duplicates == ["copy"]
    assert places.rejected == [
        (scanned["validation"][2].place, "an image of the validation split without a label")
    ]


def test_an_unlabelled_test_split_is_left_out_and_one_is_drawn():
    result = drawn({"train": rows([0, 1, 2] * 10), "test": rows([-1, -1], "test")}, labels_per_class=3)
    assert len(result.of("test")) == 6 and {m.own for m in result.of("test")} == {"train"}
    assert result.rejected_count == 2
    assert "2 are left out; the split is drawn from the labelled training images" in result.notes[0]


@pytest.mark.parametrize(
    ("scanned", "config", "message"),
    [
        ({"train": [0, 1, 2, -1, -1]}, {}, "left for the test split. Each class has one labelled image"),
        ({"train": [1, 1, 1, -1]}, {}, "all labelled images are of one class, 'bee'"),
        ({"train": [0, 0, 0, 1], "test": [0, 1]}, {"labels_per_class": "all"}, None),
        ({"train": [0, 1, 2, -1, -1]}, {"test_rate": 0.0}, None),
        ({"train": [-1, -1, -1]}, {}, None),
        ({"train": [0, 0, -1], "test": [1]}, {}, "labelled training images are all of one class, 'ant'"),
    ],
)
def test_what_would_fail_after_training_is_refused(scanned, config, message):
    source = {split: rows(labels, split) for split, labels in scanned.items()}
    names = NAMES if any(label >= 0 for labels in scanned.values() for label in labels) else ()
    settings_ = DataConfig(**config)
    result = draw(findings_of(source), class_names=names, config=settings_, seed=0)
    if message is None:
        check_draw(result, names, settings_)
    else:
        with pytest.raises(DataError, match=message):
            check_draw(result, names, settings_)


def test_records_of_equal_pixels_lie_in_the_order_of_their_keys():
    """The order is found by arrays; it is that of (hash, key), also among copies."""
    digests = [f"{number % 40:032x}" for number in range(600)]
    random.Random(1).shuffle(digests)
    members = Members(findings_of({"train": [Row(d, "", -1) for d in digests]}))
    members.put(members.usable, "train", labelled=False)
    found = members.view(record_order(members, "train", 5))
    assert found == sorted(found, key=lambda m: (keyed_hash(m.digest, seed=5, purpose="order"), m.key))
    # as texts: the eleventh copy before the third
    assert found[2].key.endswith(".10")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_draw_on_arrays_is_that_on_objects(data):
    """Copies, labels that contradict each other, splits of the source's own, given keys: image by image."""
    few = st.tuples(st.integers(0, 30), st.integers(-1, 2), st.booleans())
    splits = ["train", *data.draw(st.sets(st.sampled_from(["test", "validation", "certify"])))]
    scanned = {
        split: [
            Row(hashlib.md5(f"{n}".encode()).hexdigest(), f"{split}/{at}", label, "" if fine or at else "bad")
            for at, (n, label, fine) in enumerate(data.draw(st.lists(few, min_size=1, max_size=60)))
        ]
        for split in splits
    }
    config = DataConfig(
        folds=data.draw(st.sampled_from([0, 2, 3])),
        labels_per_class=data.draw(st.sampled_from([None, 1, 2, "all"])),
        validation_rate=data.draw(st.sampled_from([0.0, 0.3])),
        certify_rate=data.draw(st.sampled_from([0.0, 0.2])),
    )
    seed, fold = data.draw(st.integers(0, 9)), data.draw(st.sampled_from([None, 0, 1]))
    fold = fold if config.folds else None
    options = {"class_names": NAMES, "config": config, "seed": seed}
    outcome = same_outcome(scanned, **options, given=None, fold=fold)
    if isinstance(outcome, str) or not any("\t" not in line for line in outcome["lines"].split("\n")[:-1]):
        return
    config = replace(config, labels_per_class=None)
    given = read_lines(outcome["lines"])
    same_outcome(scanned, **options | {"config": config, "seed": seed + 1}, given=given, fold=fold)


def same_outcome(scanned, **options):
    """What both draws say, which may be an error."""
    outcomes = []
    for one in (draw_arrays, draw_objects):
        try:
            outcomes.append(one(scanned, **options))
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


def draw_arrays(scanned, **options):
    found = findings_of(scanned)
    result = draw(found, **options)
    there, members = LeftOut.of(result, found), result.members
    assert members.distinct == len(
        {row.digest for rows in scanned.values() for row in rows if not row.reason}
    )
    return {
        "members": [tuple(m)[1:] for m in everyone(result)],
        "duplicates": there.duplicates,
        "contradicted": sorted(place for _, place in there.contradicted),
        "rejected": there.rejected,
        "notes": result.notes,
        "thresholds": result.thresholds,
        "method": result.method,
        "lines": "".join(given_lines(members)),
        "digest": labelled_digest(members),
        "order": {
            split: list(members.keys(record_order(members, split, 3)))
            for split in ("train", "test", "validation", "certify")
        },
    }
