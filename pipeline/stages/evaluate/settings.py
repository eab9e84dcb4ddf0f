"""Settings of `ganpipe evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import at_least, one_of, positive, setting


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `ganpipe evaluate`."""

    split: str = setting("test", "the split to evaluate on", one_of("test", "validation"))
    batch_size: int = setting(256, "images a batch", at_least(1))
    calibration_bins: int = setting(15, "bins of the expected calibration error", at_least(2))
    samples: int = setting(
        10_000,
        "generated images that are compared with real ones; of images beyond 64 x 64 fewer; 0: none",
        at_least(0),
    )
    temperature: float | None = setting(
        None,
        "divides the logits before the softmax; default: export.temperature",
        positive(),
    )
