"""One version of a SavedModel in memory: load it, call a signature, let it go.

It is loaded as TensorFlow Serving loads it, into a session: that takes 0.05 s where
`tf.saved_model.load` rebuilds Python functions, has its own number of threads, and closing it gives the
memory back. Calls may come from any thread; TensorFlow leaves Python's lock while it computes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from pipeline.exported.layout import DEFAULT, read_class_names, read_confidence
from pipeline.serving import images
from pipeline.serving.models.signature import Signature, read_signatures
from pipeline.serving.status import from_exception, invalid, not_found


class Model:
    """A loaded version.

    Attributes:
        name, version: what it answers to.
        signatures: by name.
        definitions: SignatureDef protos by name.
        class_names: lines of its class-name asset, () without one.
        confidence: its temperature, threshold and promises; None where it says nothing of them.
    """

    def __init__(self, name: str, version: int, folder: Path, threads: int = 1) -> None:
        """Loads the SavedModel in `folder`.

        Raises:
            ServingError: it cannot be read or is no SavedModel; NOT_FOUND where files lack.
        """
        self.name, self.version, self.folder = name, version, folder
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()
        self._calls: dict[str, Callable[..., Any]] = {}
        options = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=threads,
            use_per_session_threads=True,
        )
        options.gpu_options.allow_growth = True
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=options)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    self._session, [tf.saved_model.SERVING], str(folder)
                )
            self.signatures = read_signatures(meta_graph)
            self.definitions = dict(meta_graph.signature_def)
            for key, signature in self.signatures.items():
                if signature.inputs and signature.outputs:
                    self._calls[key] = self._session.make_callable(
                        [spec.tensor for spec in signature.outputs.values()],
                        [spec.tensor for spec in signature.inputs.values()],
                    )
            self.class_names = read_class_names(folder)
            self.confidence = read_confidence(folder)
        except Exception as error:
            self._session.close()
            if isinstance(error, OSError):
                reason = str(error).splitlines()[0].rstrip(".")
                raise not_found(f"no readable SavedModel in {folder}: {reason}") from error
            raise from_exception(error) from error

    def signature(self, name: str) -> Signature:
        """Returns a signature by name; "" is `serving_default`.

        Raises:
            ServingError: INVALID_ARGUMENT, there is none of this name.
        """
        name = name or DEFAULT
        if name not in self.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]

    def run(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes a signature's outputs.

        Args:
            signature: one of this model's.
            inputs: an array for every input, of its type and shape.

        Returns:
            An array for every output; strings as bytes in object arrays.

        Raises:
            ServingError: what TensorFlow said, with its code.
        """
        if signature.decodes_images:
            inputs = {
                name: images.decodable(inputs[name], signature.parses_examples)
                if spec.dtype == tf.string.as_datatype_enum
                else inputs[name]
                for name, spec in signature.inputs.items()
            }
        try:
            values = self._calls[signature.name](*(inputs[name] for name in signature.inputs))
        except Exception as error:
            raise from_exception(error) from error
        return {name: _as_array(value) for name, value in zip(signature.outputs, values, strict=True)}

    def metadata(self) -> dict[str, Any]:
        """Returns the answer of `GET .../metadata`, as TensorFlow Serving prints its protos.

        Beside its fields stands `confidence`, where the version says what is promised of its answers.
        """
        printed = {
            key: json_format.MessageToDict(
                value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for key, value in self.definitions.items()
        }
        told = {"confidence": self.confidence} if self.confidence else {}
        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": str(self.version)},
            "metadata": {"signature_def": {"signature_def": printed}},
            **told,
        }

    def acquire(self) -> Model:
        """Counts one more user; every one must `release`. Returns the model itself."""
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Counts one user less; the last one of a retired model closes it."""
        with self._lock:
            self._users -= 1
            last = self._retired and not self._users
        if last:
            self._session.close()

    def retire(self) -> None:
        """Closes the model once nobody uses it."""
        with self._lock:
            self._retired = True
            unused = not self._users
        if unused:
            self._session.close()


def _as_array(value: Any) -> np.ndarray:
    # a scalar string comes as bytes, every other scalar as a NumPy scalar
    if isinstance(value, np.ndarray):
        return value
    return np.array(value, object if isinstance(value, bytes) else None)
