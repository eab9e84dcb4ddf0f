"""The draw: which images are tested on, and which keep their labels.

Every choice is a pure function of (content digest, seed): a keyed hash puts the images of a class in
an order, and the first n are taken, ties by key. So the same images are drawn whatever the order of the
source, the number of workers or the number of shards, and from any format with the same pixels.

What the withheld labels can do:

- Where the draw is given (`data.labelled_keys`) together with the images that are tested on, as
  `labelled.txt` has both, nothing: they decide about no record and no order. Where the file names labelled
  images only, the others are drawn by number, as below.
- In a draw by number or share, an image below its class's largest hash taken (for a label, or for a test
  split that is drawn) is taken because it is of that class. So an unlabelled image below it is not of that
  class; whoever knows the seed and the pixels can work that out, as with any draw that takes so many of each
  class. Above all these thresholds a withheld label can change without changing anything, as long as the
  classes keep their sizes (which decide how many of each are tested on) and no pixels get two labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import DataError, UsageError
from pipeline.stages.preprocess.folds import alone, members_of_fold
from pipeline.stages.preprocess.given import HELD_OUT, Given, check_keys
from pipeline.stages.preprocess.members import Member, in_hashed_order, mark_contradictions, members_of
from pipeline.stages.preprocess.scan import Scanned
from pipeline.stages.preprocess.settings import DataConfig

_NOTHING_GIVEN = Given(frozenset())


@dataclass
class Draw:
    """What was drawn.

    Attributes:
        members: the usable and the rejected items (None) of each source split, in the source's order.
        rejected: place and reason of each item that cannot be used.
        duplicates: images that left the training split because their pixels are in another one.
        contradicted: images whose pixels stand under two labels; neither labelled nor tested on.
        method: how labels were chosen: "per class", "rate", "all", "given" or "none".
        thresholds: class name to the largest keyed hash taken, in hex; empty unless labels were withheld
            by their hash.
        notes: what a user should know, in sentences.
    """

    members: dict[str, list[Member | None]]
    rejected: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[Member] = field(default_factory=list)
    contradicted: list[Member] = field(default_factory=list)
    method: str = "none"
    thresholds: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def everyone(self) -> list[Member]:
        """Returns all usable images."""
        return [m for rows in self.members.values() for m in rows if m is not None]

    def own(self, split: str) -> list[Member]:
        """Returns the usable images of a source split."""
        return [m for m in self.members.get(split, []) if m is not None]

    def of(self, output: str) -> list[Member]:
        """Returns the members of an output split."""
        return [m for m in self.everyone() if m.output == output]


def share(rate: float, count: int) -> int:
    """Returns how many of `count` are `rate` of them, rounded; of two or more, some on either side."""
    if rate == 0 or count < 2:
        return 0
    return min(max(1, int(rate * count + 0.5)), count - 1)


def draw(
    scanned: Mapping[str, Sequence[Scanned]],
    *,
    class_names: Sequence[str],
    config: DataConfig,
    seed: int,
    given: Given | None = None,
    fold: int | None = None,
) -> Draw:
    """Assigns every item to a split and decides which labels are kept.

    Where the draw has folds, a fold tests on its share of the labelled images, and the whole on none.

    Args:
        scanned: findings of each source split ("train", and "test", "validation" or "certify" if the source
            has them).
        class_names: names of the classes.
        config: labels_per_class (None, with no labeled_rate either: all), labeled_rate, test_rate,
            folds, validation_rate and certify_rate.
        seed: of the draw.
        given: which images keep their labels and are held out, instead of a draw.
        fold: of the draw; None: the whole.

    Raises:
        DataError: a class has fewer labels than asked for, a given key cannot be labelled, or there are folds
            and also test images of the source's own or given ones.
        UsageError: labels are given and also asked for by number or rate.
    """
    result = Draw({split: members_of(split, rows) for split, rows in scanned.items()})
    result.rejected = [(row.place, row.reason) for rows in scanned.values() for row in rows if row.reason]
    result.contradicted = mark_contradictions(result.everyone())
    train = result.own("train")
    if not train:
        first = min(result.rejected, default=None)
        reason = f"; the first: {first[0]!r}: {first[1]}" if first else ""
        raise DataError(f"the source has no usable training image{reason}.")
    if given is not None and (config.labels_per_class is not None or config.labeled_rate is not None):
        raise UsageError("data.labelled_keys says which labels are kept: leave out how many.")

    for split, rate in config.held_out_rates.items():
        folded = split == "test" and config.fold_count > 0
        if not _keep_own(result, split, rate):
            if folded:
                _hold_out_fold(result, class_names, config.fold_count, fold, seed=seed, given=given)
            else:
                _hold_out(result, split, rate, seed=seed, given=given or _NOTHING_GIVEN)
        elif folded:
            raise DataError("data.folds: the source has a labelled test split of its own; leave out folds.")
        elif given is not None and given.names(split):
            raise DataError(f"data.labelled_keys names images for the {split} split; the source has its own.")
        _leave_training(result, split)
    gone = {id(m) for m in result.duplicates}
    kept = [m for m in train if m.output is None and id(m) not in gone]
    if not kept:
        raise DataError("no training image is left: each one's content is in another split too.")
    for member in kept:
        member.output = "train"

    if given is not None:
        result.method = "given"
        usable = {m.key: m for m in kept}
        # in a fold its test images are not trained on, given or not
        tested = {m.digest for m in result.of("test")} if fold is not None else set()
        labelled = given.labelled - {m.key for m in result.own("train") if m.digest in tested}
        check_keys(labelled, usable, frozenset(m.key for m in result.everyone()))
        for key in labelled:
            usable[key].labelled = True
    else:
        _label_drawn(result, kept, class_names, config, seed)
    result.rejected.sort()
    return result


def _keep_own(result: Draw, split: str, rate: float) -> bool:
    """Keeps the labelled images of the source's own held-out split; False if it has none to keep."""
    own = result.own(split)
    any_label = any(m.label >= 0 for m in result.everyone())
    earlier = {m.digest for name in HELD_OUT[: HELD_OUT.index(split)] for m in result.own(name)}
    kept = [m for m in own if m.label >= 0 or not any_label]
    for member in kept:
        if member.digest in earlier:
            result.duplicates.append(member)
        elif not member.contradicted:
            member.output, member.labelled = split, member.label >= 0
    without = [m for m in own if m.label < 0 and any_label]
    result.rejected += [(m.place, f"an image of the {split} split without a label") for m in without]
    if own and not kept:
        instead = "; the split is drawn from the labelled training images" if rate else ""
        result.notes.append(
            f"no image of the source's {split} split has a label, so its {len(own)} are left out{instead}"
        )
    return bool(kept)


