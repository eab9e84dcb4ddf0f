"""The draw: which images are tested on, and which keep their labels.

Every choice is a pure function of (content digest, seed): a keyed hash puts the images of a class in
an order, and the first n are taken, ties by key. So the same images are drawn whatever the order of the
source, the number of workers or the number of shards, and from any source with the same pixels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import DataConfig
from pipeline.errors import DataError, UsageError, did_you_mean
from pipeline.stages.preprocess.scan import Scanned

DEFAULT_LABELS_PER_CLASS = 10


@dataclass
class Member:
    """One usable image of the source and what becomes of it.

    Attributes:
        digest: of its content.
        key: stable id, unique in its source split.
        label: class index in the source, -1 where it has none.
        own: the source's split.
        output: the split it goes to, None if it is left out.
        labelled: whether its label is written.
    """

    digest: str
    key: str
    label: int
    own: str
    output: str | None = None
    labelled: bool = False

    @property
    def stored_label(self) -> int:
        """The label for the record: -1 unless labelled."""
        return self.label if self.labelled else -1


@dataclass
class Draw:
    """What was drawn.

    Attributes:
        members: the usable and the rejected items (None) of each source split, in the source's order.
        rejected: key and reason of each item that cannot be used.
        duplicates: keys that left the training split because their content is in another one.
        method: how labels were chosen: "per class", "rate", "all", "given" or "none".
        thresholds: class name to the largest keyed hash taken, in hex; empty unless labels were withheld
            by their hash.
    """

    members: dict[str, list[Member | None]]
    rejected: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    method: str = "none"
    thresholds: dict[str, str] = field(default_factory=dict)

    def of(self, output: str) -> list[Member]:
        """Returns the members of an output split."""
        return [m for rows in self.members.values() for m in rows if m is not None and m.output == output]


def keyed_hash(digest: str, *, seed: int, purpose: str) -> int:
    """Returns the 64-bit hash of a content digest that decides about one purpose, for one seed."""
    key = hashlib.sha256(str(seed).encode()).digest()
    hashed = hashlib.blake2b(digest.encode(), key=key, person=purpose.encode(), digest_size=8)
    return int.from_bytes(hashed.digest(), "big")


def share(rate: float, count: int) -> int:
    """Returns how many of `count` are `rate` of them, rounded; of two or more, some on either side."""
    if rate == 0 or count < 2:
        return 0
    return min(max(1, int(rate * count + 0.5)), count - 1)


def draw(
    scanned: dict[str, list[Scanned]],
    *,
    class_names: Sequence[str],
    config: DataConfig,
    seed: int,
    given: frozenset[str] | None = None,
) -> Draw:
    """Assigns every item to a split and decides which labels are kept.

    Args:
        scanned: findings of each source split ("train", and "test" if the source has one).
        class_names: names of the classes.
        config: labels_per_class, labeled_rate, test_rate and validation_rate.
        seed: of the draw.
        given: keys of the images that keep their labels, instead of a draw.

    Raises:
        DataError: a class has fewer labels than asked for, or a given key cannot be labelled.
        UsageError: labels are given and also asked for by number or rate.
    """
    result = Draw({split: _members(split, rows) for split, rows in scanned.items()})
    result.rejected = sorted((r.key, r.reason) for rows in scanned.values() for r in rows if r.reason)
    train = [m for m in result.members["train"] if m is not None]
    if not train:
        reason = f"; the first: {result.rejected[0][0]!r}: {result.rejected[0][1]}" if result.rejected else ""
        raise DataError(f"the source has no usable training image{reason}.")
    any_label = any(m.label >= 0 for rows in result.members.values() for m in rows if m is not None)
    reserved = given or frozenset()

    if "test" in scanned:
        for member in (m for m in result.members["test"] if m is not None):
            if member.label >= 0 or not any_label:
                member.output, member.labelled = "test", member.label >= 0
            else:
                result.rejected.append((member.key, "an image of the test split without a label"))
    else:
        _take(train, "test", config.test_rate, seed=seed, reserved=reserved)
    _leave_training(train, result, "test")
    if config.validation_rate:
        _take(train, "validation", config.validation_rate, seed=seed, reserved=reserved)
        _leave_training(train, result, "validation")
    kept = [m for m in train if m.output is None and m.key not in set(result.duplicates)]
    if not kept:
        raise DataError("no training image is left: each one's content is in another split too.")
    for member in kept:
        member.output = "train"

    if given is not None:
        _label_given(result, kept, given, config)
    else:
        _label_drawn(result, kept, class_names, config, seed)
    result.rejected.sort()
    return result


def _members(split: str, rows: Sequence[Scanned]) -> list[Member | None]:
    # equal images of an array source share their digest: number them, so that keys are unique
    seen: dict[str, int] = {}
    members: list[Member | None] = []
    for row in rows:
        if row.reason:
            members.append(None)
            continue
        nth = seen.get(row.key, 0)
        seen[row.key] = nth + 1
        key = f"{row.key}.{nth}" if nth else row.key
        members.append(Member(row.digest, key, row.label, split))
    return members


def _by_class(members: Sequence[Member]) -> dict[int, list[Member]]:
    groups: dict[int, list[Member]] = {}
    for member in members:
        if member.label >= 0:
            groups.setdefault(member.label, []).append(member)
    return dict(sorted(groups.items()))


def _ordered(members: Sequence[Member], seed: int, purpose: str) -> list[tuple[int, str, Member]]:
    hashed = [(keyed_hash(m.digest, seed=seed, purpose=purpose), m.key, m) for m in members]
    return sorted(hashed, key=lambda row: row[:2])


def _take(train: Sequence[Member], split: str, rate: float, *, seed: int, reserved: frozenset[str]) -> None:
    left_out = {m.digest for m in train if m.output is not None}
    for members in _by_class(train).values():
        free = [m for m in members if m.output is None and m.key not in reserved and m.digest not in left_out]
        # given labels are not on the free side: one of them may be all that training needs
        bound = len(free) if len(free) < len(members) else len(free) - 1
        for _, _, member in _ordered(free, seed, split)[: max(0, min(share(rate, len(members)), bound))]:
            member.output, member.labelled = split, True


def _leave_training(train: Sequence[Member], result: Draw, split: str) -> None:
    taken = {m.digest for m in result.of(split)}
    gone = set(result.duplicates)
    result.duplicates += [
        m.key for m in train if m.output is None and m.digest in taken and m.key not in gone
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
    if per_class is None and rate is None:
        unlabelled = any(m.label < 0 for m in kept)
        per_class = "all" if unlabelled else DEFAULT_LABELS_PER_CLASS
    if per_class == "all":
        result.method = "all"
    elif rate is not None:
        result.method = "rate"
    else:
        result.method = "per class"
    for label, name in enumerate(class_names):
        ordered = _ordered(groups.get(label, []), seed, "labelled")
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
        for _, _, member in ordered[:wanted]:
            member.labelled = True
        if result.method != "all" and wanted:
            result.thresholds[name] = f"{ordered[wanted - 1][0]:016x}"


def _label_given(result: Draw, kept: Sequence[Member], given: frozenset[str], config: DataConfig) -> None:
    if config.labels_per_class is not None or config.labeled_rate is not None:
        raise UsageError("data.labelled_keys says which labels are kept: leave out how many.")
    by_key = {m.key: m for m in kept}
    everywhere = {m.key for rows in result.members.values() for m in rows if m is not None}
    everywhere |= {key for key, _ in result.rejected}
    wrong = dict.fromkeys(given - everywhere, "is no image of the data set")
    wrong |= dict.fromkeys((given & everywhere) - by_key.keys(), "is no usable training image")
    wrong |= {key: "has no label in the data set" for key in given & by_key.keys() if by_key[key].label < 0}
    if wrong:
        first = min(wrong)
        more = f" ({len(wrong) - 1} more keys are wrong)" if len(wrong) > 1 else ""
        near = did_you_mean(first, sorted(by_key)[:5000]) if first not in everywhere else ""
        raise DataError(f"labelled key {first!r} {wrong[first]}.{near}{more}")
    result.method = "given"
    for key in given:
        by_key[key].labelled = True


def read_keys(path: Path) -> frozenset[str]:
    """Reads a file with one key a line, as `labelled.txt` of prepared data has them.

    Raises:
        DataError: it cannot be read, holds nothing, or a key twice.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    except OSError as error:
        raise DataError(f"cannot read the labelled keys {str(path)!r}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"the labelled keys {str(path)!r} are not UTF-8 text.") from None
    if not lines:
        raise DataError(f"the labelled keys {str(path)!r} hold no key.")
    if len(set(lines)) != len(lines):
        twice = min(line for line, count in Counter(lines).items() if count > 1)
        raise DataError(f"the labelled keys {str(path)!r} hold {twice!r} twice.")
    return frozenset(lines)


def labelled_digest(members: Sequence[Member]) -> str:
    """Returns the sha256 of the sorted content digests of the labelled members."""
    return hashlib.sha256("\n".join(sorted(m.digest for m in members if m.labelled)).encode()).hexdigest()
