"""Epochs: which steps show each training image once, and after which of them a run tells of itself.

An epoch takes as many images as the training split holds, `batch_size` at a time. Epoch e (from 1) ends
with the first step after which every image was shown e times; a batch need not divide the images, and
nothing drifts. A run tells of each of its epochs, or where it has more than 20, of every 2, 5, 10, 20, ...
of them together: few images do not make a thousand lines. What a run has beyond its last whole epoch is
an epoch cut off, or, below a twentieth of one, part of the last. (No TensorFlow here.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

MOST_PERIODS = 20
REMNANT = 0.05


@dataclass(frozen=True)
class Period:
    """The steps `first` (from 0) to before `end`, and the epochs (from 1) that they belong to.

    Attributes:
        share: of the last epoch that the run has steps for, in (0, 1]; below 1 only where a run ends.
        total: the run's epochs in words, such as "5" or "2.4".
    """

    first_epoch: int
    last_epoch: int
    first: int
    end: int
    share: float
    total: str

    @property
    def title(self) -> str:
        """For example "epoch 3/5", "epochs 21-40/400" or "epoch 3/2.4 (40 % of it)"."""
        several = self.last_epoch > self.first_epoch
        name = f"epochs {self.first_epoch}-{self.last_epoch}" if several else f"epoch {self.last_epoch}"
        partial = f" ({self.share:.0%} of {'the last' if several else 'it'})".replace("%", " %")
        return f"{name}/{self.total}{partial if self.share < 1 else ''}"


def epoch_end(epoch: int, images: int, batch_size: int) -> int:
    """Number of steps after which each of `images` training images was shown `epoch` times."""
    return -(-epoch * images // batch_size)


def periods_of(images: int, batch_size: int, steps: int) -> list[Period]:
    """Divides a run into at most 20 periods of whole epochs; the last may be cut off by the run's end.

    Args:
        images: of the training split, from 1.
        batch_size: images of a step, over all replicas.
        steps: of the run.
    """
    done = steps * batch_size // images
    before = epoch_end(done, images, batch_size)
    share = (steps - before) / max(1, epoch_end(done + 1, images, batch_size) - before)
    partial = share > (REMNANT if done else 0.0)
    last, total = (done + 1, f"{steps * batch_size / images:.1f}") if partial else (done, str(done))
    found: list[Period] = []
    first, epoch, together = 0, 0, _together(last)
    while first < steps:
        begun, epoch = epoch + 1, min(epoch + together, last)
        end = steps if epoch == last else epoch_end(epoch, images, batch_size)
        # with fewer images than a batch, several epochs end with the same step
        epoch = last if end == steps else max(epoch, end * batch_size // images)
        cut = partial and epoch == last
        found.append(Period(begun, epoch, first, end, share if cut else 1.0, total))
        first = end
    return found


def _together(epochs: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that makes at most 20 periods."""
    sizes = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(size for size in sizes if -(-epochs // size) <= MOST_PERIODS)
