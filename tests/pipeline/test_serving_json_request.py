"""What a `:predict` body means: the cases of TensorFlow Serving's json_tensor_test.cc, one by one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.serving.json_forms import document as json_document
from pipeline.serving.json_forms.examples import examples
from pipeline.serving.json_forms.numbers import NumberReader
from pipeline.serving.json_forms.predict import COLUMN, ROW, predict_inputs, signature_name
from pipeline.serving.models.signature import Signature, TensorSpec
from pipeline.serving.status import ServingError

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, UINT64, HALF = 1, 2, 3, 4, 7, 9, 10, 23, 19


def signature(shape: tuple[int, ...] | None = None, **inputs: int) -> Signature:
    return Signature(
        "s", {name: TensorSpec(name, dtype, shape) for name, dtype in sorted(inputs.items())}, {}
    )


def read(body: str, **inputs: int) -> tuple[dict[str, np.ndarray], str]:
    return predict_inputs(json_document.parse(body.encode()), signature(**inputs))


GOOD = {
    "rows of one unnamed tensor": (
        '{"instances": [[1,2],[3,4],[5,6]]}',
        {"default": INT32},
        ROW,
        {"default": np.array([[1, 2], [3, 4], [5, 6]], np.int32)},
    ),
    "whole numbers for float": (
        '{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([1, 2, 3, 4, 5.003, 0.007, 0], np.float32)},
    ),
    "whole numbers for double": (
        '{"instances": [1.0, 2, 3, 4, 0.662, 0, 0.0]}',
        {"default": DOUBLE},
        ROW,
        {"default": np.array([1, 2, 3, 4, 0.662, 0, 0])},
    ),
    "a float loses precision": (
        '{"instances": [1435774380]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([1435774336], np.float32)},
    ),
    "so does its decimal form": (
        '{"instances": [1435774380.0]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([1435774336], np.float32)},
    ),
    "beyond float's range": (
        '{"instances": [1.7976931348623157e308, -1.7976931348623157e308]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([np.inf, -np.inf], np.float32)},
    ),
    "below float's range": (
        '{"instances": [2.2250738585072014e-308]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([0], np.float32)},
    ),
    "NaN and Infinity": (
        '{"instances": [[NaN, 1.0], [Infinity, -Infinity]]}',
        {"default": FLOAT},
        ROW,
        {"default": np.array([[np.nan, 1], [np.inf, -np.inf]], np.float32)},
    ),
    "base64 scalars": (
        '{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}',
        {"default": STRING},
        ROW,
        {"default": np.array([b"hello", b"world"], object)},
    ),
    "base64 lists": (
        '{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}',
        {"default": STRING},
        ROW,
        {"default": np.array([[b"hello"], [b"world"]], object)},
    ),
    "base64 below a name": (
        '{"instances": [{"default": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}]}',
        {"default": STRING},
        ROW,
        {"default": np.array([[[b"hello"], [b"world"]]], object)},
    ),
    "base64 without padding": (
        '{"instances": [{"b64": "aGVsbG8"}]}',
        {"default": STRING},
        ROW,
        {"default": np.array([b"hello"], object)},
    ),
    "text and base64 mixed": (
        '{"instances": ["h\\u00e9", {"b64": "AP8="}]}',
        {"default": STRING},
        ROW,
        {"default": np.array(["hé".encode(), b"\x00\xff"], object)},
    ),
    "several named tensors": (
        """{"instances": [
          {"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"], "float_tensor": [1.0, NaN],
           "dbl_tensor": [NaN]},
          {"int_tensor": [[7,8],[9,0],[1,2]], "str_tensor": ["baz", "bat"], "float_tensor": [2.0, Infinity],
           "dbl_tensor": [2.0]}]}""",
        {"int_tensor": INT32, "str_tensor": STRING, "float_tensor": FLOAT, "dbl_tensor": DOUBLE},
        ROW,
        {
            "int_tensor": np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32),
            "str_tensor": np.array([[b"foo", b"bar"], [b"baz", b"bat"]], object),
            "float_tensor": np.array([[1, np.nan], [2, np.inf]], np.float32),
            "dbl_tensor": np.array([[np.nan], [2]]),
        },
    ),
    "one named column": (
        '{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]]}}',
        {"int_tensor": INT32},
        COLUMN,
        {"int_tensor": np.array([[[1, 2], [3, 4], [5, 6]]], np.int32)},
    ),
    "one unnamed column": (
        '{"inputs": [[[1,2],[3,4],[5,6]]]}',
        {"int_tensor": INT32},
        COLUMN,
        {"int_tensor": np.array([[[1, 2], [3, 4], [5, 6]]], np.int32)},
    ),
    "a scalar column": ('{"inputs": 5}', {"x": INT64}, COLUMN, {"x": np.array(5, np.int64)}),
    "a base64 column": (
        '{"inputs": {"b64": "aGVsbG8="}}',
        {"s": STRING},
        COLUMN,
        {"s": np.array(b"hello", object)},
    ),
    "columns of different sizes": (
        '{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]], "str_tensor": ["foo", "bar"], '
        '"bin_tensor": {"b64": "aGVsbG8="}}}',
        {"int_tensor": INT32, "str_tensor": STRING, "bin_tensor": STRING},
        COLUMN,
        {
            "int_tensor": np.array([[[1, 2], [3, 4], [5, 6]]], np.int32),
            "str_tensor": np.array([b"foo", b"bar"], object),
            "bin_tensor": np.array(b"hello", object),
        },
    ),
    "booleans": ('{"instances": [true, false]}', {"b": BOOL}, ROW, {"b": np.array([True, False])}),
    "the largest uint64": (
        '{"instances": [18446744073709551615]}',
        {"u": UINT64},
        ROW,
        {"u": np.array([2**64 - 1], np.uint64)},
    ),
    "what follows the document": (
        '{"instances": [1]} and more',
        {"x": INT32},
        ROW,
        {"x": np.array([1], np.int32)},
    ),
    "an unknown key": (
        '{"instances": [1], "nested": [[[]]]}',
        {"x": INT32},
        ROW,
        {"x": np.array([1], np.int32)},
    ),
    "a byte order mark": ('\ufeff{"instances": [1]}', {"x": INT32}, ROW, {"x": np.array([1], np.int32)}),
    "an empty list in a list": (
        '{"instances": [[], []]}',
        {"x": FLOAT},
        ROW,
        {"x": np.zeros((2, 0), np.float32)},
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_request_is_read(case: str) -> None:
    body, inputs, form, expected = GOOD[case]
    arrays, got = read(body, **inputs)
    assert got == form
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


BAD = {
    "an empty body": ("", {"x": INT32}, "JSON Parse error"),
    "blanks only": (" \n", {"x": INT32}, "JSON Parse error"),
    "no JSON": ("instances = [1, 2]", {"x": INT32}, "JSON Parse error"),
    "an open list": ('{"instances": [1, 2', {"x": INT32}, "JSON Parse error"),
    "an open object": ('{"a": 1 "b"', {"x": INT32}, "JSON Parse error"),
    "a list at the top": ("[1, 2]", {"x": INT32}, "JSON Value: [1, 2] Is not object"),
    "a signature that is no text": (
        '{"signature_name": 5, "instances": [[1,2],[3,4],[5,6,7]]}',
        {"x": INT32},
        "'signature_name' key must be a string value.",
    ),
    "rows and columns": (
        '{"instances": [[1,2]], "inputs": [[1,2]]}',
        {"x": INT32},
        "expecting only one of 'inputs' or 'instances' keys to exist",
    ),
    "neither": ('{"signature_name": "s"}', {"x": INT32}, "Missing 'inputs' or 'instances' key"),
    "rows that are no list": (
        '{"instances": {"x": 1}}',
        {"x": INT32},
        "Expecting 'instances' to be an list/array",
    ),
    "no rows": ('{"instances": []}', {"x": INT32}, "No values in 'instances' array"),
    "rows of different sizes": (
        '{"instances": [[1,2],[3,4],[5,6,7]]}',
        {"x": INT32},
        "[5, 6, 7] does not have the shape of its neighbour [1, 2]",
    ),
    "rows of different shapes": (
        '{"instances": [[1,2],[3,4],[[5,6]]]}',
        {"x": INT32},
        "does not have the shape of its neighbour",
    ),
    "a scalar and a list": (
        '{"instances": [1, [1]]}',
        {"x": INT32},
        "[1] does not have the shape of its neighbour 1",
    ),
    "text for a number": (
        '{"instances": [[1,2],["a", "b"]]}',
        {"x": INT32},
        "is not of expected type: int32",
    ),
    "1.0 for an integer": (
        '{"instances": [1.0]}',
        {"x": INT32},
        "JSON Value: 1.0 Type: Number is not of expected type: int32",
    ),
    "1e2 for an integer": ('{"instances": [1e2]}', {"x": INT64}, "is not of expected type: int64"),
    "2^31 for int32": ('{"instances": [2147483648]}', {"x": INT32}, "is not of expected type: int32"),
    "256 for uint8": ('{"instances": [256]}', {"x": UINT8}, "is not of expected type: uint8"),
    "-1 for uint64": ('{"instances": [-1]}', {"x": UINT64}, "is not of expected type: uint64"),
    "true for an integer": (
        '{"instances": [true]}',
        {"x": INT32},
        "Type: Bool is not of expected type: int32",
    ),
    "true for float": ('{"instances": [true]}', {"x": FLOAT}, "Type: Bool is not of expected type: float"),
    "1 for bool": ('{"instances": [1]}', {"x": BOOL}, "Type: Number is not of expected type: bool"),
    "null for float": ('{"instances": [null]}', {"x": FLOAT}, "Type: Null is not of expected type: float"),
    "an object for float": (
        '{"instances": [[{"a": 1}]]}',
        {"x": FLOAT},
        "Type: Object is not of expected type: float",
    ),
    "a number for text": (
        '{"instances": [5]}',
        {"x": STRING},
        "Type: Number is not of expected type: string",
    ),
    "a type JSON lacks": ('{"inputs": [5]}', {"x": HALF}, "to type: float16"),
    "a number too big": ('{"instances": [1e400]}', {"x": DOUBLE}, "too big for a double"),
    "broken base64": ('{"instances": [{"b64": "*"}]}', {"x": STRING}, "Unable to base64 decode"),
    "base64 of a number": (
        '{"instances": [[{"b64": 5}]]}',
        {"x": STRING},
        "not formatted correctly for base64 data",
    ),
    "a value too high up": (
        '{"inputs": [[1, 2], 3]}',
        {"x": INT32},
        "3 does not have the shape of its neighbour [1, 2] at level: 1",
    ),
    "a list too deep": (
        '{"inputs": [1, [2]]}',
        {"x": INT32},
        "[2] does not have the shape of its neighbour 1 at level: 1",
    ),
    "a list of another size": (
        '{"inputs": [[1, 2], [3]]}',
        {"x": INT32},
        "[3] does not have the shape of its neighbour [1, 2] at level: 1",
    ),
    "plain rows for two inputs": (
        '{"instances": [1, 2]}',
        {"x": INT32, "y": INT32},
        "is a plain value/list, but expecting an object",
    ),
    "a plain column for two inputs": (
        '{"inputs": [1, 2]}',
        {"x": INT32, "y": INT32},
        "is a plain value/list, but expecting an object",
    ),
    "a missing column": (
        '{"inputs": {"x": 1}}',
        {"x": INT32, "y": INT32},
        "Missing named input: y in 'inputs' object.",
    ),
    "an unknown name": (
        '{"instances": [{"z": 1}]}',
        {"x": INT32},
        "Failed to process element: 0 of 'instances' list. JSON object: {'z': 1} keys must be equal to: x",
    ),
    "a missing name": ('{"instances": [{"x": 1}]}', {"x": INT32, "y": INT32}, "keys must be equal to: x,y"),
    "a list among objects": (
        '{"instances": [{"i": [[1,2]], "s": ["a"]}, [1, 20, 30]]}',
        {"i": INT32, "s": STRING},
        "Expecting object but got list at item 1",
    ),
    "an object among lists": (
        '{"instances": [["baz", "bar"], {"s": ["baz", "bat"]}]}',
        {"s": STRING},
        "Expecting value/list but got object at item 1",
    ),
    "no UTF-8": ('{"instances": ["\udcff"]}', {"x": STRING}, "Invalid encoding in string"),
    "half a surrogate pair": (
        '{"instances": ["\\ud800"]}',
        {"x": STRING},
        "surrogates not allowed",
    ),
    "too many dimensions": (
        '{"instances": ' + "[" * 100 + "1" + "]" * 100 + "}",
        {"x": FLOAT},
        "unexpected level",
    ),
    "nested beyond every parser": ('{"instances": ' + "[" * 200_000, {"x": FLOAT}, "JSON Parse error"),
}


@pytest.mark.parametrize("case", BAD)
def test_request_is_refused(case: str) -> None:
    body, inputs, text = BAD[case]
    with pytest.raises(ServingError) as caught:
        document = json_document.parse(body.encode("utf-8", "surrogateescape"))
        signature_name(document)
        predict_inputs(document, signature(**inputs))
    assert text in caught.value.message
    assert caught.value.code == ("UNIMPLEMENTED" if case == "a type JSON lacks" else "INVALID_ARGUMENT")


def test_quoted_values_are_cut() -> None:
    with pytest.raises(ServingError) as caught:
        json_document.parse(json.dumps([list(range(10_000))]).encode())
    assert len(caught.value.message) < 300


SHAPE = (-1, 2, 3)
READER = NumberReader()


def both_ways(body: bytes, dtype: int) -> tuple[Any, Any]:
    """Reads a body by the fast and by the exact reader: arrays and form, or the refusal."""
    wanted = signature(SHAPE, x=dtype)
    fast = READER.read(body, lambda name: wanted)
    try:
        arrays, form = predict_inputs(json_document.parse(body), wanted)
    except ServingError as error:
        return fast, error
    return fast, (arrays["x"], form)


NUMBER = st.one_of(st.integers(-3, 300), st.floats(-1e6, 1e6))
REGULAR = st.lists(
    st.lists(st.lists(NUMBER, min_size=3, max_size=3), min_size=2, max_size=2), min_size=1, max_size=4
)
IRREGULAR = st.lists(st.lists(st.lists(st.one_of(NUMBER, st.none()), max_size=4), max_size=3), max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.one_of(REGULAR, IRREGULAR),
    key=st.sampled_from(["instances", "inputs"]),
    dtype=st.sampled_from([FLOAT, DOUBLE, INT32, UINT8]),
    spaces=st.sampled_from([None, 1]),
)
def test_fast_reader_never_differs_from_the_exact_one(rows: Any, key: str, dtype: int, spaces: Any) -> None:
    fast, exact = both_ways(json.dumps({key: rows}, indent=spaces).encode(), dtype)
    if fast is not None:
        assert not isinstance(exact, ServingError), exact
        np.testing.assert_array_equal(fast[1]["x"], exact[0])
        assert fast[1]["x"].dtype == exact[0].dtype and fast[2] == exact[1]


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ('{"instances": [[[1,2,3],[4,5,6]]]}', True),
        ('{"signature_name": "s", "inputs": [[[1,2,3],[4,5,6.5]],[[1,2,3],[4,5,6]]]}', True),
        ('{"instances": [[[1,2],[3,4],[5,6]]]}', False),
        ('{"instances": [[1,2,3,4,5,6]]}', False),
        ('{"instances": [[[1,2,3],[4,5,[6]]]]}', False),
        ('{"instances": [[[1,2,3],[4,5,NaN]]]}', False),
        ('{"instances": [[[1,2,3],[4,5,null]]]}', False),
        ('{"instances": [[[1,2,3],[4,5,6]]], "inputs": [[[1,2,3],[4,5,6]]]}', False),
        ('{"instances": [[[1,2,3],[4,5,6]]], "instances": [[[1,2,3],[4,5,6]]]}', False),
        ('{"signature_name": "[", "instances": [[[1,2,3],[4,5,6]]]}', False),
        ('{"signature_name": 5, "instances": [[[1,2,3],[4,5,6]]]}', False),
        ('{"instances": [[[1,2,3],[4,5,6]]], "more": {"[": 1}}', False),
        ("[[[1,2,3],[4,5,6]]]", False),
    ],
)
def test_fast_reader_takes_what_it_is_for(body: str, taken: bool) -> None:
    fast, exact = both_ways(body.encode(), FLOAT)
    assert (fast is not None) == taken
    if taken:
        np.testing.assert_array_equal(fast[1]["x"], exact[0])


def test_fast_reader_recovers_from_a_refusal_that_is_still_held() -> None:
    body = b'{"instances": [[[1,2,3],[4,5,6]]]}'
    wanted = signature(SHAPE, x=FLOAT)

    def refuse(name: str) -> Signature:
        raise ServingError("NOT_FOUND", "none")

    try:
        READER.read(body, refuse)
    except ServingError as error:
        held = error
    assert held.__traceback__ is not None
    READER.read(body, lambda name: wanted)
    assert READER.read(body, lambda name: wanted) is not None


def test_examples_hold_every_kind_of_feature() -> None:
    import tensorflow as tf

    document = json_document.parse(
        b"""{"context": {"query": "pizza", "location": ["sfo"]},
        "examples": [
          {"names": ["foo", "bar"], "ratings": [8.0, 9.0, NaN, Infinity], "age": 20},
          {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "mix": [1, true, false]},
          {"names": "bar", "ratings": -Infinity, "none": []}]}"""
    )
    parsed = [tf.train.Example.FromString(item).features.feature for item in examples(document)]
    assert [list(item["location"].bytes_list.value) for item in parsed] == [[b"sfo"]] * 3
    assert list(parsed[0]["ratings"].float_list.value)[::3] == [8.0, np.inf]
    assert list(parsed[0]["age"].int64_list.value) == [20]
    assert list(parsed[1]["names"].bytes_list.value) == [b"baz", b"hello"]
    assert list(parsed[1]["mix"].int64_list.value) == [1, 1, 0]
    assert list(parsed[2]["ratings"].float_list.value) == [-np.inf]
    assert parsed[2]["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"context": [{"names": ["a"]}]}', "Example must be JSON object but got JSON Array"),
        ("{}", "key 'examples' is expected and was not found"),
        ('{"examples": {"names": ["a"]}}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [[{"names": ["a"]}]]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": [{"names": [10, null]}]}', "names has element with unexpected JSON type: Null"),
        ('{"examples": [{"names": [10, 10.0]}]}', "feature: names expecting type: int64"),
        (
            '{"examples": [{"names": [10, {"test": 10}]}]}',
            "names has element with unexpected JSON type: Object",
        ),
        ('{"examples": [{"names": [[10], 20]}]}', "names has element with unexpected JSON type: Array"),
        ('{"examples": [{"names": [20, 18446744073709551603]}]}', "Only int64_t is supported"),
    ],
)
def test_examples_are_refused(body: str, text: str) -> None:
    with pytest.raises(ServingError, match="^") as caught:
        examples(json_document.parse(body.encode()))
    assert text in caught.value.message
