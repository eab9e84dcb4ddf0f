"""Probabilities from logits: the only softmax outside of the graph."""

from __future__ import annotations

import numpy as np
from scipy import special


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities float64 [N, K] of logits [N, K], which are divided by the temperature first.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 9.
    """
    return special.softmax(logits.astype(np.float64) / temperature, axis=1)
