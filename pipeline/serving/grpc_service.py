"""The gRPC API, for clients of TensorFlow Serving that speak it: predictions, metadata, status.

Needs the extra `grpc`. It runs on the event loop of the HTTP server and shares its queue and limits.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.errors import UsageError
from pipeline.exported.serving_messages import message
from pipeline.serving.http.rest import examples_signature
from pipeline.serving.metrics import Metrics
from pipeline.serving.models import inference
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.models.warmup import examples_array, predict_arrays
from pipeline.serving.status import CODES, bare, invalid

Compute = Callable[[Model, Signature, dict[str, np.ndarray]], Awaitable[dict[str, np.ndarray]]]
STATES = {"START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}
_SIGNATURES = "signature_def"


class GrpcService:
    """TensorFlow Serving's PredictionService and ModelService."""

    def __init__(
        self,
        *,
        manager: Manager,
        compute: Compute,
        metrics: Metrics,
        address: str,
        max_body: int,
        drain: float,
        say: Callable[[str], None],
    ) -> None:
        """Prepares; `running` listens.

        Args:
            manager, compute, metrics: the HTTP server's own.
            address: HOST:PORT; port 0 takes a free one.
            max_body: bytes of one message.
            drain: seconds given to running calls at the end.
            say: told in one line where it listens.

        Raises:
            UsageError: grpcio is not installed.
        """
        try:
            import grpc
        except ImportError:
            raise UsageError("the gRPC API needs grpcio: pip install 'ganpipe[grpc]'.") from None
        self._grpc, self._manager, self._compute, self._metrics = grpc, manager, compute, metrics
        self._address, self._max_body, self._drain = address, max_body, drain
        self._say = say

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves as long as the block; then lets running calls finish."""
        options = [("grpc.max_receive_message_length", self._max_body), ("grpc.so_reuseport", 0)]
        server = self._grpc.aio.server(options=options)
        predictions = {
            "Predict": ("PredictRequest", "PredictResponse", self._predict),
            "Classify": ("ClassificationRequest", "ClassificationResponse", self._classify),
            "Regress": ("RegressionRequest", "RegressionResponse", self._regress),
            "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse", self._metadata),
        }
        models = {"GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse", self._status)}
        for service, methods in (("PredictionService", predictions), ("ModelService", models)):
            handlers = {name: self._handler(name, *parts) for name, parts in methods.items()}
            generic = self._grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", handlers)
            server.add_generic_rpc_handlers((generic,))
        try:
            port = server.add_insecure_port(self._address)
        except RuntimeError:
            raise UsageError(f"cannot listen for gRPC on {self._address}. Another --grpc-port?") from None
        await server.start()
        self._say(f"gRPC   {self._address.rpartition(':')[0]}:{port}")
        try:
            yield
        finally:
            await server.stop(self._drain)

    def _handler(self, name: str, asked: str, answered: str, method: Callable[..., Awaitable[Any]]) -> Any:
        async def call(request: Any, context: Any) -> Any:
            started, code, text = time.perf_counter(), "OK", ""
            response = message(answered)()
            try:
                await method(request, response)
            except Exception as error:
                problem = bare(error)
                code, text = problem.code, problem.message
            model = request.model_spec.name
            self._metrics.request(
                model=model if model in self._manager.folders else "",
                method=name.lower() if name in ("Predict", "Classify", "Regress") else "",
                status=code,
                seconds=time.perf_counter() - started,
                entrypoint="GRPC",
            )
            if code != "OK":
                await context.abort(getattr(self._grpc.StatusCode, code), text)
            return response

        return self._grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=message(asked).FromString,
            response_serializer=message(answered).SerializeToString,
        )

    def _acquire(self, spec: Any) -> Model:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("choice")
        number = spec.version.value if choice == "version" else None
        return self._manager.acquire(
            spec.name, number, spec.version_label if choice == "version_label" else None
        )

    async def _predict(self, request: Any, response: Any) -> None:
        model = self._acquire(request.model_spec)
        try:
            signature, inputs = predict_arrays(model, request)
            wanted = list(request.output_filter) or list(signature.outputs)
            for alias in wanted:
                if alias not in signature.outputs:
                    expected = ",".join(signature.outputs)
                    raise invalid(
                        f"output tensor alias not found in signature: {alias} "
                        f"Outputs expected to be in the set {{{expected}}}."
                    )
            if len(set(wanted)) < len(wanted):
                raise invalid("duplicate output tensor alias: ", max(wanted, key=wanted.count))
            outputs = await self._compute(model, signature, inputs)
            _answered_by(model, signature, response)
            for alias in wanted:
                response.outputs[alias].ParseFromString(
                    tf.make_tensor_proto(outputs[alias]).SerializeToString()
                )
        finally:
            model.release()

    async def _examples(self, request: Any, response: Any, action: str) -> tuple[dict[str, np.ndarray], int]:
        model = self._acquire(request.model_spec)
        try:
            signature = examples_signature(model, request.model_spec.signature_name, action)
            values = examples_array(request)
            outputs = await self._compute(model, signature, {inference.INPUTS: values})
            _answered_by(model, signature, response)
            return outputs, len(values)
        finally:
            model.release()

    async def _classify(self, request: Any, response: Any) -> None:
        labels, scores = inference.classes_and_scores(*await self._examples(request, response, "classify"))
        given = labels if labels is not None else scores
        assert given is not None
        for row in range(given.shape[0]):
            classes = response.result.classifications.add().classes
            for column in range(given.shape[1]):
                one = classes.add()
                if labels is not None:
                    one.label = labels[row, column].decode("utf-8", "replace")
                if scores is not None:
                    one.score = scores[row, column]

    async def _regress(self, request: Any, response: Any) -> None:
        for value in inference.regressions(*await self._examples(request, response, "regress")):
            response.result.regressions.add().value = value

    async def _metadata(self, request: Any, response: Any) -> None:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != _SIGNATURES:
                raise invalid(f"Metadata field {name} is not supported")
        model = self._acquire(request.model_spec)
        try:
            response.model_spec.name = model.name
            response.model_spec.version.value = model.version
            table = message("SignatureDefMap")()
            for name, serialized in model.definitions.items():
                table.signature_def[name].ParseFromString(serialized)
            response.metadata[_SIGNATURES].Pack(table)
        finally:
            model.release()

    async def _status(self, request: Any, response: Any) -> None:
        spec = request.model_spec
        number = spec.version.value if spec.WhichOneof("choice") == "version" else None
        for item in self._manager.status(spec.name, number)["model_version_status"]:
            one = response.model_version_status.add()
            one.version, one.state = int(item["version"]), STATES[item["state"]]
            one.status.error_code = CODES.index(item["status"]["error_code"])
            one.status.error_message = item["status"]["error_message"]


def _answered_by(model: Model, signature: Signature, response: Any) -> None:
    response.model_spec.name = model.name
    response.model_spec.version.value = model.version
    response.model_spec.signature_name = signature.name
