"""What a model can be asked: its signatures, read from the SavedModel's own description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.serving.models import dtypes

DECODERS = frozenset(
    ("DecodeImage", "DecodePng", "DecodeJpeg", "DecodeGif", "DecodeBmp", "DecodeAndCropJpeg", "DecodeWebP")
)
PARSERS = frozenset(("ParseExample", "ParseExampleV2", "ParseSingleExample"))


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
        text: the protocol buffer as text, for messages.
    """

    name: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    decodes_images: bool = False
    parses_examples: bool = False
    text: str = ""

    @property
    def batchable(self) -> bool:
        """True if requests may be computed together: every input and output is one row an instance."""
        specs = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and bool(self.outputs) and all(spec.batched for spec in specs)


def read_signatures(meta_graph: Any) -> dict[str, Signature]:
    """Reads the signatures of a MetaGraphDef, those that can be called.

    Initialisers (`__saved_model_init_op`) have no inputs; they stay in the table, so that a request
    for one is refused with the right message.
    """
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    functions = {item.signature.name: item for item in meta_graph.graph_def.library.function}
    table = {}
    for name, definition in sorted(meta_graph.signature_def.items()):
        outputs = _specs(definition.outputs)
        ops = _ops_behind([spec.tensor for spec in outputs.values()], nodes, functions)
        table[name] = Signature(
            name=name,
            inputs=_specs(definition.inputs),
            outputs=outputs,
            decodes_images=bool(ops & DECODERS),
            parses_examples=bool(ops & PARSERS),
            text=str(definition),
        )
    return table


def _specs(infos: Any) -> dict[str, TensorSpec]:
    specs = {}
    for alias in sorted(infos):
        info = infos[alias]
        shape = None
        if not info.tensor_shape.unknown_rank:
            shape = tuple(int(dim.size) for dim in info.tensor_shape.dim)
        # NoOp outputs of initialisers have dtype 0 and an empty shape
        if info.dtype in dtypes.NAMES:
            specs[alias] = TensorSpec(info.name, info.dtype, shape)
    return specs


def _ops_behind(tensors: list[str], nodes: dict[str, Any], functions: dict[str, Any]) -> set[str]:
    """Returns the names of all operations that the tensors depend on, through functions too."""
    ops: set[str] = set()
    seen_nodes: set[str] = set()
    seen_functions: set[str] = set()
    pending = [tensor.split(":")[0] for tensor in tensors]
    called: list[str] = []

    def visit(node: Any) -> None:
        ops.add(node.op)
        for value in node.attr.values():
            called.extend([value.func.name] if value.HasField("func") else [])
            called.extend(item.name for item in value.list.func)

    while pending:
        name = pending.pop()
        if name in seen_nodes or name not in nodes:
            continue
        seen_nodes.add(name)
        visit(nodes[name])
        pending.extend(item.lstrip("^").split(":")[0] for item in nodes[name].input)
    while called:
        name = called.pop()
        if name in seen_functions or name not in functions:
            continue
        seen_functions.add(name)
        for node in functions[name].node_def:
            visit(node)
    return ops
