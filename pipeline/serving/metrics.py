"""What Prometheus reads at /monitoring/prometheus/metrics.

The first two have TensorFlow Serving's names, labels, units (microseconds) and buckets, so that a
dashboard made for it works here; the others are ours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"
_MICROSECONDS = tuple(10 * 1.8**power for power in range(33))
_ROWS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 256)


class _RequestCount:
    """A counter without the suffix `_total`, which TensorFlow Serving's name does not have."""

    def __init__(self) -> None:
        self.counts: Tally[tuple[str, str]] = Tally()

    def collect(self) -> Iterator[Metric]:
        metric = Metric(REQUEST_COUNT, "The total number of requests.", "unknown")
        for (model, status), count in sorted(self.counts.items()):
            metric.add_sample(REQUEST_COUNT, {"model_name": model, "status": status}, count)
        yield metric


class _RequestLatency:
    """A histogram of many buckets that costs one bisection a request."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, str], list[float]] = {}

    def observe(self, key: tuple[str, str, str], microseconds: float) -> None:
        """Counts one request; a series holds a count for each bucket, one beyond, and the sum."""
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = [0.0] * (len(_MICROSECONDS) + 2)
        series[bisect_left(_MICROSECONDS, microseconds)] += 1
        series[-1] += microseconds

    def collect(self) -> Iterator[Metric]:
        metric = HistogramMetricFamily(
            REQUEST_LATENCY,
            "Distribution of wall time (in microseconds) of requests.",
            labels=["model_name", "API", "entrypoint"],
        )
        limits = [*(floatToGoString(limit) for limit in _MICROSECONDS), "+Inf"]
        for key, series in sorted(self.series.items()):
            metric.add_metric(
                key, list(zip(limits, accumulate(series[:-1]), strict=True)), sum_value=series[-1]
            )
        yield metric


class Metrics:
    """The server's measurements. Counted on the event loop's thread, batches on the worker's."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = _RequestCount()
        self.registry.register(self._requests)
        self._latency = _RequestLatency()
        self.registry.register(self._latency)
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
        self._requests.counts[model, status] += 1
        if status != "OK" or not method:
            return
        self._latency.observe((model, method, entrypoint), seconds * 1e6)

    def batch(self, rows: int) -> None:
        """Counts one call of the model."""
        self._batch.observe(rows)

    def page(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        return generate_latest(self.registry)
