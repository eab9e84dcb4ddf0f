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

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import DataError, UsageError
from pipeline.stages.preprocess.findings import Findings, Rejected
from pipeline.stages.preprocess.folds import alone, rows_of_fold
from pipeline.stages.preprocess.given import HELD_OUT, Given, check_keys
from pipeline.stages.preprocess.members import Member, Members, keyed_hash, rows_where
from pipeline.stages.preprocess.settings import DataConfig

_NOTHING_GIVEN = Given(frozenset())


@dataclass
class Draw:
    """What was drawn.

    Attributes:
        members: the images, and where each goes. A `duplicate` left its split because its pixels are in
            another one; one that is `contradicted` is neither labelled nor tested on.
        rejected: the items that cannot be used.
        left_out: rows that are not used for a reason of their whole split, and the reason.
        method: how labels were chosen: "per class", "rate", "all", "given" or "none".
        thresholds: class name to the largest keyed hash taken, in hex; empty unless labels were withheld
            by their hash.
        notes: what a user should know, in sentences.
    """

    members: Members
    rejected: list[Rejected] = field(default_factory=list)
    left_out: list[tuple[np.ndarray, str]] = field(default_factory=list)
    method: str = "none"
    thresholds: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, output: str) -> list[Member]:
        """Looks at the images of an output split, one by one."""
        return self.members.view(self.members.going_to(output))

    @property
    def rejected_count(self) -> int:
        """How many items are not used."""
        return len(self.rejected) + sum(len(rows) for rows, _ in self.left_out)


def share(rate: float, count: int) -> int:
    """Returns how many of `count` are `rate` of them, rounded; of two or more, some on either side."""
    if rate == 0 or count < 2:
        return 0
    return min(max(1, int(rate * count + 0.5)), count - 1)


