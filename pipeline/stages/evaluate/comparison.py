"""Which images generated ones are compared with, and which the judge learns from.

Images are put in the order of a keyed hash of their content, so that neither the order nor the names of
files have a say. The same number stands on every side of a distance. The judge trains on none of the
images that it is asked about.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.stages.evaluate.contents import Contents

# below, distances say more about the number of images than about the images
FEWEST = 100
# labelled images that the judge should have, before held-out ones go into the comparison
JUDGE_WANTS = 5_000


@dataclass(frozen=True)
class Comparison:
    """Positions in the held-out and in the training split.

    Attributes:
        real: held-out images that are compared, int [n].
        training: training images that are compared, int [n].
        judge_held_out: labelled held-out images for the judge.
        judge_training: labelled training images for the judge.
    """

    real: np.ndarray
    training: np.ndarray
    judge_held_out: np.ndarray
    judge_training: np.ndarray


def draw_comparison(held_out: Contents, training: Contents, samples: int, seed: int) -> Comparison:
    """Draws both.

    Where the training split has few labels, up to half of the held-out images go to the judge.

    Args:
        held_out: contents of the held-out split.
        training: contents of the training split.
        samples: number of generated images.
        seed: of the keyed hash.
    """
    labelled = int((training.labels >= 0).sum())
    for_judge = 0
    if (held_out.labels >= 0).any():
        for_judge = min(max(JUDGE_WANTS - labelled, 0), len(held_out.labels) // 2)
    # of a labelled training split at least half stays for the judge
    spare = len(training.labels) - min(labelled, len(training.labels) // 2)
    count = min(samples, len(held_out.labels) - for_judge, spare)
    real, others = _parts(held_out, count, seed)
    compared, rest = _parts(training, count, seed)
    return Comparison(real, compared, others, rest)


def _parts(contents: Contents, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images in hash order, and of the others those with a label and another content."""
    order = np.argsort([_hash(digest, seed) for digest in contents.digests], kind="stable")
    first, rest = order[:count], order[count:]
    free = (contents.labels[rest] >= 0) & ~np.isin(contents.digests[rest], contents.digests[first])
    return first, rest[free]


def _hash(digest: str | bytes, seed: int) -> int:
    key = hashlib.sha256(str(seed).encode()).digest()
    text = digest if isinstance(digest, bytes) else digest.encode()
    hashed = hashlib.blake2b(text, key=key, person=b"comparison", digest_size=7)
    return int.from_bytes(hashed.digest(), "big")
