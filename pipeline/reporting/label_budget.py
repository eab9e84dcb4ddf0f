"""The labels in the training files against the budget that was asked for, and against the source's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import DataError, UsageError
from pipeline.provenance import places_of, read_provenance
from pipeline.sources.catalog import open_source
from pipeline.sources.source import Source
from pipeline.stages.preprocess.settings import DataConfig

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo


def reopened(config: DataConfig) -> Source | str:
    """Opens the source again; returns why not where it cannot be."""
    try:
        return open_source(config.dataset, **config.source_options)
    except (DataError, UsageError) as error:
        return str(error)


def against_budget(
    info: DatasetInfo, config: DataConfig, found: Mapping[str, int], source: Source | str
) -> tuple[str, bool] | None:
    """Compares the number of labels with the budget; None where no number was asked for.

    Args:
        info: the prepared data.
        config: the settings: `labels_per_class` or `labeled_rate`; with neither, and without
            `labelled_keys`, the budget is the source's own number of labels a class, if it has one.
        found: key to label of each labelled training record.
        source: what `reopened` returns.

    Returns:
        A sentence, and whether it says that something is wrong.
    """
    counts = _by_class(info, found)
    asked, why = config.labels_per_class, "were asked for"
    if asked is None and config.labeled_rate is None and not config.labelled_keys:
        asked, why = _own_budget(source), f"are the default of {config.dataset!r}"
    if isinstance(asked, int):
        wrong = [name for name in info.class_names if counts[name] != asked]
        if wrong:
            return f"{asked:,} labels a class {why}; {_listed(counts, wrong)}.", True
        return f"Each class has the {asked:,} labels that {why}.", False
    if config.labeled_rate is None:
        return None
    # `at most`: what the source has, less what became test or validation images
    histogram = read_provenance(info.folder).get("class_histogram")
    if not histogram:
        return (
            f"A share of {config.labeled_rate:g} was asked for; how many labels there are is not known.",
            False,
        )
    held_out = _held_out(info)
    left = {name: histogram[name] - held_out[name] for name in info.class_names}
    most = {name: max(1, int(config.labeled_rate * count + 0.5)) for name, count in left.items()}
    wrong = [name for name in info.class_names if counts[name] > most[name]]
    if wrong:
        return f"A share of {config.labeled_rate:g} was asked for; {_listed(counts, wrong)}: too many.", True
    return (
        f"{len(found):,} of {sum(left.values()):,} labels are no more than the share of "
        f"{config.labeled_rate:g} of each class that was asked for."
    ), False


def _own_budget(source: Source | str) -> int | None:
    return None if isinstance(source, str) else source.labels_per_class


def against_source(info: DatasetInfo, found: Mapping[str, int], source: Source | str) -> tuple[str, bool]:
    """Reads the labels of the source again and compares them, image by image.

    Args:
        info: the prepared data.
        found: key to label of each labelled training record.
        source: what `reopened` returns.

    Returns:
        A sentence, and whether it says that something is wrong.
    """
    not_compared = "They were not compared with the source's labels"
    if isinstance(source, str):
        return f"{not_compared}: {source}", False
    try:
        digest = read_provenance(info.folder).get("source", {}).get("digest")
        if digest is None:
            return f"{not_compared}: the provenance of the prepared data is gone.", False
        if source.digest() != digest:
            return f"{not_compared}: the source has changed since.", False
        labels, names = dict(source.labels("train")), source.class_names()
    except (DataError, UsageError) as error:
        return f"{not_compared}: {error}", False
    if names != info.class_names:
        return f"{not_compared}: its classes have changed since.", False
    places = places_of(info.folder, found)
    unknown = sum(places.get(key) not in labels for key in found)
    wrong = sum(labels.get(places.get(key, ""), label) != label for key, label in found.items())
    if unknown or wrong:
        return (
            f"The source was read again: {wrong:,} labels are not those that it gives, and it does not have "
            f"{unknown:,} of the images."
        ), True
    return "The source was read again: it gives each of them that label.", False


def _held_out(info: DatasetInfo) -> Counter[str]:
    """Labels of the held-out splits by class."""
    from ssgan_tf.records import iterate_labels

    counts: Counter[str] = Counter()
    for split in info.splits.keys() - {"train"}:
        counts += Counter(
            info.class_names[label] for _, label, _ in iterate_labels(info, split) if label >= 0
        )
    return counts


def _by_class(info: DatasetInfo, found: Mapping[str, int]) -> Counter[str]:
    return Counter(info.class_names[label] for label in found.values() if label >= 0)


def _listed(counts: Counter[str], names: list[str], shown: int = 3) -> str:
    parts = [f"{name} has {counts[name]:,}" for name in names[:shown]]
    return ", ".join(parts) + (f", and {len(names) - shown} more are wrong" if len(names) > shown else "")