def draw(
    findings: Findings,
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
        findings: of each source split ("train", and "test", "validation" or "certify" if the source has
            them).
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
    members = Members(findings)
    result = Draw(members, rejected=list(findings.rejected))
    train = members.own("train")
    if not train.any():
        first = min(((one.place, one.reason) for one in result.rejected), default=None)
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
    kept = train & (members.output == 0) & ~members.duplicate
    if not kept.any():
        raise DataError("no training image is left: each one's content is in another split too.")
    members.put(kept, "train", labelled=False)

    if given is not None:
        result.method = "given"
        labelled = given.labelled
        if fold is not None:
            # in a fold its test images are not trained on, given or not
            tested = members.alike(members.going_to("test")) & train
            labelled = labelled - members.rows_of(labelled, tested).keys()
        members.labelled[check_keys(labelled, members, kept, everywhere=members.usable)] = True
    else:
        _label_drawn(result, kept, class_names, config, seed)
    return result


def _keep_own(result: Draw, split: str, rate: float) -> bool:
    """Keeps the labelled images of the source's own held-out split; False if it has none to keep."""
    members = result.members
    own, has_label = members.own(split), members.labels >= 0
    if not own.any():
        return False
    any_label = bool((has_label & members.usable).any())
    kept = own & has_label if any_label else own
    copies = kept & members.alike(members.own(*HELD_OUT[: HELD_OUT.index(split)]))
    members.duplicate |= copies
    taken = kept & ~copies & ~members.contradicted
    members.put(taken, split, labelled=any_label)
    without = rows_where(own & ~kept)
    if len(without):
        result.left_out.append((without, f"an image of the {split} split without a label"))
    if not kept.any():
        instead = "; the split is drawn from the labelled training images" if rate else ""
        result.notes.append(
            f"no image of the source's {split} split has a label, so its {len(without)} are left out{instead}"
        )
    return bool(kept.any())


def _hold_out(result: Draw, split: str, rate: float, *, seed: int, given: Given) -> None:
    """Takes a held-out split from the labelled training images: those named, else a share of each class."""
    members = result.members
    train = members.own("train")
    left_out = members.alike(
        (train & (members.output > 0)) | (members.own(*HELD_OUT) & (members.labels >= 0))
    )
    if given.names(split):
        free = train & ~left_out
        free[list(members.rows_of(given.labelled, train).values())] = False
        wanted = frozenset(key for key, named in given.held_out.items() if named == split)
        rows = np.array(check_keys(wanted, members, free, everywhere=train), np.int64)
        members.put(rows, split, labelled=True)
        return
    if not rate:
        return
    there = train & (members.labels >= 0) & ~members.contradicted
    in_all = _per_class(members, there)
    free = there & (members.output == 0) & ~left_out
    free[list(members.rows_of(given.labelled | given.held_out.keys(), train).values())] = False
    ranked = members.in_hashed_order(rows_where(free), seed=seed, purpose=split, by_class=True)
    start = 0
    for count, free_ones in zip(in_all, _per_class(members, free, len(in_all)), strict=True):
        # given labels are not on the free side: one of them may be all that training needs
        bound = free_ones if free_ones < count else free_ones - 1
        taken = max(0, min(share(rate, count), bound))
        members.put(ranked[start : start + taken], split, labelled=True)
        start += free_ones


def _per_class(members: Members, mask: np.ndarray, classes: int = 0) -> list[int]:
    return np.bincount(members.labels[mask], minlength=classes).tolist()


def _hold_out_fold(
    result: Draw, class_names: Sequence[str], folds: int, fold: int | None, *, seed: int, given: Given | None
) -> None:
    """Takes a fold's test images from the labelled training images; the whole gives none away."""
    if given is not None and given.names("test"):
        raise DataError("data.labelled_keys names images for the test split: leave out folds.")
    members = result.members
    train, has_label = members.own("train"), members.labels >= 0
    elsewhere = members.alike((members.own(*HELD_OUT) & has_label) | (train & (members.output > 0)))
    rows = rows_where(train & has_label & ~members.contradicted & ~elsewhere)
    if fold is not None:
        tested = rows_of_fold(members, rows, fold=fold, folds=folds, seed=seed)
        members.put(tested, "test", labelled=True)
    elif untested := [class_names[label] for label in alone(members, rows, seed=seed)]:
        result.notes.append(
            f"{len(untested)} class(es) with a single labelled image are not tested: "
            + ", ".join(untested[:5])
        )


def _leave_training(result: Draw, split: str) -> None:
    """Takes the pixels of a held-out split out of training; also those that were not fit to be held out.

    Otherwise the label of one image would decide whether another one is trained on.
    """
    members = result.members
    there = members.going_to(split) | (members.own(split) & ((members.labels >= 0) | (members.output > 0)))
    members.duplicate |= members.own("train") & (members.output == 0) & members.alike(there)


def _label_drawn(
    result: Draw, kept: np.ndarray, class_names: Sequence[str], config: DataConfig, seed: int
) -> None:
    members = result.members
    there = kept & (members.labels >= 0) & ~members.contradicted
    per_class, rate = config.labels_per_class, config.labeled_rate
    if not there.any():
        if isinstance(per_class, int) or rate is not None:
            raise DataError("labels were asked for, but no training image of the source has a label.")
        return
    if per_class == "all" or (per_class is None and rate is None):
        result.method = "all"
        members.labelled |= there
        return
    result.method = "per class" if rate is None else "rate"
    ranked = members.in_hashed_order(rows_where(there), seed=seed, purpose="labelled", by_class=True)
    start = 0
    for name, count in zip(class_names, _per_class(members, there, len(class_names)), strict=True):
        if rate is not None:
            wanted = min(count, max(1, int(rate * count + 0.5)))
        else:
            wanted = int(per_class or 0)
            if wanted > count:
                raise DataError(
                    f"class {name!r} has {count} labelled images for training, "
                    f"{wanted} were asked for (after the test and validation images are taken away)."
                )
        members.labelled[ranked[start : start + wanted]] = True
        if wanted:
            last = members.digests[ranked[start + wanted - 1]].tobytes().hex()
            result.thresholds[name] = f"{keyed_hash(last, seed=seed, purpose='labelled'):016x}"
        start += count
