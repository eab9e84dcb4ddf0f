"""What a model can be asked: its signatures, read from the SavedModel's own description."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.serving.status import invalid

DECODERS = frozenset(
    ("DecodeImage", "DecodePng", "DecodeJpeg", "DecodeGif", "DecodeBmp", "DecodeAndCropJpeg", "DecodeWebP")
)
PARSERS = frozenset(("ParseExample", "ParseExampleV2", "ParseSingleExample"))
# what JSON can carry; float16, bfloat16 and complex numbers are for gRPC
_JSON_TYPES = frozenset(
    ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "string", "bool"]
)


@dataclass(frozen=True)
class TensorSpec:
    """One named input or output.

    Attributes:
        tensor: the tensor's name in the graph.
        dtype: TensorFlow's DataType number.
        shape: sizes with -1 where unknown; None where the rank is unknown.
    """

    tensor: str
    dtype: int
    shape: tuple[int, ...] | None

    @property
    def type(self) -> str:
        """The type's name, such as "float32"."""
        return tf.as_dtype(self.dtype).name

    @cached_property
    def numpy(self) -> np.dtype | None:
        """The NumPy type (object for strings); None where JSON cannot carry it."""
        kind = tf.as_dtype(self.dtype)
        return np.dtype(kind.as_numpy_dtype) if kind.name in _JSON_TYPES else None

    @property
    def batched(self) -> bool:
        """True if the first dimension is free, so that rows of several requests may share a call."""
        return bool(self.shape) and self.shape is not None and self.shape[0] == -1

    def admits(self, shape: tuple[int, ...]) -> bool:
        """True if a tensor of this shape may be fed."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            want in (-1, got) for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """One entry of a SavedModel's `signature_def`.

    Attributes:
        name: its key, such as "serving_default".
        inputs, outputs: by alias, sorted.
        decodes_images: the graph decodes images that its string inputs hold.
        parses_examples: the graph parses serialised tf.train.Example protos.
    """

    name: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    decodes_images: bool = False
    parses_examples: bool = False

    @cached_property
    def batchable(self) -> bool:
        """True if requests may be computed together: every input and output is one row an instance."""
        specs = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and bool(self.outputs) and all(spec.batched for spec in specs)

    def check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """Checks that an input may have this shape.

        Raises:
            ServingError: INVALID_ARGUMENT, naming the input, its shape and the shape wanted.
        """
        spec = self.inputs[name]
        if not spec.admits(shape):
            raise invalid(
                f"Input {name!r} has shape {list(shape)}; signature "
                f"{self.name!r} takes {list(spec.shape or ())} (-1 is any size)."
            )


def read_signatures(meta_graph: Any) -> dict[str, Signature]:
    """Reads the signatures of a MetaGraphDef.

    Initialisers (`__saved_model_init_op`) have no inputs; they stay in the table, so that a request
    for one is refused with the right message.
    """
    table = {}
    for name, definition in sorted(meta_graph.signature_def.items()):
        outputs = _specs(definition.outputs)
        ops = _ops_behind([spec.tensor for spec in outputs.values()], meta_graph.graph_def)
        decodes, parses = bool(ops & DECODERS), bool(ops & PARSERS)
        table[name] = Signature(name, _specs(definition.inputs), outputs, decodes, parses)
    return table


def _ops_behind(tensors: list[str], graph: Any) -> set[str]:
    """Returns the names of all operations that the tensors depend on, through functions too."""
    nodes = {node.name: [node] for node in graph.node}
    functions = {item.signature.name: list(item.node_def) for item in graph.library.function}
    ops: set[str] = set()
    seen: set[tuple[bool, str]] = set()
    # nodes of the graph, and functions: True
    pending = [(False, tensor.split(":")[0]) for tensor in tensors]
    while pending:
        key = pending.pop()
        if key in seen:
            continue
        seen.add(key)
        for node in (functions if key[0] else nodes).get(key[1], ()):
            ops.add(node.op)
            for value in node.attr.values():
                pending += [(True, call.name) for call in (value.func, *value.list.func) if call.name]
            if not key[0]:
                pending += [(False, name.lstrip("^").split(":")[0]) for name in node.input]
    return ops


def _specs(infos: Any) -> dict[str, TensorSpec]:
    specs = {}
    for alias in sorted(infos):
        info = infos[alias]
        # outputs of initialisers have no type
        if info.dtype:
            sizes = tuple(int(dim.size) for dim in info.tensor_shape.dim)
            specs[alias] = TensorSpec(
                info.name, info.dtype, None if info.tensor_shape.unknown_rank else sizes
            )
    return specs
