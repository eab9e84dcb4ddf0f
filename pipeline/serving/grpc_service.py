"""The gRPC API, for clients of TensorFlow Serving that speak it: predictions, metadata, status.

Needs the extra `grpc`. It runs on the event loop of the HTTP server and shares its queue and limits: a
message is received only while all messages under way fit into `max_pending_mb`, and counts as held until it
is answered. A call whose client leaves is cancelled, and what waits for the model is not computed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import tensorflow as tf

from pipeline.errors import UsageError
from pipeline.exported.serving_messages import message
from pipeline.serving.http.bodies import Bodies
from pipeline.serving.metrics import Metrics
from pipeline.serving.models import inference, protos
from pipeline.serving.models.computing import Computing
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.settings import ServeConfig
from pipeline.serving.status import CODES, ServingError, bare, invalid

STATES = {"START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}
_SIGNATURES = "signature_def"
_SIGNATURES_TYPE = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
_MOST_BYTES = 2**31 - 1


class GrpcService:
    """TensorFlow Serving's PredictionService and ModelService."""

    def __init__(
        self,
        config: ServeConfig,
        *,
        manager: Manager,
        computing: Computing,
        bodies: Bodies,
        metrics: Metrics,
        say: Callable[[str], None],
    ) -> None:
        """Prepares; `running` listens, and says where in one line.

        Raises:
            UsageError: grpcio is not installed.
        """
        try:
            import grpc
        except ImportError:
            raise UsageError("the gRPC API needs grpcio: pip install 'ganpipe[grpc]'.") from None
        self._grpc, self._config, self._say = grpc, config, say
        self._manager, self._computing, self._bodies, self._metrics = manager, computing, bodies, metrics
        self._receiving = asyncio.Semaphore(max(1, bodies.max_held // bodies.max_body))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves as long as the block; then lets running calls finish."""
        host = self._config.host
        address = f"{f'[{host}]' if ':' in host else host}:{self._config.grpc_port}"
        most = min(self._bodies.max_body, _MOST_BYTES)
        server = self._grpc.aio.server(
            options=[("grpc.max_receive_message_length", most), ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=self._config.max_queue,
        )
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
            port = server.add_insecure_port(address)
        except RuntimeError:
            raise UsageError(f"cannot listen for gRPC on {address}. Another --grpc-port?") from None
        await server.start()
        self._say(f"gRPC   {address.rpartition(':')[0]}:{port}")
        try:
            yield
        finally:
            await server.stop(self._config.drain)

    def _handler(self, name: str, asked: str, answered: str, method: Callable[..., Awaitable[Any]]) -> Any:
        async def call(_: Any, context: Any) -> Any:
            started, code, text, model, held = time.perf_counter(), "OK", "", "", 0
            response = message(answered)()
            try:
                sent = await self._receive(context)
                held = len(sent)
                request = _parsed(asked, sent)
                model = request.model_spec.name
                await method(request, response)
            except Exception as error:
                problem = bare(error)
                code, text = problem.code, problem.message
            finally:
                self._bodies.release(held)
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

        # to the client it is a call like any other; only a streaming handler may choose when to receive
        return self._grpc.stream_unary_rpc_method_handler(
            call, response_serializer=message(answered).SerializeToString
        )

    async def _receive(self, context: Any) -> bytes:
        """Receives the call's one message, whose bytes are counted as held."""
        async with self._receiving:
            try:
                sent = await asyncio.wait_for(context.read(), self._config.body_timeout)
            except asyncio.TimeoutError:
                raise ServingError("DEADLINE_EXCEEDED", "The message did not come in time.") from None
            if not isinstance(sent, bytes):
                raise invalid("The call has no message.")
            self._bodies.hold(len(sent))
            return sent

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
            signature, inputs = protos.predict_arrays(model, request, self._bodies.max_body)
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
            size = sum(array.nbytes for array in inputs.values())
            self._bodies.hold(size)
            try:
                outputs = await self._computing.compute(model, signature, inputs)
            finally:
                self._bodies.release(size)
            _answered_by(model, signature.name, response)
            for alias in wanted:
                response.outputs[alias].CopyFrom(tf.make_tensor_proto(outputs[alias]))
        finally:
            model.release()

    async def _examples(self, request: Any, response: Any, action: str) -> tuple[dict[str, Any], int]:
        model = self._acquire(request.model_spec)
        try:
            signature = protos.examples_signature(model, request.model_spec.signature_name, action)
            values = protos.example_values(request)
            outputs = await self._computing.compute(model, signature, {inference.INPUTS: values})
            _answered_by(model, signature.name, response)
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
            _answered_by(model, "", response)
            table = message("SignatureDefMap")()
            for name, definition in model.definitions.items():
                table.signature_def[name].CopyFrom(definition)
            response.metadata[_SIGNATURES].type_url = _SIGNATURES_TYPE
            response.metadata[_SIGNATURES].value = table.SerializeToString()
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


def _parsed(name: str, sent: bytes) -> Any:
    try:
        return message(name).FromString(sent)
    except Exception:
        raise invalid(f"The message is no {name}.") from None


def _answered_by(model: Model, signature: str, response: Any) -> None:
    response.model_spec.name = model.name
    response.model_spec.version.value = model.version
    response.model_spec.signature_name = signature
