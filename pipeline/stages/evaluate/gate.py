"""Whether a model may be shipped: what is required of its figures, and that it is not worse than another.

    error<=0.02, certified_coverage>=0.8, generation.missing_class_mass<=0.05

Figures are named as in `metrics.json`. The verdict stands beside the metrics, in `blessing.json`.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from pipeline.errors import DataError, UsageError, did_you_mean
from pipeline.evaluated import metrics_at, read_stored
from pipeline.exported.pushing import check_versions
from pipeline.exported.shipped import newest_answers
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.workspace import BLESSING_FILE
from ssgan_tf.metrics.figures import GENERATION
from ssgan_tf.whole_files import write_whole

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|<|>)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*"
)
_HOLDS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
SHORT = {
    "ece": "expected_calibration_error",
    "nll": "negative_log_likelihood",
    "coverage": "certified_coverage",
}
"""Names that people use for figures."""
FEWEST_IN_COMMON = 50


@dataclass(frozen=True)
class Requirement:
    """A figure and what it must be: NAME, one of <=, >=, <, >, and a number."""

    name: str
    sign: str
    bound: float

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.name}{self.sign}{self.bound:g}"


def parse_requirements(text: str | None) -> tuple[Requirement, ...]:
    """Reads requirements with commas between them.

    Raises:
        UsageError: one is not of the form NAME<=NUMBER, or names no figure; says which there are.
    """
    found = []
    for part in (text or "").split(","):
        if not part.strip():
            continue
        match = _REQUIREMENT.fullmatch(part)
        if match is None:
            raise UsageError(
                f"--require wants a figure, one of <=, >=, < and >, and a number, such as error<=0.02; got "
                f"{part.strip()!r}."
            )
        name = SHORT.get(match[1], match[1])
        if not name.startswith(f"{GENERATION}.") and name not in known_figures():
            raise _unknown(match[1], (*known_figures(), *SHORT))
        found.append(Requirement(name, match[2], float(match[3])))
    return tuple(found)


def _unknown(name: str, known: tuple[str, ...]) -> UsageError:
    return UsageError(
        f"--require {name!r} names no figure of metrics.json.{did_you_mean(name, known)} There are: "
        f"{', '.join(sorted(known))}, and generation.NAME."
    )


@lru_cache(maxsize=1)
def known_figures() -> tuple[str, ...]:
    """Names of all numbers that a classification can have, told by evaluating a few made-up answers."""
    import numpy as np

    from ssgan_tf.metrics.answers import Answers, Labelled
    from ssgan_tf.metrics.certificate import Asked
    from ssgan_tf.metrics.evaluators import evaluate
    from ssgan_tf.metrics.figures import CLASSIFICATION, document
    from ssgan_tf.metrics.temperature import Temperature

    logits, labels = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]], np.array([0, 1, 0, 0])
    answers = Answers(
        logits,
        labels,
        ("a", "b"),
        2,
        Temperature(2.0, ""),
        aside=Labelled(logits, labels),
        asked=Asked(0.5, 0.5),
        alpha=0.5,
    )
    values, _ = document(CLASSIFICATION, evaluate(CLASSIFICATION, answers)[0])
    return tuple(name for name, value in values.items() if _is_number(value))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def bless(config: EvaluateConfig, evaluated: Path, contents: str) -> dict[str, Any] | None:
    """Decides whether a model may be shipped, and writes the verdict beside the evaluation.

    Args:
        config: what is required.
        evaluated: folder of its evaluation.
        contents: digest of what that holds, so that the verdict is of no other one.

    Returns:
        `blessed`, `findings` (text and whether it is met), `made_from`; None where nothing is required.

    Raises:
        UsageError: a requirement names no figure, or there are no versions where the other model should be.
        DataError: the evaluation is damaged, or the other model cannot be compared with.
    """
    requirements = parse_requirements(config.require)
    if not requirements and config.not_worse_than is None:
        return None
    # a question that cannot be answered must not leave the answer to an easier one
    evaluated.with_name(BLESSING_FILE).unlink(missing_ok=True)
    metrics = metrics_at(evaluated)
    findings = [_finding(requirement, metrics) for requirement in requirements]
    if config.not_worse_than is not None:
        findings.append(compare(evaluated, metrics, Path(config.not_worse_than).expanduser(), config.margin))
    document = {
        "blessed": all(finding["met"] for finding in findings),
        "findings": findings,
        "temperature": metrics.get("temperature"),
        "made_from": contents,
    }
    write_whole(evaluated.with_name(BLESSING_FILE), json.dumps(document, indent=1) + "\n")
    return document


def _finding(requirement: Requirement, metrics: Mapping[str, Any]) -> dict[str, Any]:
    section, _, name = requirement.name.rpartition(".")
    values = metrics.get(section, {}) if section else metrics
    value = values.get(name)
    if not _is_number(value):
        if section:
            raise _unknown(
                requirement.name, tuple(f"{section}.{k}" for k, v in values.items() if _is_number(v))
            )
        said = f"{requirement.text}: this evaluation has no such figure"
        return {"text": said, "met": False, "value": None, "figure": requirement.name}
    met = bool(_HOLDS[requirement.sign](value, requirement.bound))
    return {
        "text": f"{requirement.text}: it is {value:.4g}, which {'meets' if met else 'does not meet'} it",
        "met": met,
        "value": value,
        "figure": requirement.name,
    }


def compare(evaluated: Path, metrics: Mapping[str, Any], shipped: Path, margin: float) -> dict[str, Any]:
    """Tests whether a model is worse than what was shipped last by `margin` at most, on the same images.

    The images are those that both were tested on, neither having been trained on them. What must be shown
    is that the new model is not worse: few images in common are a no.

    Args:
        evaluated: folder of the new model's evaluation.
        metrics: of the evaluation.
        shipped: folder of served versions, with the answers of the newest one.
        margin: difference in error that is still taken, a fraction above 0.

    Raises:
        UsageError: the folder is none of versions.
        DataError: the newest version has no answers, other classes, or no images in common.
    """
    import numpy as np

    from ssgan_tf.metrics.intervals import (
        chance_if_worse,
        difference_inflation,
        largest_difference,
    )

    check_versions(shipped, "--not-worse-than")
    old = newest_answers(shipped)
    if old is None:
        return {"text": f"nothing was shipped to {str(shipped)!r} yet, so it is not worse", "met": True}
    if tuple(old.class_names) != tuple(metrics["per_class"]):
        raise DataError(
            f"version {old.version} in {str(shipped)!r} has the classes {', '.join(old.class_names)}; this "
            f"model has {', '.join(metrics['per_class'])}. They cannot be compared."
        )
    stored = read_stored(evaluated)
    right_before = dict(zip(old.digests.tolist(), old.right.tolist(), strict=True))
    digests = stored["digests"].tolist()
    _, first = np.unique(stored["digests"], return_index=True)
    rows = [row for row in first.tolist() if digests[row] in right_before]
    if len(rows) < FEWEST_IN_COMMON:
        raise DataError(
            f"this model and version {old.version} in {str(shipped)!r} were both tested on {len(rows)} "
            f"images; a comparison takes at least {FEWEST_IN_COMMON}. Draw the test split with the same "
            "--seed, or name it (--test-labels, --labelled-keys)."
        )
    right = (stored["logits"].argmax(axis=1) == stored["labels"])[rows]
    before = np.array([right_before[digests[row]] for row in rows])
    worse, better = int((before & ~right).sum()), int((right & ~before).sum())
    folds = stored.get("folds")
    inflation = difference_inflation(
        before.astype(int) - right.astype(int), None if folds is None else folds[rows]
    )
    chance = chance_if_worse(worse, better, len(rows), margin=margin, inflation=inflation)
    difference = (worse - better) / len(rows)
    most = largest_difference(worse, better, len(rows), inflation=inflation)
    met = chance <= 0.05
    said = (
        f"{len(rows):,} images were put to both it and version {old.version}: {worse:,} that only the old "
        f"one answers rightly, {better:,} that only the new one does. Its error is {100 * difference:+.2f} "
        f"points from the old one's, at most {100 * most:+.2f} with 95 % confidence; {100 * margin:+.2f} are "
        "allowed"
    )
    return {"text": said, "met": met, "value": difference, "chance": chance, "against": old.version}
