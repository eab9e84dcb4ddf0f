"""The comparison of new images with an export's own, in figures and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.exported.layout import REFERENCE_FILE, read_class_names, read_confidence
from pipeline.monitoring.observed import Observed
from pipeline.terminal import Terminal
from ssgan_tf.metrics.shift import Seen, shift_tests
from ssgan_tf.reference import Reference

FEWEST = 30
PROMISED = "promised"
BROKEN = "The certificate no longer applies"
MEASURED = "What was measured at the export (there is no certificate)"
# a share of the reference below which an image is called foreign
FOREIGN = 0.05


def read_reference(version: Path) -> Reference:
    """Reads what a version keeps of its own images.

    Raises:
        DataError: it keeps nothing, or that is damaged.
    """
    path = version / REFERENCE_FILE
    if not path.exists():
        raise DataError(
            f"the model {str(version)!r} keeps nothing of the images it was made for ({REFERENCE_FILE}): it "
            "was exported by an older version, or by another program. `ganpipe export` adds it."
        )
    return Reference.load(path)


def compare(version: Path, observed: Observed, level: float) -> dict[str, Any]:
    """Tests whether images come from where those of the export come from.

    Args:
        version: the SavedModel's folder.
        observed: what it sees in the new images.
        level: false alarms, as a share of all looks at images like those of the export.

    Returns:
        `shifted`, `images`, `reference` (their number, split, and whether they were held out), `tests`,
        `classes` (share of each class there and here), `foreign` (share of the new images that look less
        familiar than 95 % of the reference), `certificate`, `sentence`.

    Raises:
        DataError: too few images to say anything, or the features are not those of this model.
    """
    reference, count = read_reference(version), len(observed.seen.confidence)
    if count < FEWEST:
        raise DataError(f"{count} images are too few to tell a shift: it takes {FEWEST} or more.")
    if len(reference.confidence) < 2:
        raise DataError(f"the model {str(version)!r} keeps too few images of its own to compare with.")
    if observed.seen.features.shape[1:] != reference.features.shape[1:]:
        raise DataError(
            f"the features are of another model: {observed.seen.features.shape[1]} numbers an image, this "
            f"one has {reference.features.shape[1]}."
        )
    if not (np.isfinite(observed.seen.features).all() and np.isfinite(observed.seen.confidence).all()):
        raise DataError("some features or confidences are no numbers: nothing can be said of them.")
    there = Seen(reference.features, reference.confidence, reference.class_id)
    tests = shift_tests(there, observed.seen)
    promise = (read_confidence(version) or {}).get("promise") or {}
    promised = promise.get("state") == PROMISED
    failed = [test.name for test in tests if test.adjusted <= level]
    names = _class_names(version, int(max(there.class_id.max(), observed.seen.class_id.max())) + 1)
    familiar = observed.looks_familiar
    return {
        "shifted": bool(failed),
        "level": level,
        "images": count,
        "unread": observed.unread,
        "reference": {
            "images": len(there.confidence),
            "split": reference.split,
            "held_out": reference.held_out,
        },
        "tests": [test._asdict() for test in tests],
        "confidence": _both(there.confidence, observed.seen.confidence),
        "classes": {
            name: _both(there.class_id == k, observed.seen.class_id == k) for k, name in enumerate(names)
        },
        "foreign": None if familiar is None else float((np.asarray(familiar) < FOREIGN).mean()),
        "certificate": promise.get("sentence") if promised else None,
        "sentence": _sentence(failed, promised, level, count),
    }


def _class_names(version: Path, count: int) -> list[str]:
    """The names; of classes that have none, their numbers."""
    names = list(read_class_names(version))
    return names + [str(number) for number in range(len(names), count)]


def _both(there: np.ndarray, new: np.ndarray) -> dict[str, float]:
    return {"reference": float(there.mean()), "new": float(new.mean())}


def _sentence(failed: list[str], promised: bool, level: float, count: int) -> str:
    if not failed:
        return (
            f"No shift is seen in {count:,} images. A shift that is small for so many may be there; of looks "
            f"at images without one {100 * level:.3g} % raise an alarm."
        )
    *first, last = failed
    what = f"{', '.join(first)} and {last}" if first else last
    holds = (
        BROKEN if promised else "What was measured at the export (there is no certificate) no longer applies"
    )
    return f"{holds}: {what} of {count:,} images differ from those that the model was made for."


def show(found: dict[str, Any], terminal: Terminal) -> None:
    """Prints the comparison."""
    reference = found["reference"]
    terminal.table(
        f"{found['images']:,} images against {reference['images']:,} of split {reference['split']}",
        ("what", "statistic", "p-value", "adjusted for three tests"),
        [
            (test["name"], f"{test['statistic']:.4g}", f"{test['p_value']:.4g}", f"{test['adjusted']:.4g}")
            for test in found["tests"]
        ],
    )
    mean = found["confidence"]
    terminal.say(f"mean confidence {mean['new']:.3f} (at the export {mean['reference']:.3f})")
    if found["foreign"] is not None:
        terminal.say(
            f"{found['foreign']:.1%} look less familiar than {1 - FOREIGN:.0%} of the images of the export "
            f"(looks_familiar below {FOREIGN}); without a shift about {FOREIGN:.0%} do"
        )
    if not reference["held_out"]:
        terminal.warn(
            "the classifier was trained on the images that it is compared with, which it sees otherwise than "
            "new ones: an alarm may be a false one."
        )
    if found["certificate"] and not found["shifted"]:
        terminal.say(found["certificate"])
