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


def check_classify(signature: Signature) -> None:
    """Checks that a signature can classify: `inputs` to `classes` and/or `scores`.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid("Expected one or two output Tensors, found ", len(signature.outputs))
    if INPUTS not in signature.inputs:
        raise invalid("No classification inputs found in SignatureDef: ", signature.text)
    if CLASSES not in signature.outputs and SCORES not in signature.outputs:
        raise invalid(
            "Expected classification signature outputs to contain at least one of ",
            f'"{CLASSES}" or "{SCORES}". Signature was: {signature.text}',
        )


def check_regress(signature: Signature) -> None:
    """Checks that a signature can regress: `inputs` to `outputs`.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if INPUTS not in signature.inputs:
        raise invalid("No regression inputs found in SignatureDef: ", signature.text)
    if OUTPUTS not in signature.outputs:
        raise invalid("No regression outputs found in SignatureDef: ", signature.text)


def classes_and_scores(
    outputs: Mapping[str, np.ndarray], count: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns the labels (bytes [B, K]) and scores (float32 [B, K]) of `count` examples.

    Raises:
        ServingError: INVALID_ARGUMENT, an output of another shape or type.
    """
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for name, array, kind, word in (("classes", labels, "O", "STRING"), ("scores", scores, "f", "FLOAT")):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid("Expected Tensor shape: [batch_size num_classes] but got ", _shape(array))
        if array.dtype.kind != kind:
            raise invalid(f"Expected {name} Tensor of DT_{word}. Got: {array.dtype.name}")
        if len(array) != count:
            raise invalid(f"Expected {name} output batch size of {count}. Got: {len(array)}")
    if labels is not None and scores is not None and labels.shape[1] != scores.shape[1]:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got ",
            f"{labels.shape[1]} vs. {scores.shape[1]}",
        )
    return labels, scores


def regressions(outputs: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Returns one float32 value an example.

    Raises:
        ServingError: INVALID_ARGUMENT, an output of another shape or type.
    """
    values = outputs[OUTPUTS]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got ",
            _shape(values),
        )
    if len(values) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {values.dtype.name}")
    return values.reshape(-1)


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"
