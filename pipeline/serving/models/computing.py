"""From checked arrays to a model's answer, for HTTP and gRPC alike: shapes, pixels and image sizes first."""

from __future__ import annotations

import numpy as np

from pipeline.serving import images
from pipeline.serving.inputs_log import InputsLog
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import invalid

IMAGE = "image"
"""Name of the input that holds pixels, 0 to 255."""

_LOWEST, _HIGHEST = -255.0, 510.0


class Computing:
    """Checks inputs and has the worker compute them."""

    def __init__(self, batcher: Batcher, max_pixels: int, log: InputsLog | None = None) -> None:
        """Takes the worker, the most pixels that an encoded image may have, and the log of inputs."""
        self._batcher, self._max_pixels, self._log = batcher, max_pixels, log

    async def compute(
        self, model: Model, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns the outputs; the model must be acquired.

        Raises:
            ServingError: a wrong shape, pixels that are none, too large an image, a full queue, or what
                the model said.
        """
        costs: list[int] = []
        for name, array in inputs.items():
            signature.check_shape(name, array.shape)
            if name == IMAGE and array.dtype.kind == "f" and array.ndim == 4 and array.size:
                # a NaN is no number between two others
                low, high = np.minimum.reduce(array, axis=None), np.maximum.reduce(array, axis=None)
                if not (low >= _LOWEST and high <= _HIGHEST):
                    raise invalid(
                        f"Input {name!r} holds values that are no pixels: they must be numbers from 0 to 255 "
                        f"({_LOWEST:g} to {_HIGHEST:g} is taken); got {low} to {high}."
                    )
            elif signature.decodes_images and array.dtype.kind == "O":
                costs = images.costs(array.flat, self._max_pixels, signature.parses_examples)
        outputs = await self._batcher.submit(model, signature, inputs, costs)
        if self._log is not None:
            self._log.look(self._batcher, model, signature, inputs, costs)
        return outputs
