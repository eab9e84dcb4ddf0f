"""The API's description at /openapi.json (OpenAPI 3.1), for clients and for tests that make requests."""

from __future__ import annotations

from typing import Any

_ERRORS = {
    "400": "The URL, the JSON or an input is wrong.",
    "404": "No such model or version.",
    "408": "The request came too slowly.",
    "413": "The body is too large.",
    "429": "Too much is under way.",
    "500": "The model failed.",
    "501": "JSON cannot carry this data type.",
    "503": "The queue is full, or no version is loaded.",
}


def describe(models: list[str]) -> dict[str, Any]:
    """Returns the OpenAPI document of a server with these models."""
    paths: dict[str, Any] = {}
    for prefix, which in (
        ("", []),
        ("/versions/{version}", [_parameter("version", {"type": "integer", "minimum": 0})]),
        ("/labels/{label}", [_parameter("label", {"type": "string", "minLength": 1})]),
    ):
        parameters = [_parameter("model", {"type": "string", "enum": models}), *which]
        base = "/v1/models/{model}" + prefix
        paths[base] = {"get": _get("State of the model's versions", parameters)}
        paths[base + "/metadata"] = {"get": _get("Signatures of the model", parameters)}
        for action, schema in (("predict", "Predict"), ("classify", "Examples"), ("regress", "Examples")):
            paths[f"{base}:{action}"] = {"post": _post(action, schema, parameters)}
    for path, summary in (
        ("/healthz", "The server runs"),
        ("/readyz", "Every model can answer"),
        ("/about.json", "What the page needs to know"),
    ):
        paths[path] = {"get": _get(summary, [])}
    metrics = {"200": {"description": "Prometheus text", "content": {"text/plain": {}}}}
    paths["/monitoring/prometheus/metrics"] = {"get": {"summary": "Measurements", "responses": metrics}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ganpipe serve",
            "version": "1",
            "description": "TensorFlow Serving's REST API. Numbers may be NaN, Infinity and -Infinity, "
            'which standard JSON lacks; binary values are {"b64": "..."}.',
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _responses() -> dict[str, Any]:
    error = _body({"$ref": "#/components/schemas/Error"})
    answers: dict[str, Any] = {"200": {"description": "The answer", "content": _body({"type": "object"})}}
    for status, text in _ERRORS.items():
        answers[status] = {"description": text, "content": error}
    return answers


def _get(summary: str, parameters: list[Any]) -> dict[str, Any]:
    return {"summary": summary, "parameters": parameters, "responses": _responses()}


def _post(action: str, schema: str, parameters: list[Any]) -> dict[str, Any]:
    return {
        "summary": action.capitalize(),
        "parameters": parameters,
        "requestBody": {"required": True, "content": _body({"$ref": f"#/components/schemas/{schema}"})},
        "responses": _responses(),
    }


_SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Predict": {
        "type": "object",
        "description": "Either `instances` (rows) or `inputs` (columns).",
        "properties": {
            "signature_name": {"type": "string"},
            "instances": {"type": "array", "minItems": 1},
            "inputs": {},
        },
    },
    "Examples": {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"type": "string"},
            "context": {"type": "object"},
            "examples": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
    },
}
