"""Published errors on MNIST, and whether a benchmark's test images are MNIST's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published test error.

    Attributes:
        system: its name there.
        source: authors and year.
        protocol: how it was measured, in words.
        errors: labels in all to (mean, what stands behind the plus-minus sign), percent.
    """

    system: str
    source: str
    protocol: str
    errors: dict[int, tuple[float, float]]


_SHARED = "percent of the 10,000 test images"
PUBLISHED = (
    Published(
        "Improved GAN",
        "Salimans et al. 2016",
        f"{_SHARED}; mean and deviation over 10 draws; fully connected networks (permutation-invariant)",
        {20: (16.77, 4.52), 50: (2.21, 1.36), 100: (0.93, 0.065)},
    ),
    Published(
        "Triple-GAN",
        "Li et al. 2017",
        f"{_SHARED}; mean and deviation over 10 runs, each with another draw and other initial weights",
        {20: (4.81, 4.95), 50: (1.56, 0.72), 100: (0.91, 0.58)},
    ),
    Published(
        "Bad GAN",
        "Dai et al. 2017",
        f"{_SHARED}; mean and deviation over runs as printed",
        {100: (0.795, 0.098)},
    ),
)

_MNIST_TEST = "db96ba1c80da06688a83ae5272eb543f8aa7c7ca73793109dfc5cfa65336bcee"
_NAME = "tfds:mnist"


def is_mnist(dataset: str, test_digests: Iterable[str]) -> bool:
    """Whether the images that were tested on are MNIST's.

    Args:
        dataset: the data set's full name.
        test_digests: of the pixels of the test images, as evaluations store them.

    Returns:
        True where tensorflow_datasets calls it mnist, or all test images together have MNIST's digest,
        from whatever files they come.
    """
    named = dataset == _NAME or dataset.startswith((f"{_NAME}:", f"{_NAME}/"))
    return named or digest_of(test_digests) == _MNIST_TEST


def digest_of(test_digests: Iterable[str]) -> str:
    """Hex digest of a set of images, whatever their order."""
    return hashlib.sha256("\n".join(sorted(test_digests)).encode()).hexdigest()
