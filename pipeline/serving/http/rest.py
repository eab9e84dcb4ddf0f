"""TensorFlow Serving's REST API below /v1: one request in, status and JSON out.

The order of the checks is TensorFlow Serving's (`model_servers/http_rest_api_handler.cc`): the URL, the
JSON, then the model, then the signature and its inputs.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
import orjson

from pipeline.serving import images
from pipeline.serving.http.access_log import AccessLog
from pipeline.serving.http.body import BodyReader, ClientGone
from pipeline.serving.http.paths import Target, parse_path
from pipeline.serving.json import json_answer, json_document, json_examples, json_predict
from pipeline.serving.json.json_numbers import NumberReader
from pipeline.serving.metrics import Metrics
from pipeline.serving.models import dtypes, inference
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError, bare, invalid

logger = logging.getLogger(__name__)

_JSON = (b"content-type", b"application/json")
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]


class RestApi:
    """An ASGI application for the paths below /v1."""

    def __init__(
        self,
        *,
        manager: Manager,
        batcher: Batcher,
        bodies: BodyReader,
        metrics: Metrics,
        log: AccessLog,
        max_pixels: int,
        cors: bool,
    ) -> None:
        """Puts the parts together; `max_pixels` is the largest encoded image."""
        self._manager, self._batcher, self._bodies = manager, batcher, bodies
        self._metrics, self._log, self._max_pixels, self._cors = metrics, log, max_pixels, cors
        self._numbers = NumberReader()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one HTTP request."""
        started = time.perf_counter()
        path = scope["raw_path"].decode("latin-1")
        target: Target | None = None
        code, headers = "OK", [_JSON]
        status = 200
        try:
            if scope["method"] == "OPTIONS":
                answer = _preflight(scope)
            else:
                target = parse_path(scope["method"], path)
                answer = await self._answer(target, scope, receive)
        except ClientGone:
            self._log.request(scope, 499, 0, started)
            return
        except Exception as error:
            problem = bare(error)
            if problem.code == "INTERNAL" and not isinstance(error, ServingError):
                logger.exception("%s %s", scope["method"], path)
            code, status, answer = problem.code, problem.http_status, json_answer.error_json(problem.message)
            if status == 413:
                headers.append((b"connection", b"close"))
            if status in (429, 503):
                headers.append((b"retry-after", b"1"))
        headers.append((b"content-length", str(len(answer)).encode()))
        if self._cors:
            headers += _CORS
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        known = target is not None and target.model in self._manager.folders
        self._metrics.request(
            model=target.model if target and known else "",
            method=target.action if target and target.action in _ACTIONS else "",
            status=code,
            seconds=time.perf_counter() - started,
            entrypoint="REST",
        )
        self._log.request(scope, status, len(answer), started)

    async def _answer(self, target: Target, scope: Any, receive: Any) -> bytes:
        if target.action in _ACTIONS:
            body, size = await self._bodies.read(scope, receive)
            try:
                if target.action == "predict":
                    return await self._predict(target, body)
                return await self._examples(target, body)
            finally:
                self._bodies.release(size)
        if not target.model:
            raise invalid("Missing model name in request.")
        if target.action == "metadata":
            model = self._manager.acquire(target.model, target.version, target.label)
            try:
                return _indented(model.metadata())
            finally:
                model.release()
        # as there, a label chooses nothing here: the answer is about all versions
        return _indented(self._manager.status(target.model, target.version))

    async def _predict(self, target: Target, body: bytes) -> bytes:
        held: list[Model] = []

        def find(name: str) -> Signature:
            if not held:
                held.append(self._manager.acquire(target.model, target.version, target.label))
            return held[0].signature(name)

        try:
            read = self._numbers.read(body, find)
            if read is None:
                document = json_document.parse(body)
                signature = find(json_predict.signature_name(document))
                inputs, form = json_predict.predict_inputs(document, signature)
            else:
                signature, inputs, form = read
            outputs = await self.compute(held[0], signature, inputs)
            return json_answer.predict_json(outputs, form)
        finally:
            for model in held:
                model.release()

    async def _examples(self, target: Target, body: bytes) -> bytes:
        document = json_document.parse(body)
        name = json_predict.signature_name(document)
        serialized = json_examples.examples(document)
        model = self._manager.acquire(target.model, target.version, target.label)
        try:
            signature = examples_signature(model, name, target.action)
            values = np.empty(len(serialized), object)
            values[:] = serialized
            outputs = await self.compute(model, signature, {inference.INPUTS: values})
        finally:
            model.release()
        if target.action == "classify":
            return json_answer.classify_json(*inference.classes_and_scores(outputs, len(values)))
        return json_answer.regress_json(inference.regressions(outputs, len(values)))

    async def compute(
        self, model: Model, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Checks the inputs and has the worker compute them; the model must be acquired.

        Raises:
            ServingError: a wrong shape, too large an image, a full queue, or what the model said.
        """
        model.check(signature, inputs)
        costs: list[int] = []
        if signature.decodes_images:
            for name, spec in signature.inputs.items():
                if spec.dtype == dtypes.STRING:
                    costs = images.costs(inputs[name].flat, self._max_pixels, signature.parses_examples)
        return await self._batcher.submit(model, signature, inputs, costs)


_ACTIONS = ("predict", "classify", "regress")


def examples_signature(model: Model, name: str, action: str) -> Signature:
    """Returns the signature that a classify or regress request asks for, checked.

    Raises:
        ServingError: INVALID_ARGUMENT, none of this name, or one that cannot do it.
    """
    name = name or "serving_default"
    if name not in model.signatures:
        raise invalid("No signature was found with the name: ", name)
    signature = model.signatures[name]
    (inference.check_classify if action == "classify" else inference.check_regress)(signature)
    return signature


def _indented(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def _preflight(scope: Any) -> bytes:
    for name, value in scope["headers"]:
        if name == b"origin" and value.startswith((b"http://", b"https://")):
            return b""
    raise ServingError("FAILED_PRECONDITION", "Origin header is missing in CORS preflight")
