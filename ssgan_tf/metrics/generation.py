"""How generated images compare with real ones, from feature vectors.

Three views: the Fréchet and the kernel distance compare the two sets as wholes; precision says how many
generated images lie among the real ones, recall how much of the real ones they cover.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

# pairwise figures take at most this many vectors of either set: 2,000 x 2,000 distances are 32 MB
PAIRWISE_LIMIT = 2000
COMPONENTS = 64
NEIGHBOURS = 3


def principal_components(reference: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Projects vectors on the first 64 principal components of `reference`.

    Args:
        reference: float [N, D].
        others: float [M, D] each.

    Returns:
        Every set projected, float64 [., min(64, D, N)], `reference` first.
    """
    count = min(COMPONENTS, *reference.shape)
    pca = PCA(count, svd_solver="full" if reference.shape[1] <= 1024 else "randomized", random_state=0)
    pca.fit(reference.astype(np.float64))
    return [pca.transform(vectors.astype(np.float64)) for vectors in (reference, *others)]


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance between the normal distributions with the sets' means and covariances, squared.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", equation 6. It is biased upwards
    for small sets: compare only figures from sets of the same sizes.

    Args:
        first: float [N, D], N of at least 2.
        second: float [M, D], M of at least 2.
    """
    means = [vectors.mean(0) for vectors in (first, second)]
    covariances = [np.atleast_2d(np.cov(vectors.T)) for vectors in (first, second)]
    values, axes = np.linalg.eigh(covariances[0])
    root = axes * np.sqrt(np.clip(values, 0.0, None)) @ axes.T
    cross = np.linalg.eigvalsh(root @ covariances[1] @ root)
    spread = (
        np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * np.sqrt(np.clip(cross, 0, None)).sum()
    )
    return float(((means[0] - means[1]) ** 2).sum() + max(spread, 0.0))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy under the cubic kernel, without bias; may be slightly negative.

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4.

    Args:
        first: float [N, D]; the first 2,000 count.
        second: float [M, D]; the first 2,000 count.
    """
    x, y = first[:PAIRWISE_LIMIT], second[:PAIRWISE_LIMIT]

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1.0) ** 3

    def within(a: np.ndarray) -> float:
        values = kernel(a, a)
        return (values.sum() - np.trace(values)) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2.0 * kernel(x, y).mean())


def precision_recall(real: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    """Shares in [0, 1] of generated vectors among the real ones, and of real among the generated ones.

    Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models", with
    balls that reach to the third nearest neighbour. Of both sets as many count as the smaller has, 2,000
    at most: a denser set has smaller balls.

    Args:
        real: float [N, D].
        generated: float [M, D].
    """
    count = min(PAIRWISE_LIMIT, len(real), len(generated))
    x, y = real[:count], generated[:count]

    def radii(vectors: np.ndarray) -> np.ndarray:
        distances = cdist(vectors, vectors)
        # the smallest distance is that to itself
        nth = min(NEIGHBOURS, len(vectors) - 1)
        return np.partition(distances, nth, axis=1)[:, nth]

    across = cdist(x, y)
    precision = (across <= radii(x)[:, None]).any(axis=0).mean()
    recall = (across <= radii(y)[None, :]).any(axis=1).mean()
    return float(precision), float(recall)


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Share of the answers that each class has, float64 [K], from probabilities [N, K]."""
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)


def missing_class_mass(shares: np.ndarray, real_shares: np.ndarray) -> float:
    """How far classes fall short of their share among real images, summed, in [0, 1].

    Args:
        shares: of generated images, float [K].
        real_shares: of real images, float [K].
    """
    return float(np.maximum(real_shares - shares, 0.0).sum())
