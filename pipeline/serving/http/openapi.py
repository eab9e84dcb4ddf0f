"""The API's description at /openapi.json (OpenAPI 3.1), for clients and for tests that make requests."""

from __future__ import annotations

from typing import Any

_ERRORS = {
    "400": "The URL, the JSON or an input is wrong.",
    "403": "The Host or Origin is none of the server's names.",
    "404": "No such model or version.",
    "408": "The request came too slowly.",
    "413": "The body is too large.",
    "429": "Too much is under way.",
    "500": "The model failed.",
    "501": "JSON cannot carry this data type.",
    "503": "The queue is full, or no version is loaded.",
}
_LIST: dict[str, Any] = {"type": "array", "minItems": 1}
_SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Predict": {
        "type": "object",
        "description": "Either `instances` (rows) or `inputs` (columns).",
        "properties": {"signature_name": {"type": "string"}, "instances": _LIST, "inputs": {}},
    },
    "Examples": {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"type": "string"},
            "context": {"type": "object"},
            "examples": {**_LIST, "items": {"type": "object"}},
        },
    },
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
        paths[base] = {"get": _operation("State of the model's versions", parameters)}
        paths[base + "/metadata"] = {"get": _operation("Signatures of the model", parameters)}
        for action, schema in (("predict", "Predict"), ("classify", "Examples"), ("regress", "Examples")):
            body = {"required": True, "content": _content(schema)}
            operation = {**_operation(action.capitalize(), parameters), "requestBody": body}
            paths[f"{base}:{action}"] = {"post": operation}
    for path, summary in (
        ("/healthz", "The server runs"),
        ("/readyz", "Every model can answer"),
        ("/about.json", "What the page needs to know"),
    ):
        paths[path] = {"get": _operation(summary, [])}
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


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _operation(summary: str, parameters: list[Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        status: {"description": text, "content": _content("Error")} for status, text in _ERRORS.items()
    }
    answers["200"] = {"description": "The answer", "content": {"application/json": {}}}
    return {"summary": summary, "parameters": parameters, "responses": answers}
