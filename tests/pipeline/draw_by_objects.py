"""The draw with an object an image: slow, plain, and what the draw on arrays is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rows_one_by_one import Row

from pipeline.errors import DataError, did_you_mean
from pipeline.stages.preprocess.draw import share
from pipeline.stages.preprocess.given import HELD_OUT, Given
from pipeline.stages.preprocess.members import keyed_hash
from pipeline.stages.preprocess.settings import DataConfig

_NOTHING_GIVEN = Given(frozenset())


@dataclass
class Member:
    """One usable image of the source and what becomes of it."""

    digest: str
    key: str
    label: int
    own: str
    place: str = ""
    contradicted: bool = False
    output: str | None = None
    labelled: bool = False


def members_of(split: str, rows: Sequence[Row]) -> list[Member | None]:
    """Returns the members of a source split, None for a rejected item, in the source's order."""
    seen: dict[str, int] = {}
    members: list[Member | None] = []
    for row in rows:
        if row.reason:
            members.append(None)
            continue
        nth = seen.get(row.digest, 0)
        seen[row.digest] = nth + 1
        key = f"{row.digest}.{nth}" if nth else row.digest
        members.append(Member(row.digest, key, row.label, split, row.place))
    return members


def mark_contradictions(members: Iterable[Member]) -> list[Member]:
    """Marks the labelled images whose pixels stand under another label too; returns them."""
    labelled = [m for m in members if m.label >= 0]
    label_of: dict[str, int] = {}
    under_two = {m.digest for m in labelled if label_of.setdefault(m.digest, m.label) != m.label}
    contradicted = [m for m in labelled if m.digest in under_two] if under_two else []
    for member in contradicted:
        member.contradicted = True
    return contradicted


def in_hashed_order(members: Iterable[Member], seed: int, purpose: str) -> list[tuple[int, Member]]:
    """Returns (hash, member) in the order of the keyed hash of a purpose, equal ones by key."""
    # keys are unique, so two members are never compared
    hashed = sorted((keyed_hash(m.digest, seed=seed, purpose=purpose), m.key, m) for m in members)
    return [(value, member) for value, _, member in hashed]


@dataclass
class Draw:
    """What was drawn."""

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


def _draw(
    scanned: Mapping[str, Sequence[Row]],
    *,
    class_names: Sequence[str],
    config: DataConfig,
    seed: int,
    given: Given | None = None,
    fold: int | None = None,
) -> Draw:
    result = Draw({split: members_of(split, rows) for split, rows in scanned.items()})
    result.rejected = [(row.place, row.reason) for rows in scanned.values() for row in rows if row.reason]
    result.contradicted = mark_contradictions(result.everyone())
    train = result.own("train")
    if not train:
        first = min(result.rejected, default=None)
        reason = f"; the first: {first[0]!r}: {first[1]}" if first else ""
        raise DataError(f"the source has no usable training image{reason}.")
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


def members_of_fold(
    by_class: Mapping[int, Sequence[Member]], *, fold: int, folds: int, seed: int
) -> list[Member]:
    chosen: list[Member] = []
    place = 0
    for _, members in sorted(by_class.items()):
        first: dict[str, Member] = {}
        for _, member in in_hashed_order(members, seed, "fold"):
            first.setdefault(member.digest, member)
        if len(first) < 2:
            continue
        # fewer pictures than folds go to different ones, so one at least is left to train on
        chosen += [member for n, member in enumerate(first.values(), place) if n % folds == fold]
        place += len(first)
    return chosen


def alone(by_class: Mapping[int, Sequence[Member]]) -> list[int]:
    """Returns the classes that are not tested, as they have one picture only."""
    return [label for label, members in by_class.items() if len({m.digest for m in members}) == 1]


def check_keys(wanted: frozenset[str], usable: Mapping[str, Member], everywhere: frozenset[str]) -> None:
    wrong = dict.fromkeys(wanted - everywhere, "is no image of the data set")
    wrong |= dict.fromkeys((wanted & everywhere) - usable.keys(), "is no usable training image")
    for key in wanted & usable.keys():
        if usable[key].label < 0:
            wrong[key] = "has no label in the data set"
        elif usable[key].contradicted:
            wrong[key] = "has the same pixels as an image of another class, so its label is not known"
    if wrong:
        first = min(wrong)
        more = f" ({len(wrong) - 1} more keys are wrong)" if len(wrong) > 1 else ""
        near = did_you_mean(first, sorted(usable)[:5000]) if first not in everywhere else ""
        raise DataError(f"labelled key {first!r} {wrong[first]}.{near}{more}")


def draw_objects(scanned, **options):
    """Draws, and tells the outcome in the form of the test that compares."""
    result = _draw(dict(sorted(scanned.items())), **options)
    everyone, seed = result.everyone(), 3
    labelled = sorted(m.key for m in everyone if m.output == "train" and m.labelled)
    held_out = sorted((m.output, m.key) for m in everyone if m.output in HELD_OUT and m.own == "train")
    digests = "\n".join(sorted(m.digest for m in result.of("train") if m.labelled))
    return {
        "members": [
            (m.digest, m.key, m.label, m.own, m.contradicted, m.output or "", m.labelled) for m in everyone
        ],
        "duplicates": sorted(m.place for m in result.duplicates),
        "contradicted": sorted(m.place for m in result.contradicted),
        "rejected": result.rejected,
        "notes": result.notes,
        "thresholds": result.thresholds,
        "method": result.method,
        "lines": "".join([*(f"{k}\n" for k in labelled), *(f"{k}\t{s}\n" for s, k in held_out)]),
        "digest": hashlib.sha256(digests.encode()).hexdigest(),
        "order": {
            split: [m.key for _, m in in_hashed_order(result.of(split), seed, "order")]
            for split in ("train", "test", "validation", "certify")
        },
    }
