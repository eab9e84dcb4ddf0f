"""A server's log of inputs: what the model sees in the last images, never their pixels.

It is asked for (`--inputs-log FILE`) and bounded: at most ten looks a second, one at a time, of at most 16
images each; the last 2,000 are kept. A look is a second call of the model, after the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError, writing_to
from pipeline.exported.inputs_log import FAMILIAR, MOST, SEEN, model_digest, write_log
from pipeline.exported.layout import BYTES, DEFAULT, FEATURES, FEATURES_BYTES, UINT8
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError

LOOKS_APART = 0.1
ROWS = 16
WRITE_EVERY = 10.0
_SEEN_BY = {DEFAULT: FEATURES, UINT8: FEATURES, BYTES: FEATURES_BYTES}


class InputsLog:
    """Looks at some of the images that are asked about; everything runs on the event loop's thread."""

    def __init__(self, path: Path, name: str) -> None:
        """Begins the file.

        Args:
            path: the file.
            name: of the model whose inputs are looked at.

        Raises:
            DataError: it cannot be written to.
        """
        self._path, self._name = path, name
        self._rows: deque[tuple[Any, ...]] = deque(maxlen=MOST)
        self._columns: tuple[str, ...] = ()
        self._model: tuple[int, str] = (-1, "")
        self._looking: asyncio.Task[None] | None = None
        self._next = self._write_at = 0.0
        self._changed = False
        self._random = np.random.default_rng()
        if path.is_dir():
            raise DataError(f"cannot write the log of inputs to {str(path)!r}: it is a folder.")
        with writing_to(path.parent):
            write_log(path, "", {})

    def look(
        self,
        batcher: Batcher,
        model: Model,
        signature: Signature,
        inputs: Mapping[str, Any],
        costs: Sequence[int] = (),
    ) -> None:
        """Looks at some of a request's images, if it is time for a look; the costs are those of its rows."""
        name, now = _SEEN_BY.get(signature.name), time.monotonic()
        if name not in model.signatures or model.name != self._name or now < self._next:
            return
        if self._looking is not None and not self._looking.done():
            return
        self._next = now + LOOKS_APART
        (key, array), *_ = inputs.items()
        if len(array) > ROWS:
            rows = self._random.choice(len(array), ROWS, replace=False)
            array, costs = array[rows], [costs[row] for row in rows] if costs else ()
        if signature.name == UINT8:
            array = array.astype(np.float32)
        looking = self._look(batcher, model.acquire(), str(name), {key: array}, costs)
        self._looking = asyncio.ensure_future(looking)

    async def _look(
        self, batcher: Batcher, model: Model, name: str, inputs: dict[str, Any], costs: Sequence[int]
    ) -> None:
        try:
            outputs = await batcher.submit(model, model.signature(name), inputs, costs)
            # a new version sees other features
            if model.version != self._model[0]:
                self._model = (model.version, await asyncio.to_thread(model_digest, model.folder))
                self._rows.clear()
            self._columns = tuple(column for column in (*SEEN, FAMILIAR) if column in outputs)
            self._rows.extend(zip(*(outputs[column] for column in self._columns), strict=True))
            self._changed = True
        except ServingError:
            # a full queue: the images of clients come first
            pass
        finally:
            model.release()

    async def flush(self, *, now: bool = False) -> None:
        """Writes the file, if there is something new and it is time, or `now`."""
        if not self._changed or not (now or time.monotonic() >= self._write_at):
            return
        self._write_at, self._changed = time.monotonic() + WRITE_EVERY, False
        columns = zip(*self._rows, strict=True)
        stacked = {name: np.array(column) for name, column in zip(self._columns, columns, strict=True)}
        try:
            await asyncio.to_thread(write_log, self._path, self._model[1], stacked)
        except OSError:
            # a full disk must not end a server; the next time may do
            self._changed = True
