"""Bodies that nobody would send: whatever comes, a JSON error of the 4xx kind, and the server lives."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_fixtures import Served

PREDICT = "/v1/models/digits:predict"
GOOD = {"instances": [[[[0.0]] * 8] * 8]}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 255),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=40).map(lambda data: {"b64": base64.b64encode(data).decode()}),
    st.sampled_from([{"b64": 5}, {"b64": "%%%"}, {"b64": ""}, {}, [], ""]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.sampled_from(["image", "image_bytes", "b64", "x"]), inner),
    ),
    max_leaves=30,
)
NAMES = st.one_of(
    st.sampled_from(["serving_default", "serving_bytes", "serving_uint8", "classify", "", "none"]), ANYTHING
)
BODIES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "signature_name": NAMES,
            "instances": ANYTHING,
            "inputs": ANYTHING,
            "examples": st.one_of(
                ANYTHING, st.lists(st.dictionaries(st.text(max_size=5), ANYTHING), max_size=3)
            ),
            "context": ANYTHING,
        },
    ).map(lambda document: json.dumps(document).encode()),
    ANYTHING.map(lambda document: json.dumps(document).encode()),
    st.binary(max_size=200),
    st.tuples(st.integers(0, 300), st.binary(max_size=3)).map(
        # a good body with a few bytes changed
        lambda change: (
            json.dumps(GOOD).encode()[: change[0]] + change[1] + json.dumps(GOOD).encode()[change[0] :]
        )
    ),
    st.integers(1, 3000).map(lambda depth: b'{"instances": ' + b"[" * depth),
    st.integers(1, 3000).map(lambda depth: b'{"a": ' * depth),
)
METHODS = st.sampled_from(["predict", "classify", "regress"])


def ask(connection: http.client.HTTPConnection, method: str, body: bytes) -> tuple[int, Any]:
    connection.request("POST", f"/v1/models/digits:{method}", body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def fuzz(server: Served, examples: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(method=METHODS, body=BODIES)
    def one(method: str, body: bytes) -> None:
        status, document = ask(connection, method, body)
        if status == 200:
            assert document.keys() & {"predictions", "outputs", "results"}
        else:
            assert 400 <= status < 500, (status, document, body)
            assert list(document) == ["error"] and isinstance(document["error"], str)

    memory = server.memory
    one()
    assert ask(connection, "predict", json.dumps(GOOD).encode())[0] == 200
    assert server.process.poll() is None
    assert server.memory - memory < 200e6


def test_fuzzed_bodies(digits: Served) -> None:
    fuzz(digits, 300)


@pytest.mark.slow
def test_ten_thousand_fuzzed_bodies(digits: Served) -> None:
    fuzz(digits, 10_000)
