"""What an answer looks like: the output cases of TensorFlow Serving's json_tensor_test.cc."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.serving.json_forms.answer import classify_json, error_json, predict_json, regress_json
from pipeline.serving.json_forms.predict import COLUMN, ROW
from pipeline.serving.status import ServingError

NESTED = np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32)
TEXT = np.array([[b"foo", b"bar"], [b"baz", b"bat"]], object)
BYTES = np.array([[b"hello", b"world"], [b"tf", b"serving"]], object)
SEVERAL = {
    "double_scalar_tensor": np.array([8.0, 9.0]),
    "float_tensor": np.array([[1.0], [2.0]], np.float32),
    "int_tensor": NESTED,
    "str_tensor": TEXT,
    "str_tensor_bytes": BYTES,
}

CASES = {
    "one nested tensor": ({"int_tensor": NESTED}, ROW, {"predictions": NESTED.tolist()}),
    "one nested column": ({"int_tensor": NESTED}, COLUMN, {"outputs": NESTED.tolist()}),
    "one scalar a row": ({"x": np.arange(1, 6)}, ROW, {"predictions": [1, 2, 3, 4, 5]}),
    "one scalar column": ({"x": np.arange(1, 6)}, COLUMN, {"outputs": [1, 2, 3, 4, 5]}),
    "no dimension at all": ({"x": np.array(2.5, np.float32)}, COLUMN, {"outputs": 2.5}),
    "bytes": (
        {"str_tensor_bytes": BYTES},
        ROW,
        {
            "predictions": [
                [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
                [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
            ]
        },
    ),
    "several tensors in rows": (
        SEVERAL,
        ROW,
        {
            "predictions": [
                {
                    "double_scalar_tensor": 8.0,
                    "float_tensor": [1.0],
                    "int_tensor": [[1, 2], [3, 4], [5, 6]],
                    "str_tensor": ["foo", "bar"],
                    "str_tensor_bytes": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
                },
                {
                    "double_scalar_tensor": 9.0,
                    "float_tensor": [2.0],
                    "int_tensor": [[7, 8], [9, 0], [1, 2]],
                    "str_tensor": ["baz", "bat"],
                    "str_tensor_bytes": [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
                },
            ]
        },
    ),
    "several tensors in columns": (
        SEVERAL,
        COLUMN,
        {
            "outputs": {
                "double_scalar_tensor": [8.0, 9.0],
                "float_tensor": [[1.0], [2.0]],
                "int_tensor": NESTED.tolist(),
                "str_tensor": [["foo", "bar"], ["baz", "bat"]],
                "str_tensor_bytes": [
                    [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
                    [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
                ],
            }
        },
    ),
    "an empty batch": ({"x": np.zeros((0, 2), np.int32)}, ROW, {"predictions": []}),
    "several empty batches": (
        {"s": np.zeros((0, 1, 2), object), "f": np.zeros((0, 3, 4), np.float32)},
        ROW,
        {"predictions": []},
    ),
    "booleans": ({"b": np.array([True, False])}, ROW, {"predictions": [True, False]}),
    "floats by their shortest text": (
        {"f": np.array([9e6, 999999, 0.5, 0.0003, 3e-5, 555557.5, 0.1, 0.2], np.float32)},
        ROW,
        {"predictions": [9e6, 999999.0, 0.5, 0.0003, 3e-5, 555557.5, 0.1, 0.2]},
    ),
    "text that is no UTF-8": ({"s": np.array([b"\xff"], object)}, ROW, {"predictions": ["\ufffd"]}),
}


@pytest.mark.parametrize("case", CASES)
def test_answer(case: str) -> None:
    outputs, form, expected = CASES[case]
    assert json.loads(predict_json(outputs, form)) == expected


def test_numbers_that_are_not_finite_keep_their_names_and_their_neighbours_digits() -> None:
    values = np.array([[np.nan, np.inf], [0.1, -np.inf]], np.float32)
    assert predict_json({"f": values}, ROW).decode() == '{"predictions": [[NaN, Infinity], [0.1, -Infinity]]}'
    both = predict_json({"f": values, "s": np.array([b"a", b"b"], object), "i": np.arange(2)}, ROW)
    assert json.loads(both)["predictions"][1] == {"f": [0.1, -np.inf], "s": "b", "i": 1}


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"t": np.zeros((1, 2), np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
        ({"t": np.array(1, np.int32)}, "Tensor name: t has no shape information"),
        (
            {"a": np.zeros((2, 3)), "b": np.zeros((1, 3))},
            "Tensor name: b has inconsistent batch size: 1",
        ),
        ({"a": np.zeros((0, 3)), "b": np.zeros((1, 3))}, "inconsistent batch size"),
    ],
)
def test_answer_that_json_cannot_carry(outputs: dict, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        predict_json(outputs, ROW)
    assert text in caught.value.message and caught.value.http_status == 400


def test_classify_answers_pairs_of_label_and_score() -> None:
    labels = np.array([[b"car", b"bike", b"bus"]] * 2, object)
    scores = np.array([[0.2, 0.7, 0.1], [0.7, 0.1, 0.2]], np.float32)
    assert json.loads(classify_json(labels, scores)) == {
        "results": [[["car", 0.2], ["bike", 0.7], ["bus", 0.1]], [["car", 0.7], ["bike", 0.1], ["bus", 0.2]]]
    }
    assert json.loads(classify_json(None, np.array([[12.0]], np.float32))) == {"results": [[["", 12.0]]]}
    assert json.loads(classify_json(np.array([[b"a"]], object), None)) == {"results": [[["a", 0.0]]]}


def test_regress_answers_numbers() -> None:
    values = np.array([0.2, np.inf, 1.0, -np.inf, np.nan], np.float32)
    assert regress_json(values).decode() == '{"results": [0.2, Infinity, 1.0, -Infinity, NaN]}'
    with pytest.raises(ServingError, match="empty RegressionResults"):
        regress_json(np.zeros(0, np.float32))


def test_error_is_one_object() -> None:
    assert json.loads(error_json('Bad key: "key"')) == {"error": 'Bad key: "key"'}
    assert json.loads(error_json("broken \udcff text"))["error"]
