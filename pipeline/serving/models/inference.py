"""`:classify` and `:regress`: which signatures they accept, and their answer from the outputs.

Follows `servables/tensorflow/classifier.cc` and `regressor.cc` (PreProcess..., PostProcess...), with the
check of method names off, as it is there by default: TF 2 saves every signature as "predict".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.serving.models.signature import Signature
from pipeline.serving.status import invalid

INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"


def check_signature(signature: Signature, action: str) -> None:
    """Checks that a signature can classify (`inputs` to `classes` and/or `scores`) or regress (to `outputs`).

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    most, word = (2, "classification") if action == "classify" else (1, "regression")
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if not 1 <= len(signature.outputs) <= most:
        number = "one or two output Tensors" if most == 2 else "one output Tensor"
        raise invalid(f"Expected {number}, found {len(signature.outputs)}")
    wanted = {CLASSES, SCORES} if action == "classify" else {OUTPUTS}
    for what, names, found in (
        ("inputs", {INPUTS}, signature.inputs),
        ("outputs", wanted, signature.outputs),
    ):
        if not names & found.keys():
            listed = " or ".join(sorted(names))
            raise invalid(
                f"No {word} {what} found in SignatureDef {signature.name}: expected {listed}, "
                f"found {','.join(found)}"
            )


def classes_and_scores(
    outputs: Mapping[str, np.ndarray], count: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns the labels (bytes [B, K]) and scores (float32 [B, K]) of `count` examples.

    Raises:
        ServingError: INVALID_ARGUMENT, an output of another shape or type.
    """
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for name, array, kind, word in (("classes", labels, "O", "STRING"), ("scores", scores, "f", "FLOAT")):
        if array is not None and (array.ndim != 2 or array.dtype.kind != kind or len(array) != count):
            raise invalid(
                f"Expected {name} Tensor of DT_{word}, shape [{count}, num_classes]. "
                f"Got: {array.dtype.name} {list(array.shape)}"
            )
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise invalid(f"Tensors class and score should match: {list(labels.shape)} vs. {list(scores.shape)}")
    return labels, scores


def regressions(outputs: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Returns one float32 value an example.

    Raises:
        ServingError: INVALID_ARGUMENT, an output of another shape or type.
    """
    values = outputs[OUTPUTS]
    if values.shape not in ((count,), (count, 1)) or values.dtype != np.float32:
        raise invalid(
            f"Expected output Tensor of DT_FLOAT, shape [{count}] or [{count}, 1]. "
            f"Got: {values.dtype.name} {list(values.shape)}"
        )
    return values.reshape(-1)
