"""The usable images of a source in arrays, their keys, and the keyed hash that decides about them.

    members = Members(findings)
    members.labelled[members.in_hashed_order(rows, seed=0, purpose="labelled")[:10]] = True

A row is an image's place in the order of the source's splits (by name) and of their items. Nothing here is an
object an image: a row takes about 24 bytes, and sorting all of them 28 more while it goes on. What is said of
copies (of pixels that stand there more than once) is kept of these alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.stages.preprocess.findings import Findings

OUTPUTS = ("", "train", "test", "validation", "certify")
"""Splits that images go to, by their code in `Members.output`; "" is none."""

BLOCK = 1 << 13
Same = Callable[[slice, slice], np.ndarray]
_KEY = re.compile(r"([0-9a-f]{32})(?:\.([1-9]\d{0,9}))?")


class Member(NamedTuple):
    """One image, seen alone: for a few of them.

    Attributes:
        row: in the arrays.
        digest: of its decoded pixels, 32 hex characters.
        key: the record's `image/key`: the digest, with a number where the source split has the same
            pixels more than once. It says nothing of name, place or label.
        label: class index in the source, -1 where it has none.
        own: the source's split.
        contradicted: whether the same pixels stand under another label too.
        output: the split it goes to, "" if it is left out.
        labelled: whether its label is written.
    """

    row: int
    digest: str
    key: str
    label: int
    own: str
    contradicted: bool
    output: str
    labelled: bool

    @property
    def stored_label(self) -> int:
        """The label for the record: -1 unless labelled."""
        return self.label if self.labelled else -1


class Members:
    """All images of a source, N of them, also the rejected ones, of which nothing is said but that.

    Attributes:
        splits: source split to its rows.
        digests: of the decoded pixels, uint8 [N, 16].
        labels: class index in the source, -1 where there is none, int32 [N].
        usable: bool [N].
        output: where each goes, an index in `OUTPUTS`, uint8 [N].
        labelled: whose label is written, bool [N].
        contradicted: whose pixels stand under another label too, of those with a label, bool [N].
        duplicate: which leave their split because their pixels are in another one, bool [N].
    """

    def __init__(self, findings: Findings) -> None:
        self.splits = findings.splits
        self.digests, self.labels, self.usable = findings.digests, findings.labels, findings.usable
        count = len(self.labels)
        self.output = np.zeros(count, np.uint8)
        self.labelled, self.contradicted, self.duplicate = (np.zeros(count, np.bool_) for _ in range(3))
        self._halves = self.digests.view(">u8")
        self._find_copies()
        self._mark_contradictions()

    def __len__(self) -> int:
        return len(self.labels)

    def own(self, *splits: str) -> np.ndarray:
        """Returns which usable images are of some of the source's splits, bool [N]."""
        mask = np.zeros(len(self), np.bool_)
        for split in splits:
            rows = self.splits.get(split, range(0))
            mask[rows.start : rows.stop] = self.usable[rows.start : rows.stop]
        return mask

    def going_to(self, output: str) -> np.ndarray:
        """Returns which images go to a split, bool [N]."""
        return self.output == OUTPUTS.index(output)

    def put(self, which: np.ndarray, output: str, *, labelled: bool | np.ndarray) -> None:
        """Sends images (rows, or bool [N]) to a split."""
        self.output[which] = OUTPUTS.index(output)
        self.labelled[which] = labelled

    @property
    def distinct(self) -> int:
        """How many different pictures there are."""
        return int(np.count_nonzero(self.usable)) - len(self._copies) + len(self._starts)

    def alike(self, mask: np.ndarray) -> np.ndarray:
        """Returns which images have the pixels of one of those in `mask`, these too, bool [N]."""
        found = mask.copy()
        if len(self._copies):
            some = np.logical_or.reduceat(mask[self._copies], self._starts)
            found[self._copies[np.repeat(some, self._sizes)]] = True
        return found

    def keys(self, rows: np.ndarray) -> Iterator[str]:
        """Yields the keys of some rows."""
        for at in range(0, len(rows), BLOCK):
            block = rows[at : at + BLOCK]
            text = self.digests[block].tobytes().hex()
            for place, number in enumerate(self.numbers(block).tolist()):
                digest = text[32 * place : 32 * place + 32]
                yield f"{digest}.{number}" if number else digest

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Returns how many images with the same pixels stand before each row in its split, uint32."""
        if not len(self._copies):
            return np.zeros(len(rows), np.uint32)
        place = np.searchsorted(self._copy_rows, rows).clip(max=len(self._copy_rows) - 1)
        return np.where(self._copy_rows[place] == rows, self._copy_numbers[place], np.uint32(0))

    def rows_of(self, keys: Collection[str], mask: np.ndarray) -> dict[str, int]:
        """Returns the rows of those keys that name an image in `mask`; of several the first one."""
        wanted: dict[bytes, list[tuple[str, int]]] = {}
        for key in keys:
            if parts := _KEY.fullmatch(key):
                wanted.setdefault(bytes.fromhex(parts[1]), []).append((key, int(parts[2] or 0)))
        found: dict[str, int] = {}
        if not wanted:
            return found
        firsts = np.unique(np.frombuffer(b"".join(wanted), ">u8")[::2].astype(np.uint64))
        for at in range(0, len(self), BLOCK):
            half = self._halves[at : at + BLOCK, 0].astype(np.uint64)
            place = np.searchsorted(firsts, half).clip(max=len(firsts) - 1)
            hits = at + np.flatnonzero((firsts[place] == half) & mask[at : at + BLOCK])
            for row, number in zip(hits.tolist(), self.numbers(hits).tolist(), strict=True):
                for key, wanted_number in wanted.get(self.digests[row].tobytes(), ()):
                    if number == wanted_number:
                        found.setdefault(key, row)
        return found

    def hashes(self, rows: np.ndarray, *, seed: int, purpose: str) -> np.ndarray:
        """Returns the keyed hashes of some rows, as `keyed_hash` has them, uint64 [len(rows)]."""
        found = np.empty(len(rows), np.uint64)
        begun = _hash(seed, purpose)
        for at in range(0, len(rows), BLOCK):
            texts = self.digests[rows[at : at + BLOCK]].tobytes().hex().encode()
            ends = []
            for place in range(0, len(texts), 32):
                one = begun.copy()
                one.update(texts[place : place + 32])
                ends.append(one.digest())
            found[at : at + BLOCK] = np.frombuffer(b"".join(ends), ">u8")
        return found

    def in_hashed_order(
        self, rows: np.ndarray, *, seed: int, purpose: str, by_class: bool = False
    ) -> np.ndarray:
        """Returns rows in the order of the keyed hash of a purpose, equal ones by key.

        Args:
            rows: of images.
            seed: of the draw.
            purpose: of the hash.
            by_class: one class after the other, in the order of their indices.
        """
        hashes = self.hashes(rows, seed=seed, purpose=purpose)
        order = np.lexsort((hashes, self.labels[rows])) if by_class else hashes.argsort(kind="stable")
        ranked = rows[order]

        def same(one: slice, other: slice) -> np.ndarray:
            equal = hashes[order[one]] == hashes[order[other]]
            return equal & (self.labels[ranked[one]] == self.labels[ranked[other]]) if by_class else equal

        return self._by_key_where(ranked, same)

    def in_key_order(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows in the order of their keys as texts."""
        ranked = rows[self._halves[rows, 0].astype(np.uint64).argsort(kind="stable")]

        def same(one: slice, other: slice) -> np.ndarray:
            return self._halves[ranked[one], 0] == self._halves[ranked[other], 0]

        return self._by_key_where(ranked, same)

    def same_pixels(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Returns which rows have the pixels of the others beside them."""
        return (self.digests[rows] == self.digests[others]).all(axis=1)

    def view(self, which: np.ndarray) -> list[Member]:
        """Looks at some images one by one: rows, or bool [N]."""
        rows = rows_where(which) if which.dtype == np.bool_ else which
        return [
            Member(
                row,
                self.digests[row].tobytes().hex(),
                key,
                int(self.labels[row]),
                self.split_of(row),
                bool(self.contradicted[row]),
                OUTPUTS[self.output[row]],
                bool(self.labelled[row]),
            )
            for row, key in zip(rows.tolist(), self.keys(rows), strict=True)
        ]

    def split_of(self, row: int) -> str:
        """Returns the source's split of a row."""
        return next(split for split, rows in self.splits.items() if row in rows)

    def _by_key_where(self, ranked: np.ndarray, same: Same) -> np.ndarray:
        """Sorts each run of equal neighbours by key, in place. Runs are few, those of copies."""
        ties = []
        for at in range(0, len(ranked) - 1, BLOCK):
            stop = min(at + BLOCK, len(ranked) - 1)
            ties.append(at + np.flatnonzero(same(slice(at, stop), slice(at + 1, stop + 1))))
        found = np.concatenate(ties) if ties else np.zeros(0, np.int64)
        for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if len(found) else ():
            part = slice(int(run[0]), int(run[-1]) + 2)
            by_key = sorted(zip(self.keys(ranked[part]), ranked[part].tolist(), strict=True))
            ranked[part] = [row for _, row in by_key]
        return ranked

    def _find_copies(self) -> None:
        """Finds the images whose pixels stand there more than once, by their digests in order."""
        halves = self._halves[:, 0].astype(np.uint64)
        halves.sort()
        repeated = np.unique(halves[1:][halves[1:] == halves[:-1]])
        del halves
        rows, first = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        if len(repeated):
            parts = []
            for at in range(0, len(self), BLOCK):
                half = self._halves[at : at + BLOCK, 0].astype(np.uint64)
                place = np.searchsorted(repeated, half).clip(max=len(repeated) - 1)
                hits = (repeated[place] == half) & self.usable[at : at + BLOCK]
                parts.append(at + np.flatnonzero(hits))
            # those of rejected items, all zeros, may be the only ones
            rows = np.concatenate(parts)
        if len(rows):
            halves = self._halves[rows].astype(np.uint64)
            order = np.lexsort((halves[:, 1], halves[:, 0]))
            rows, halves = rows[order], halves[order]
            equal = (halves[1:] == halves[:-1]).all(axis=1)
            among = np.r_[False, equal] | np.r_[equal, False]
            first = np.r_[True, ~equal][among]
            rows = rows[among]
        # of each group of equal pixels its rows, in order
        self._copies = rows
        self._starts = np.flatnonzero(first) if len(rows) else rows
        self._sizes = np.diff(np.r_[self._starts, len(rows)])
        own = np.searchsorted([span.stop for span in self.splits.values()], rows, side="right")
        begins = np.zeros(len(rows), np.bool_)
        begins[self._starts] = True
        begins[1:] |= own[1:] != own[:-1]
        places = np.arange(len(rows))
        numbers = places - np.maximum.accumulate(np.where(begins, places, 0))
        by_row = rows.argsort()
        self._copy_rows, self._copy_numbers = rows[by_row], numbers[by_row].astype(np.uint32)

    def _mark_contradictions(self) -> None:
        """Marks the labelled images whose pixels stand under another label too."""
        if not len(self._copies):
            return
        labels = self.labels[self._copies]
        most = np.maximum.reduceat(labels, self._starts)
        least = np.minimum.reduceat(np.where(labels < 0, np.iinfo(np.int32).max, labels), self._starts)
        two = np.repeat((most >= 0) & (least < most), self._sizes)
        self.contradicted[self._copies[two & (labels >= 0)]] = True


def rows_where(mask: np.ndarray) -> np.ndarray:
    """Returns the rows of a mask, uint32 or, of more than four thousand millions, int64."""
    return np.flatnonzero(mask).astype(np.uint32 if len(mask) < 1 << 32 else np.int64)


def keyed_hash(digest: str, *, seed: int, purpose: str) -> int:
    """Returns the 64-bit hash of a content digest that decides about one purpose, for one seed."""
    hashed = _hash(seed, purpose)
    hashed.update(digest.encode())
    return int.from_bytes(hashed.digest(), "big")


def _hash(seed: int, purpose: str) -> Any:
    key = hashlib.sha256(str(seed).encode()).digest()
    return hashlib.blake2b(key=key, person=purpose.encode(), digest_size=8)


def labelled_digest(members: Members) -> str:
    """Returns the sha256 of the sorted content digests of the labelled training images, a line each."""
    rows = members.in_key_order(rows_where(members.going_to("train") & members.labelled))
    digest = hashlib.sha256()
    for place, key in enumerate(members.keys(rows)):
        digest.update(("\n" if place else "").encode() + key[:32].encode())
    return digest.hexdigest()


def record_order(members: Members, output: str, seed: int) -> np.ndarray:
    """Returns the rows of an output split in the order in which their records are stored.

    It is that of a keyed hash of the pixels: where a file lay, in which class folder or at which row,
    has no part in it.
    """
    return members.in_hashed_order(rows_where(members.going_to(output)), seed=seed, purpose="order")
