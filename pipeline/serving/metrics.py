"""What Prometheus reads at /monitoring/prometheus/metrics.

The first two have TensorFlow Serving's names, labels, units (microseconds) and buckets, so that a
dashboard made for it works here; the others are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"
_MICROSECONDS = tuple(10 * 1.8**power for power in range(33))
_ROWS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 256)


class Metrics:
    """The server's measurements. Counted on the event loop's thread, batches on the worker's."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        # a Counter would add `_total` to the name
        requests = Gauge(
            REQUEST_COUNT, "The total number of requests.", ["model_name", "status"], registry=self.registry
        )
        latency = Histogram(
            REQUEST_LATENCY,
            "Distribution of wall time (in microseconds) of requests.",
            ["model_name", "API", "entrypoint"],
            buckets=_MICROSECONDS,
            registry=self.registry,
        )
        self._count = lru_cache(requests.labels)
        self._time = lru_cache(latency.labels)
        self._batch = Histogram(
            "ganpipe_serving_batch_rows",
            "Rows in one call of the model.",
            buckets=_ROWS,
            registry=self.registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a gauge `ganpipe_serving_NAME` that asks `value` whenever it is read."""
        Gauge(f"ganpipe_serving_{name}", text, registry=self.registry).set_function(value)

    def request(self, *, model: str, method: str, status: str, seconds: float, entrypoint: str) -> None:
        """Counts one request; the time only of good ones, as TensorFlow Serving does.

        Args:
            model: a model that is served; "" for every other name, so that names from outside do not
                fill the memory.
            method: predict, classify, regress; "" for status and metadata.
            status: the status' name, such as OK.
            seconds: wall time from the first byte of the body to the answer.
            entrypoint: REST or GRPC.
        """
        self._count(model, status).inc()
        if status == "OK" and method:
            self._time(model, method, entrypoint).observe(seconds * 1e6)

    def batch(self, rows: int) -> None:
        """Counts one call of the model."""
        self._batch.observe(rows)

    def page(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        return generate_latest(self.registry)
