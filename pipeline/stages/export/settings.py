"""Settings of `ganpipe export`."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import at_least, positive, setting, some_of, within


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `ganpipe export`."""

    version: int | None = setting(
        None,
        "number of the exported version; default: the next one, where the content is new",
        at_least(1),
        affects_result=False,
        remembered=False,
    )
    keep: int | None = setting(
        None, "exported versions kept, the highest; default: all", at_least(1), affects_result=False
    )
    check_images: int = setting(64, "test images whose answers must agree after loading", at_least(1))
    format: str = setting(
        "savedmodel",
        "what the classifier is written as, with commas; a SavedModel always is",
        some_of("savedmodel", "tflite", "onnx"),
    )
    temperature: float = setting(1.0, "divides the logits before the softmax", positive())
    abstain_below: float = setting(
        0.0,
        "confidence below which the classifier abstains; 0: never",
        within(0, 1),
    )
