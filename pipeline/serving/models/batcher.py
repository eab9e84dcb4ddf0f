"""Greedy micro-batching: one thread computes, and takes with each call whatever has come meanwhile.

Nothing waits for a batch to fill. While the model computes, requests queue; then those of one signature
go together, up to `max_rows` rows. Alone, a request costs what it costs without batching.

Every number of rows makes the library prepare and keep other kernels (30 MB for all from 1 to 64), so
batches have one of a few sizes: what is over goes with the next one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from pipeline.serving.metrics import Metrics
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError, bare

Outputs = dict[str, np.ndarray]


@dataclass
class Job:
    """One request's inputs, on its way through the queue.

    Attributes:
        inputs: arrays by input name, rows first where the signature is batchable.
        rows: rows in them.
        costs: pixels that each row makes the model decode; empty where it decodes none.
        future: gets the outputs, on the event loop's thread.
    """

    model: Model
    signature: Signature
    inputs: Mapping[str, np.ndarray]
    rows: int
    costs: Sequence[int]
    future: asyncio.Future[Outputs]
    key: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        shapes = tuple((array.dtype.char, array.shape[1:]) for array in self.inputs.values())
        self.key = (id(self.model), self.signature.name, shapes)


class Batcher:
    """The worker thread and its queue. Everything but the worker runs on the event loop's thread."""

    def __init__(self, *, max_rows: int, max_queue: int, max_cost: int, metrics: Metrics) -> None:
        """Prepares the queue; `start` begins the work.

        Args:
            max_rows: rows in one call of the model.
            max_queue: requests waiting or running; more are refused.
            max_cost: pixels decoded in one call of the model.
            metrics: told of every batch.
        """
        self._max_rows, self._max_queue, self._max_cost = max_rows, max_queue, max_cost
        self._sizes = frozenset([max_rows, 1, *(step << power for step in (2, 3) for power in range(16))])
        self._metrics = metrics
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: OrderedDict[tuple[Any, ...], deque[Job]] = OrderedDict()
        self.pending = 0

    def start(self) -> None:
        """Starts the worker; must be called on the event loop's thread."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Lets the worker finish what is queued, and ends it."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def submit(
        self, model: Model, signature: Signature, inputs: Mapping[str, np.ndarray], costs: Sequence[int] = ()
    ) -> asyncio.Future[Outputs]:
        """Queues one request; the model must stay acquired until the future is done.

        Raises:
            ServingError: UNAVAILABLE, the queue is full.
        """
        if self.pending >= self._max_queue:
            raise ServingError(
                "UNAVAILABLE",
                "The batch scheduling queue to which this task was submitted is full; "
                f"currently {self.pending} requests wait and the limit is {self._max_queue}",
            )
        assert self._loop is not None
        future: asyncio.Future[Outputs] = self._loop.create_future()
        rows = len(next(iter(inputs.values()))) if signature.batchable else 1
        self.pending += 1
        self._queue.put(Job(model, signature, inputs, rows, costs, future))
        return future

    def _work(self) -> None:
        open_ = True
        while open_ or self._ready:
            if not self._ready:
                open_ = self._sort(self._queue.get())
            while True:
                try:
                    open_ = self._sort(self._queue.get_nowait()) and open_
                except queue.Empty:
                    break
            if self._ready:
                self._run(self._take())

    def _sort(self, job: Job | None) -> bool:
        """Puts a job behind those it can share a call with; False for the end mark."""
        if job is not None:
            self._ready.setdefault(job.key, deque()).append(job)
        return job is not None

    def _take(self) -> list[Job]:
        """Takes the next batch: of the group that has waited longest, as many as fit, at least one."""
        key, waiting = next(iter(self._ready.items()))
        batch = [waiting.popleft()]
        rows, cost = batch[0].rows, sum(batch[0].costs)
        if batch[0].signature.batchable:
            while waiting:
                cost += sum(waiting[0].costs)
                if rows + waiting[0].rows > self._max_rows or cost > self._max_cost:
                    break
                batch.append(waiting.popleft())
                rows += batch[-1].rows
            while len(batch) > 1 and rows not in self._sizes:
                waiting.appendleft(batch.pop())
                rows -= waiting[0].rows
        if waiting:
            self._ready.move_to_end(key)
        else:
            del self._ready[key]
        return batch

    def _run(self, batch: list[Job]) -> None:
        # nobody waits for the answer of a client that left
        left = [job for job in batch if job.future.cancelled()]
        batch = [job for job in batch if not job.future.cancelled()]
        done: list[tuple[Job, Outputs | ServingError]]
        try:
            done = list(zip(batch, self._together(batch) if batch else (), strict=True))
        except Exception as error:
            # one bad image must not fail its neighbours: each alone, then
            done = [(job, self._alone(job) if len(batch) > 1 else bare(error)) for job in batch]
        done += [(job, ServingError("CANCELLED", "the client left")) for job in left]
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._resolve, done)

    def _together(self, batch: list[Job]) -> list[Outputs]:
        first = batch[0]
        rows = sum(job.rows for job in batch)
        if len(batch) == 1:
            return [self._in_parts(first)]
        inputs = {name: np.concatenate([job.inputs[name] for job in batch]) for name in first.inputs}
        outputs = self._call(first, inputs, rows)
        starts = [0, *accumulate(job.rows for job in batch)]
        return [
            {name: array[start : start + job.rows] for name, array in outputs.items()}
            for job, start in zip(batch, starts, strict=False)
        ]

    def _alone(self, job: Job) -> Outputs | ServingError:
        try:
            return self._in_parts(job)
        except Exception as error:
            return bare(error)

    def _in_parts(self, job: Job) -> Outputs:
        """Computes one request, a large one in several calls."""
        cuts = self._cuts(job) if job.signature.batchable else [0, job.rows]
        if len(cuts) == 2:
            return self._call(job, job.inputs, job.rows)
        parts = [
            self._call(job, {name: array[start:stop] for name, array in job.inputs.items()}, stop - start)
            for start, stop in zip(cuts, cuts[1:], strict=False)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _cuts(self, job: Job) -> list[int]:
        cuts, cost = [0], 0
        for row in range(job.rows):
            step = job.costs[row] if job.costs else 0
            if row - cuts[-1] >= self._max_rows or (row > cuts[-1] and cost + step > self._max_cost):
                cuts.append(row)
                cost = 0
            cost += step
        return [*cuts, job.rows] if job.rows else [0, 0]

    def _call(self, job: Job, inputs: Mapping[str, np.ndarray], rows: int) -> Outputs:
        self._metrics.batch(rows)
        outputs = job.model.run(job.signature, inputs)
        if job.signature.batchable and any(len(array) != rows for array in outputs.values()):
            sizes = {name: len(array) for name, array in outputs.items()}
            raise ServingError("INTERNAL", f"The model gave {sizes} rows for {rows} rows of input.")
        return outputs

    def _resolve(self, done: list[tuple[Job, Outputs | ServingError]]) -> None:
        self.pending -= len(done)
        for job, result in done:
            if job.future.done():
                continue
            if isinstance(result, ServingError):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
