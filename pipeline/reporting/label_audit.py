"""Which labels stand in the training files? Read from the files themselves, not from what was meant."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo

BLOCK = 512
LABELLED_KEYS = "labelled.txt"


@dataclass(frozen=True)
class LabelAudit:
    """What the training split's records hold.

    Attributes:
        records: their number.
        labels: how many hold a label; all others hold -1.
        strays: how many of those were not drawn, or are marked as unlabelled beside their label.
        lost: how many drawn images hold no label.
        shards: number of files read.
    """

    records: int
    labels: int
    strays: int
    lost: int
    shards: int

    @property
    def clean(self) -> bool:
        """Whether the labels in the files are just those that were drawn."""
        return not self.strays and not self.lost


def audit_labels(info: DatasetInfo) -> LabelAudit:
    """Reads label, mask and key of every training record, against the list of drawn images.

    Raises:
        DataError: a shard is missing or damaged.
    """
    import tensorflow as tf

    from ssgan_tf.records import iterate_records
    from ssgan_tf.tfrecord import KEY, LABEL, LABELED

    listed = Path(info.folder) / LABELLED_KEYS
    drawn = set(listed.read_bytes().split(b"\n")) - {b""} if listed.exists() else set()
    features = {
        LABEL: tf.io.FixedLenFeature([], tf.int64),
        LABELED: tf.io.FixedLenFeature([], tf.int64),
        KEY: tf.io.FixedLenFeature([], tf.string),
    }
    records, strays, found = 0, 0, set()

    def look(block: list[bytes]) -> None:
        nonlocal records, strays
        parsed = {name: values.numpy() for name, values in tf.io.parse_example(block, features).items()}
        columns = (parsed[name] for name in (LABEL, LABELED, KEY))
        for label, mask, key in zip(*columns, strict=True):
            records += 1
            if label >= 0 or mask:
                found.add(key)
                strays += int(key not in drawn or label < 0 or mask != 1)

    shards = info.shards("train")
    for shard in shards:
        payloads = (payload for _, payload in iterate_records(shard))
        while block := list(itertools.islice(payloads, BLOCK)):
            look(block)
    return LabelAudit(records, len(found), strays, len(drawn - found), len(shards))
