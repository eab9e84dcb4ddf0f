"""Poisson learning: a few labels carried along a graph, and the cut that respects the classes' shares.

Calder, Cook, Thorpe and Slepcev 2020, "Poisson Learning: Graph Based Semi-Supervised Learning At Very Low
Label Rates". With few labels the usual label propagation tends to a constant almost everywhere; here labels
are sources and sinks of a flow, which keeps its shape however few they are.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse

STEPS = 200
OUTER, INNER = 20, 40


def poisson_scores(graph: sparse.csr_matrix, labels: np.ndarray, classes: int) -> np.ndarray:
    """Solves the Poisson equation with the labelled examples as sources, equation 2.2.

    Args:
        graph: symmetric weights [N, N].
        labels: int [N], -1 where there is none; at least one label.
        classes: K.

    Returns:
        float32 [N, K]; the largest of a row names the class. Examples that no path leads to from a label have
        rows of one value.
    """
    degree = _degrees(graph)
    walk = (sparse.diags(1.0 / degree) @ graph).tocsr().astype(np.float32)
    source = _sources(labels, classes) / degree[:, np.newaxis]
    scores = np.zeros((len(labels), classes), np.float32)
    for _ in range(STEPS):
        scores = walk @ scores + source
    return (scores - (scores * degree[:, np.newaxis]).sum(0) / degree.sum()).astype(np.float32)


def balanced_cut(
    graph: sparse.csr_matrix, labels: np.ndarray, scores: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Improves Poisson scores towards a short cut whose parts have given shares ("Poisson MBO", section 2.4).

    Heat flows from the classes' parts for a while, then each example joins the part that is warmest there,
    with weights that give each part its share; that is repeated until nothing moves.

    Args:
        graph: symmetric weights [N, N].
        labels: int [N], -1 where there is none.
        scores: of `poisson_scores`, [N, K].
        shares: of the classes [K], which sum to 1.

    Returns:
        The classes int64 [N], and how much warmer each is than the second there, float32 [N] from 0.
    """
    classes = scores.shape[1]
    degree = _degrees(graph)
    time = 1.0 / degree.max()
    flow = (sparse.identity(len(labels)) - time * (sparse.diags(degree) - graph)).tocsr().astype(np.float32)
    source = (time * _sources(labels, classes)).astype(np.float32)
    chosen = _by_shares(scores - scores.min(1, keepdims=True), shares)
    heat = scores
    for _ in range(OUTER):
        heat = np.eye(classes, dtype=np.float32)[chosen]
        for _ in range(INNER):
            heat = flow @ heat + source
        before, chosen = chosen, _by_shares(heat, shares)
        if np.array_equal(before, chosen):
            break
    ordered = np.sort(heat, axis=1)
    return chosen, ordered[:, -1] - ordered[:, -2]


def _degrees(graph: sparse.csr_matrix) -> np.ndarray:
    return np.maximum(np.asarray(graph.sum(1)).ravel(), 1e-12).astype(np.float32)


def _sources(labels: np.ndarray, classes: int) -> np.ndarray:
    """One-hot labels less their mean, so that what flows in flows out; 0 where there is no label."""
    known = labels >= 0
    sources = np.zeros((len(labels), classes), np.float32)
    sources[known, labels[known]] = 1.0
    sources[known] -= sources[known].mean(0)
    return sources


def _by_shares(heat: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The largest of a row [K], after weights in 0.5 .. 2 that bring the classes near to their shares."""
    weights = np.ones(heat.shape[1])
    for _ in range(100):
        counts = np.bincount((heat * weights).argmax(1), minlength=len(shares)) / len(heat)
        missing = shares - counts
        if np.abs(missing).max() < 1e-4:
            break
        weights = np.clip(weights + 0.5 * missing, 0.5, 2.0)
    return np.asarray((heat * weights).argmax(1))