def _by_class(members: Sequence[Member]) -> dict[int, list[Member]]:
    groups: dict[int, list[Member]] = {}
    for member in members:
        if member.label >= 0 and not member.contradicted:
            groups.setdefault(member.label, []).append(member)
    return dict(sorted(groups.items()))


def _hold_out(result: Draw, split: str, rate: float, *, seed: int, given: Given) -> None:
    """Takes a held-out split from the labelled training images: those named, else a share of each class."""
    train = result.own("train")
    elsewhere = [m for name in HELD_OUT for m in result.own(name) if m.label >= 0]
    left_out = {m.digest for m in train if m.output is not None} | {m.digest for m in elsewhere}
    if given.names(split):
        free = {m.key: m for m in train if m.digest not in left_out and m.key not in given.labelled}
        wanted = frozenset(key for key, named in given.held_out.items() if named == split)
        check_keys(wanted, free, frozenset(m.key for m in train))
        for key in wanted:
            free[key].output, free[key].labelled = split, True
        return
    if not rate:
        return
    named = given.labelled | given.held_out.keys()
    for members in _by_class(train).values():
        free_ones = [
            m for m in members if m.output is None and m.key not in named and m.digest not in left_out
        ]
        # given labels are not on the free side: one of them may be all that training needs
        bound = len(free_ones) if len(free_ones) < len(members) else len(free_ones) - 1
        taken = max(0, min(share(rate, len(members)), bound))
        for _, member in in_hashed_order(free_ones, seed, split)[:taken]:
            member.output, member.labelled = split, True


def _hold_out_fold(
    result: Draw, class_names: Sequence[str], folds: int, fold: int | None, *, seed: int, given: Given | None
) -> None:
    """Takes a fold's test images from the labelled training images; the whole gives none away."""
    if given is not None and given.names("test"):
        raise DataError("data.labelled_keys names images for the test split: leave out folds.")
    elsewhere = {m.digest for name in HELD_OUT for m in result.own(name) if m.label >= 0}
    elsewhere |= {m.digest for m in result.own("train") if m.output is not None}
    by_class = _by_class([m for m in result.own("train") if m.digest not in elsewhere])
    if fold is not None:
        for member in members_of_fold(by_class, fold=fold, folds=folds, seed=seed):
            member.output, member.labelled = "test", True
    elif untested := [class_names[label] for label in alone(by_class)]:
        result.notes.append(
            f"{len(untested)} class(es) with a single labelled image are not tested: "
            + ", ".join(untested[:5])
        )


def _leave_training(result: Draw, split: str) -> None:
    """Takes the pixels of a held-out split out of training; also those that were not fit to be held out.

    Otherwise the label of one image would decide whether another one is trained on.
    """
    taken = {m.digest for m in [*result.of(split), *result.own(split)] if m.label >= 0 or m.output}
    gone = {id(m) for m in result.duplicates}
    result.duplicates += [
        m for m in result.own("train") if m.output is None and m.digest in taken and id(m) not in gone
    ]


def _label_drawn(
    result: Draw, kept: Sequence[Member], class_names: Sequence[str], config: DataConfig, seed: int
) -> None:
    groups = _by_class(kept)
    per_class, rate = config.labels_per_class, config.labeled_rate
    if not groups:
        if isinstance(per_class, int) or rate is not None:
            raise DataError("labels were asked for, but no training image of the source has a label.")
        return
    if per_class == "all" or (per_class is None and rate is None):
        result.method = "all"
    elif rate is not None:
        result.method = "rate"
    else:
        result.method = "per class"
    for label, name in enumerate(class_names):
        ordered = in_hashed_order(groups.get(label, []), seed, "labelled")
        if result.method == "all":
            wanted = len(ordered)
        elif rate is not None:
            wanted = min(len(ordered), max(1, int(rate * len(ordered) + 0.5)))
        else:
            wanted = int(per_class or 0)
            if wanted > len(ordered):
                raise DataError(
                    f"class {name!r} has {len(ordered)} labelled images for training, "
                    f"{wanted} were asked for (after the test and validation images are taken away)."
                )
        for _, member in ordered[:wanted]:
            member.labelled = True
        if result.method != "all" and wanted:
            result.thresholds[name] = f"{ordered[wanted - 1][0]:016x}"
