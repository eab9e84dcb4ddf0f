"""Settings of the training loop, with the defaults of the whole program (no TensorFlow here)."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import at_least, decay, one_of, setting

MOVING, RENEWED = "moving", "renewed"
MOST_IMAGES = 8192
"""Training images that statistics are measured anew over, where there are as many."""


@dataclass(frozen=True)
class LoopOptions:
    """Settings of the loop; all `*_every` are in steps."""

    steps: int
    steps_per_call: int = setting(
        50, "training steps in one tf.function call", at_least(1), affects_result=False
    )
    summary_every: int = setting(
        50, "steps between scalar summaries' flushes", at_least(1), affects_result=False
    )
    histogram_every: int = setting(500, "steps between weight histograms", at_least(1), affects_result=False)
    image_every: int = setting(500, "steps between sample grids", at_least(1), affects_result=False)
    checkpoint_every: int = setting(500, "steps between checkpoints", at_least(1), affects_result=False)
    validation_every: int = setting(
        100,
        "steps between measurements of the accuracy on a validation split",
        at_least(1),
        affects_result=False,
    )
    keep_checkpoints: int = setting(3, "checkpoints kept", at_least(1), affects_result=False)
    average_decay: float = setting(0.999, "decay of the weight average", decay())
    batch_statistics: str = setting(
        MOVING,
        "means and variances that the classifier's batch normalisation has in the end: moving (they follow "
        "the last batches, and lag where weights move fast) or renewed (measured after the last step, over "
        f"up to {MOST_IMAGES:,} training images)",
        one_of(MOVING, RENEWED),
    )

    def until_next_action(self, step: int) -> int:
        """How many steps from `step` one call may run before something is due."""
        intervals = (
            *(self.summary_every, self.histogram_every, self.image_every),
            *(self.checkpoint_every, self.validation_every),
        )
        due = min(every - step % every for every in intervals)
        return min(due, self.steps_per_call, self.steps - step)
