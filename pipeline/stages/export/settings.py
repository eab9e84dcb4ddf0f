"""Settings of `ganpipe export`."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import FOLDER, at_least, positive, setting, some_of, whole_text, within


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
    push: str | None = setting(
        None,
        "copy the classifier, where it is blessed (evaluate --require), into this folder of served versions",
        affects_result=False,
        remembered=False,
        takes=FOLDER,
        place=whole_text,
        group="shipping",
    )
    push_keep: int | None = setting(
        None,
        "versions kept in the folder of --push, the highest; default: all",
        at_least(1),
        affects_result=False,
        group="shipping",
    )
    check_images: int = setting(64, "test images whose answers must agree after loading", at_least(1))
    format: str = setting(
        "savedmodel",
        "what the classifier is written as, with commas; a SavedModel always is",
        some_of("savedmodel", "tflite", "onnx"),
    )
    temperature: float | None = setting(
        None, "divides the logits before the softmax; default: that of the evaluation", positive()
    )
    abstain_below: float | None = setting(
        None,
        "confidence below which the classifier abstains; 0: never; default: that of --target-error (where no "
        "promise can be given: always), else 0",
        within(0, 1),
    )
