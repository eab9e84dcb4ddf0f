"""The graph of nearest neighbours that labels are carried along."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse


def neighbour_graph(features: np.ndarray, neighbours: int = 10) -> sparse.csr_matrix:
    """Weights between each example and its nearest neighbours by angle.

    An edge weighs exp(-4 d^2 / d_k^2), d_k being the distance to the farthest of the k neighbours
    (Zelnik-Manor and Perona 2004, "Self-Tuning Spectral Clustering"; the factor 4 is that of Calder et al.
    2020), and is made symmetric by taking the mean of both directions.

    Args:
        features: float [N, F], none of them 0 throughout.
        neighbours: k, below N.

    Returns:
        float32 [N, N], symmetric, with zeros on the diagonal.
    """
    from sklearn.neighbors import NearestNeighbors

    count = len(features)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.maximum(lengths, 1e-12)).astype(np.float32)
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(unit)
    distances, nearest = search.kneighbors()
    farthest = np.maximum(distances[:, -1:], 1e-6)
    weights = np.exp(-4.0 * (distances / farthest) ** 2).astype(np.float32)
    rows = np.repeat(np.arange(count), neighbours)
    graph = sparse.csr_matrix((weights.ravel(), (rows, nearest.ravel())), shape=(count, count))
    return ((graph + graph.T) / 2.0).tocsr()
