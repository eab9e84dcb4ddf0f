"""TensorFlow Serving's REST API below /v1: a target and a body in, JSON out.

The order of the checks is TensorFlow Serving's (`model_servers/http_rest_api_handler.cc`): the URL, the
JSON, then the model, then the signature and its inputs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from pipeline.serving.http.bodies import Bodies
from pipeline.serving.http.paths import Target
from pipeline.serving.json_forms import answer, document, examples, predict
from pipeline.serving.json_forms.numbers import NumberReader
from pipeline.serving.models import inference, protos
from pipeline.serving.models.computing import Computing
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import invalid

ACTIONS = ("predict", "classify", "regress")
_LARGE = 64 * 1024
_T = TypeVar("_T")


class RestApi:
    """Answers targets."""

    def __init__(self, *, manager: Manager, computing: Computing, bodies: Bodies) -> None:
        self._manager, self._computing, self._bodies = manager, computing, bodies
        self._numbers = NumberReader()
        # one thread: large bodies wait for each other, and small ones for none
        self._aside = ThreadPoolExecutor(1, "large bodies")

    async def answer(self, target: Target, scope: Any, receive: Any) -> bytes:
        """Returns the JSON of an answer.

        Raises:
            ServingError: what is wrong with the request, or what the model said.
            ClientGone: the connection closed before the body was whole.
        """
        if target.action in ACTIONS:
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

    async def _beside(self, size: int, function: Callable[..., _T], *arguments: Any) -> _T:
        """Calls a function, off the event loop where it works on more than a little."""
        if size < _LARGE:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._aside, function, *arguments)

    async def _predict(self, target: Target, body: bytes) -> bytes:
        held: list[Model] = []

        def find(name: str) -> Signature:
            if not held:
                held.append(self._manager.acquire(target.model, target.version, target.label))
            return held[0].signature(name)

        try:
            read = self._numbers.read(body, find)
            if read is None:
                parsed = await self._beside(len(body), document.parse, body)
                signature = find(predict.signature_name(parsed))
                inputs, form = await self._beside(len(body), predict.predict_inputs, parsed, signature)
            else:
                signature, inputs, form = read
            outputs = await self._computing.compute(held[0], signature, inputs)
            size = sum([array.nbytes for array in outputs.values()])
            return await self._beside(size, answer.predict_json, outputs, form)
        finally:
            for model in held:
                model.release()

    async def _examples(self, target: Target, body: bytes) -> bytes:
        parsed = await self._beside(len(body), document.parse, body)
        name = predict.signature_name(parsed)
        values = protos.as_strings(await self._beside(len(body), examples.examples, parsed))
        model = self._manager.acquire(target.model, target.version, target.label)
        try:
            signature = protos.examples_signature(model, name, target.action)
            outputs = await self._computing.compute(model, signature, {inference.INPUTS: values})
        finally:
            model.release()
        if target.action == "classify":
            return answer.classify_json(*inference.classes_and_scores(outputs, len(values)))
        return answer.regress_json(inference.regressions(outputs, len(values)))


def _indented(printed: dict[str, Any]) -> bytes:
    return orjson.dumps(printed, option=orjson.OPT_INDENT_2) + b"\n"
