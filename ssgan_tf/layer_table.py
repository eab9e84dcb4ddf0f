"""A system's networks, layer by layer, as they are built: kinds, kernels, shapes, weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from ssgan_tf.systems.recipe import System

# the id of a layer to the layer, the shape of its input and that of its output
_Calls = dict[int, tuple[Any, tuple[int, ...], tuple[int, ...]]]

BETWEEN = "(reshaped or averaged)"


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network.

    Attributes:
        layer: its class; `BETWEEN` where the shape changes without a layer.
        kernel: "HxW" of a convolution, else "".
        stride: of a convolution, else None.
        details: activation, share of dropped activations, deviation of noise.
        output: shape of its output, without the batch.
        parameters: how many numbers it holds, those that are not trained too.
    """

    layer: str
    kernel: str
    stride: int | None
    details: str
    output: tuple[int, ...]
    parameters: int


def layer_table(system: System) -> dict[str, list[LayerRow]]:
    """Builds a system's networks and lists the layers of each in the order in which they are called."""
    with _calls() as calls:
        networks = system.build_networks()
    return {name: _rows(calls.get(id(network), {})) for name, network in networks.items()}


def _rows(calls: _Calls) -> list[LayerRow]:
    rows: list[LayerRow] = []
    for layer, taken, given in calls.values():
        if rows and rows[-1].output != taken:
            rows.append(LayerRow(BETWEEN, "", None, "", taken, 0))
        kernel, strides = getattr(layer, "kernel_size", ()), getattr(layer, "strides", ())
        rows.append(
            LayerRow(
                type(layer).__name__,
                "x".join(map(str, kernel)),
                strides[0] if strides else None,
                _details(layer),
                given,
                layer.count_params(),
            )
        )
    return rows


def _details(layer: Any) -> str:
    said = []
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if activation != "linear":
        said.append(activation)
    said += [f"{key} {getattr(layer, key):g}" for key in ("rate", "stddev") if key in vars(layer)]
    # of the initial weights, where the layer adds no noise
    return ", ".join(text for text in said if not (text.startswith("stddev") and layer.count_params()))


@contextmanager
def _calls() -> Iterator[dict[int, _Calls]]:
    """Notes the calls of layers that hold no others, by the id of the network that they stand in."""
    found: dict[int, _Calls] = {}
    within: list[int] = []
    plain = keras.layers.Layer.__call__

    def noting(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model):
            within.append(id(layer))
            found.setdefault(id(layer), {})
            try:
                return plain(layer, inputs, *args, **kwargs)
            finally:
                within.pop()
        outputs = plain(layer, inputs, *args, **kwargs)
        if within:
            # Keras calls a network's layers once more to build it: the last call counts
            calls = found[within[-1]]
            calls.pop(id(layer), None)
            calls[id(layer)] = (layer, tuple(inputs.shape[1:]), tuple(outputs.shape[1:]))
        return outputs

    keras.layers.Layer.__call__ = noting
    try:
        yield found
    finally:
        keras.layers.Layer.__call__ = plain
