"""In what later data differ from a schema: each anomaly with its measure and its threshold.

Names are those of TensorFlow Data Validation's `AnomalyInfo.Type` (in tensorflow_metadata's anomalies.proto),
and so are the measures: new values of a domain, the L-infinity distance of shares of categories, the
Jensen-Shannon divergence of numbers. One name is our own, of a class that is gone, which that list does not
know. The package itself is left out as too heavy: it wants tfx-bsl, an extension that is built against one
release of TensorFlow, for what is a few sums here.

A threshold of a difference is the larger of a fixed one and of what chance alone gives in one of a thousand
comparisons of so many images: of thirty images shares are not known to a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import did_you_mean

NEW_CLASS = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
MISSING_CLASS = "ENUM_TYPE_MISSING_STRING_VALUES"
FEW_LABELS = "FEATURE_TYPE_LOW_FRACTION_PRESENT"
CLASS_SHARES = "COMPARATOR_L_INFTY_HIGH"
LIGHT = "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"
NEW_MODE = "UNEXPECTED_DATA_TYPE"
SIZES = "INVALID_FEATURE_SHAPE"
COPIES = "FEATURE_TYPE_LOW_UNIQUE"
UNREADABLE = "LOW_SUPPORTED_IMAGE_FRACTION"
NO_IMAGES = "DATASET_LOW_NUM_EXAMPLES"
OURS = (MISSING_CLASS,)

CHANCE = 0.001
L_INFTY = 0.1
DIVERGENCE = 0.1
MORE = 0.05
LABELS_LEFT = 0.5
RARE_MODE = 0.01
TIMES_LARGER = 2
_SHOWN = 5


@dataclass(frozen=True)
class Anomaly:
    """One difference: its name, what of the data it is about, and the rest in a sentence."""

    name: str
    feature: str
    text: str

    def __str__(self) -> str:
        return f"{self.feature}: {self.text} ({self.name})"


def compare(schema: Mapping[str, Any], now: Mapping[str, Any]) -> list[Anomaly]:
    """Compares data with a schema.

    Args:
        schema: of earlier data (`pipeline.data_schema.schema.infer`).
        now: of the data in question.
    """
    if not now["images"]:
        return [Anomaly(NO_IMAGES, "images", "there is none that can be used")]
    return [*_classes(schema, now), *_labels(schema, now), *_pictures(schema, now), *_copies(schema, now)]


def _classes(schema: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Anomaly]:
    known, found = schema["classes"], now["classes"]
    new = {name: count for name, count in found.items() if name not in known}
    if new:
        near = next((hint for name in new if (hint := did_you_mean(name, known))), "")
        yield Anomaly(
            NEW_CLASS,
            "classes",
            f"{_listed(new)} are not among the {len(known):,} of the schema.{near}".rstrip(),
        )
    there = now["labelled"]
    gone = {
        name: count
        for name, count in known.items()
        if count and not found.get(name) and _never(count, schema["labelled"], there) < CHANCE
    }
    if gone:
        yield Anomaly(
            MISSING_CLASS,
            "classes",
            f"none of {there:,} labelled images is of {_listed(gone)}: by the shares of the schema, chance "
            f"below {CHANCE:g}",
        )


def _never(count: int, labelled: int, there: int) -> float:
    """How often a class of so many of the labelled images has none among `there` others."""
    return (1 - count / labelled) ** there if labelled else 1.0


def _labels(schema: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Anomaly]:
    before, share = (one["labelled"] / one["images"] if one["images"] else 0.0 for one in (schema, now))
    if share < LABELS_LEFT * before and before - share > _noise(schema["images"], now["images"]):
        yield Anomaly(
            FEW_LABELS,
            "labels",
            f"{share:.1%} of the images have one, {before:.1%} in the schema: less than {LABELS_LEFT:g} "
            "times as many",
        )
    if not schema["labelled"] or not now["labelled"]:
        return
    names = [*schema["classes"], *(name for name in now["classes"] if name not in schema["classes"])]
    differences = {
        name: abs(
            schema["classes"].get(name, 0) / schema["labelled"]
            - now["classes"].get(name, 0) / now["labelled"]
        )
        for name in names
    }
    most = max(differences, key=lambda name: differences[name])
    threshold = max(L_INFTY, _noise(schema["labelled"], now["labelled"], len(names)))
    if differences[most] > threshold:
        shares = [one["classes"].get(most, 0) / one["labelled"] for one in (schema, now)]
        yield Anomaly(
            CLASS_SHARES,
            "shares of the classes",
            f"L-infinity distance {differences[most]:.3f}, threshold {threshold:.3f}; {most!r} has "
            f"{shares[1]:.1%}, {shares[0]:.1%} in the schema",
        )


def _pictures(schema: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Anomaly]:
    for name in ("brightness", "contrast"):
        if not sum(schema[name]) or not sum(now[name]):
            continue
        measured = divergence(schema[name], now[name])
        threshold = max(DIVERGENCE, _chance_divergence(schema[name], now[name]))
        if measured > threshold:
            yield Anomaly(
                LIGHT,
                name,
                f"Jensen-Shannon divergence {measured:.3f} bits, threshold {threshold:.3f}; the mean is "
                f"{_mean(now[name]):.0f}, {_mean(schema[name]):.0f} in the schema (of {len(now[name])} "
                "parts)",
            )
    total = now["images"]
    new = {
        mode: count
        for mode, count in now["modes"].items()
        if mode not in schema["modes"] and count > RARE_MODE * total
    }
    if new:
        yield Anomaly(
            NEW_MODE,
            "kinds of images",
            f"{_listed(new)}; the schema has {', '.join(schema['modes']) or 'none'}",
        )
    for name in ("height", "width"):
        before, after = schema[name], now[name]
        if before is None or after is None:
            continue
        fixed = before[0] == before[1]
        times = 1 if fixed else TIMES_LARGER
        if after[0] * times < before[0] or after[1] > times * before[1]:
            allowed = (
                f"{before[0]:,}"
                if fixed
                else f"{before[0]:,} to {before[1]:,}, up to {times} times either way"
            )
            yield Anomaly(SIZES, name, f"{after[0]:,} to {after[1]:,} pixels; the schema has {allowed}")


def _copies(schema: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Anomaly]:
    for name, key, what in (
        (COPIES, "duplicates", "repeat the pixels of another"),
        (UNREADABLE, "rejected", "cannot be used"),
    ):
        totals = [one["images"] + (one["rejected"] if key == "rejected" else 0) for one in (schema, now)]
        before, share = (
            one[key] / total if total else 0.0 for one, total in zip((schema, now), totals, strict=True)
        )
        threshold = max(MORE, _noise(*totals))
        if share - before > threshold:
            yield Anomaly(
                name,
                key,
                f"{share:.1%} of the images {what}, {before:.1%} in the schema; the threshold is "
                f"{threshold:.1%} more",
            )


def divergence(one: Sequence[int], other: Sequence[int]) -> float:
    """The Jensen-Shannon divergence of two histograms (Lin 1991, equation 4.1), in bits, 0 to 1.

    Args:
        one, other: counts of the same parts, each with one above 0.
    """
    from scipy.spatial.distance import jensenshannon

    # SciPy gives its square root
    return float(jensenshannon(one, other, base=2)) ** 2


def _chance_divergence(one: Sequence[int], other: Sequence[int]) -> float:
    """What the divergence of two samples of one distribution exceeds with a probability of `CHANCE`.

    8 times the divergence in nats is a chi-square of (parts - 1) degrees times (1/n + 1/m), for large
    samples.
    """
    from scipy.stats import chi2

    parts = sum(a + b > 0 for a, b in zip(one, other, strict=True))
    if parts < 2:
        return 0.0
    return float(chi2.ppf(1 - CHANCE, parts - 1)) * (1 / sum(one) + 1 / sum(other)) / (8 * math.log(2))


def _noise(count: int, other: int, comparisons: int = 1) -> float:
    """What the difference of two shares exceeds with a probability of `CHANCE` at most, by Hoeffding's "
    "bound."""
    if not count or not other:
        return 1.0
    return math.sqrt(math.log(2 * comparisons / CHANCE) / 2 * (1 / count + 1 / other))


def _mean(histogram: Sequence[int]) -> float:
    return sum(part * count for part, count in enumerate(histogram, 1)) / sum(histogram)


def _listed(counts: Mapping[str, int]) -> str:
    said = [f"{name!r} ({count:,})" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(said) + (f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else "")
