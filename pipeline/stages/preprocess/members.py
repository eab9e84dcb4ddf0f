"""The usable images of a source, their keys, and the keyed hash that decides about them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.stages.preprocess.scan import Scanned


@dataclass(slots=True)
class Member:
    """One usable image of the source and what becomes of it.

    Attributes:
        digest: of its decoded pixels.
        key: the record's `image/key`: the digest, with a number where the source split has the same
            pixels more than once. It says nothing of name, place or label.
        label: class index in the source, -1 where it has none.
        own: the source's split.
        place: where it lies in the source.
        checksum: of what the source gave, to notice a change before the second reading.
        contradicted: whether the same pixels stand under another label too.
        output: the split it goes to, None if it is left out.
        labelled: whether its label is written.
        position: of its record in the split that it goes to, once that is known.
    """

    digest: str
    key: str
    label: int
    own: str
    place: str = ""
    checksum: str = ""
    contradicted: bool = False
    output: str | None = None
    labelled: bool = False
    position: int = -1

    @property
    def stored_label(self) -> int:
        """The label for the record: -1 unless labelled."""
        return self.label if self.labelled else -1


def members_of(split: str, rows: Sequence[Scanned]) -> list[Member | None]:
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
        members.append(Member(row.digest, key, row.label, split, row.place, row.checksum))
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


def keyed_hash(digest: str, *, seed: int, purpose: str) -> int:
    """Returns the 64-bit hash of a content digest that decides about one purpose, for one seed."""
    hashed = hashlib.blake2b(digest.encode(), key=_key(seed), person=purpose.encode(), digest_size=8)
    return int.from_bytes(hashed.digest(), "big")


@functools.lru_cache(maxsize=8)
def _key(seed: int) -> bytes:
    return hashlib.sha256(str(seed).encode()).digest()


def in_hashed_order(members: Iterable[Member], seed: int, purpose: str) -> list[tuple[int, Member]]:
    """Returns (hash, member) in the order of the keyed hash of a purpose, equal ones by key."""
    # keys are unique, so two members are never compared
    hashed = sorted((keyed_hash(m.digest, seed=seed, purpose=purpose), m.key, m) for m in members)
    return [(value, member) for value, _, member in hashed]


def record_order(members: Iterable[Member], seed: int) -> list[Member]:
    """Returns the members of an output split in the order in which their records are stored.

    It is that of a keyed hash of the pixels: where a file lay, in which class folder or at which row,
    has no part in it.
    """
    listed = list(members)
    hashes = np.fromiter(
        (keyed_hash(member.digest, seed=seed, purpose="order") for member in listed), np.uint64, len(listed)
    )
    # by arrays: a list of pairs takes a hundred bytes an image. Few hashes are equal, those of copies
    order = hashes.argsort(kind="stable")
    records = [listed[index] for index in order.tolist()]
    ranked = hashes[order]
    at = 0
    for start in np.flatnonzero(ranked[1:] == ranked[:-1]).tolist():
        if start < at:
            continue
        at = int(np.searchsorted(ranked, ranked[start], side="right"))
        records[start:at] = sorted(records[start:at], key=lambda member: member.key)
    return records


def labelled_digest(members: Iterable[Member]) -> str:
    """Returns the sha256 of the sorted content digests of the labelled members."""
    return hashlib.sha256("\n".join(sorted(m.digest for m in members if m.labelled)).encode()).hexdigest()
