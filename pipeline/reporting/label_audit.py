"""Which labels stand in the training files? Read from the files themselves, and held against four things.

That is the draw, dataset.json, the budget that the user asked for, and the source's own labels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.reporting.label_budget import against_budget, against_source, reopened
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.workspace import LABELLED_FILE

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo


@dataclass(frozen=True)
class Finding:
    """One comparison of the recounted labels, in words, and whether it says that something is wrong."""

    text: str
    bad: bool = False


@dataclass(frozen=True)
class LabelAudit:
    """What the training split's records hold.

    Attributes:
        records: their number.
        labels: how many hold a label; all others hold -1.
        strays: how many of those were not drawn, or are marked as unlabelled beside their label.
        lost: how many drawn images hold no label.
        shards: number of files read.
        findings: what the labels were compared with.
    """

    records: int
    labels: int
    strays: int
    lost: int
    shards: int
    findings: tuple[Finding, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether the labels in the files are just those that were drawn, asked for and given."""
        return not self.strays and not self.lost and not any(finding.bad for finding in self.findings)


def audit_labels(info: DatasetInfo, config: DataConfig | None = None) -> LabelAudit:
    """Reads label, mask and key of every training record and compares them.

    Args:
        info: the prepared data.
        config: what was asked for, and where the source is; None: neither is compared.

    Raises:
        DataError: a shard is missing or damaged.
    """
    from ssgan_tf.records import iterate_labels

    drawn = _drawn_keys(info)
    records, strays = 0, 0
    found: dict[str, int] = {}
    for key, label, mask in iterate_labels(info, "train"):
        records += 1
        if label >= 0 or mask:
            found[key] = label
            strays += int((drawn is not None and key not in drawn) or label < 0 or mask != 1)
    lost = len(drawn - found.keys()) if drawn is not None else 0
    findings = [_against_draw(drawn, strays, lost), _against_document(info, found)]
    if config is not None:
        source = reopened(config)
        if asked := against_budget(info, config, found, source):
            findings.append(Finding(*asked))
        findings.append(Finding(*against_source(info, found, source)))
    return LabelAudit(records, len(found), strays, lost, len(info.shards("train")), tuple(findings))


def _drawn_keys(info: DatasetInfo) -> set[str] | None:
    """Keys of the training images that the draw gave a label; None where no list was kept."""
    listed = Path(info.folder) / LABELLED_FILE
    if not listed.exists():
        return None
    # what stands behind a tab names the split of an image that is no training image
    return {line for line in listed.read_text(encoding="utf-8").split("\n") if line and "\t" not in line}


def _against_draw(drawn: set[str] | None, strays: int, lost: int) -> Finding:
    if drawn is None:
        return Finding("The list of drawn images is gone: the labels were not compared with it.")
    if strays or lost:
        return Finding(
            f"{strays:,} labels are of images that were not drawn, {lost:,} drawn images have none.", True
        )
    return Finding("The labels are those of the images that were drawn and of no other.")


def _against_document(info: DatasetInfo, found: dict[str, int]) -> Finding:
    counted = Counter(info.class_names[label] for label in found.values() if label >= 0)
    said = {name: count for name, count in info.document["labels_per_class"].items() if count}
    if counted != said:
        return Finding("The number of labels of each class is not what dataset.json says.", True)
    return Finding("Each class has as many as dataset.json says.")
