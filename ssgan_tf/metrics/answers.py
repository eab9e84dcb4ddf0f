"""A classifier's answers to labelled images that it has not seen, and all that evaluators ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ssgan_tf.metrics.certificate import Asked, Certificate, certify, estimate, threshold_grid
from ssgan_tf.metrics.conformal import LabelThresholds, label_thresholds
from ssgan_tf.metrics.probabilities import softmax
from ssgan_tf.metrics.temperature import FEWEST_IMAGES, Temperature, fit_temperature, without_own_fold

# parts of a plain test split, for an estimate
PARTS = 5


class Labelled(NamedTuple):
    """Class logits [N, K] and labels int [N] of a split that is not the one tested on."""

    logits: np.ndarray
    labels: np.ndarray


class Foreign(NamedTuple):
    """Scores by name, [N] of `familiar` (held-out) and [M] of `foreign` images, the one that is `chosen` for
    `looks_familiar`, and the `source` of the foreign ones.
    """

    familiar: dict[str, np.ndarray]
    foreign: dict[str, np.ndarray]
    chosen: str
    source: str


@dataclass(frozen=True)
class Answers:
    """What evaluators of a classification ask for, by name.

    Attributes:
        logits: of the images tested on, float32 [N, K].
        labels: int32 [N].
        class_names: K names.
        calibration_bins: bins of the calibration error.
        temperature: what the logits are divided by.
        folds: which fold each was answered in, int [N]; None: one model answered all of them.
        aside: images set aside for the promise and for sets of labels; None: there are none.
        asked: the promise that is asked for; None: none is.
        alpha: sets of labels may miss the true one so often; None: none are asked for.
        slices: column of the label file to the value of each image, text [N].
        slices_left_out: which columns give none, and why, in a sentence.
        foreign: scores of foreign images beside those of held-out ones; None: there are none.
    """

    logits: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    calibration_bins: int
    temperature: Temperature
    folds: np.ndarray | None = None
    aside: Labelled | None = None
    asked: Asked | None = None
    alpha: float | None = None
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)
    slices_left_out: str = ""
    foreign: Foreign | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities float64 [N, K] at the temperature."""
        return softmax(self.logits, self.temperature.value)

    @cached_property
    def uncalibrated(self) -> np.ndarray | None:
        """The same at the temperature 1; None where that is the temperature."""
        return None if self.temperature.value == 1 else softmax(self.logits)

    @cached_property
    def calibrated(self) -> np.ndarray:
        """As `probabilities`; where these images gave the temperature, each at that of the other folds."""
        if self.folds is None or not self.temperature.from_folds:
            return self.probabilities
        own = without_own_fold(self.logits, self.labels, self.folds)
        return softmax(self.logits / own[:, np.newaxis])

    @cached_property
    def certificate(self) -> Certificate | None:
        """The promise, its refusal, or where nothing was set aside an estimate; None where none is asked for.

        The thresholds that are tested come from the confidences of the images tested on, whose labels have
        no part in it.
        """
        if self.asked is None:
            return None
        confidence = self.probabilities.max(axis=1)
        if self.aside is None:
            wrong = self.probabilities.argmax(axis=1) != self.labels
            parts = np.arange(len(wrong)) % PARTS if self.folds is None else self.folds
            return estimate(confidence, wrong, parts, self.asked)
        grid = threshold_grid(confidence, count=len(self.aside.labels), asked=self.asked)
        there = self._aside_probabilities
        return certify(there.max(axis=1), there.argmax(axis=1) != self.aside.labels, grid, self.asked)

    @cached_property
    def label_sets(self) -> LabelThresholds | None:
        """Thresholds of the labels that remain; None where none are asked for."""
        if self.alpha is None:
            return None
        labels = np.empty(0, np.int64) if self.aside is None else self.aside.labels
        return label_thresholds(self._aside_probabilities, labels, self.alpha)

    @cached_property
    def _aside_probabilities(self) -> np.ndarray:
        """Class probabilities of the images set aside, float64 [M, K]; [0, K] where there are none."""
        if self.aside is None:
            return np.empty((0, len(self.class_names)))
        return softmax(self.aside.logits, self.temperature.value)


def choose_temperature(
    given: float | None, validation: Labelled | None, tested: Labelled, folds: np.ndarray | None
) -> Temperature:
    """The temperature: the one given, else fitted where labels were set aside for it, else 1.

    Args:
        given: by the user.
        validation: of images that are neither trained on, tested on, nor set aside for a promise.
        tested: answers to the images tested on, used only where they are cross-fitted.
        folds: which fold each of these was answered in; None: they are a plain test split.
    """
    if given is not None:
        return Temperature(given, "as given")
    if folds is not None:
        # the validation images of the whole are tested on in a fold
        source, name = tested, "cross-fitted answers"
    elif validation is not None:
        source, name = validation, "validation images"
    else:
        return Temperature(1.0, "not fitted: there is no validation split to fit it on")
    count, fitted = len(source.labels), fit_temperature(*source)
    if fitted is None:
        why = "none of them is answered wrongly" if count >= FEWEST_IMAGES else f"it takes {FEWEST_IMAGES}"
        return Temperature(1.0, f"not fitted: {count:,} {name} do not tell it, as {why}")
    return Temperature(fitted, f"fitted on {count:,} {name}", from_folds=folds is not None)
