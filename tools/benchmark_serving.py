"""How fast `ganpipe serve` answers, beside what the model alone can do in one process.

    python tools/benchmark_serving.py                         # builds a classifier of 900,000 parameters
    python tools/benchmark_serving.py exports/digits --json serving.json
    python tools/benchmark_serving.py --mlserver ~/mlserver-env/bin/python

Takes about 1.5 minutes (`--seconds` times connections times `--rounds`, and the starts). Loads by wrk
where it is installed, else by a client of its own, which takes more of the machine. Everything runs on
this machine's loopback. Within a round the in-process limit (same model, same threads, batches of 64) and
each load follow one another, so that what else the machine does touches all of them.

On two quiet cores expect at 64 connections at least 55 % of the in-process limit, p99 below 100 ms, ready
within 6 seconds and below 600 MB. MLServer (optional; an environment of its own that holds `mlserver` and
`tensorflow`) is asked the same images with its adaptive batching on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
BATCH = 64

_SERVE = """
import json, sys
from pipeline.serving.server import serve
from pipeline.serving.settings import ServeConfig
from pipeline.terminal import Terminal
serve(ServeConfig(**json.loads(sys.argv[1])), Terminal())
"""

_LIMIT = """
import json, os, sys, time
from pathlib import Path
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
import numpy as np
from pipeline.serving.models.model import Model
folder, version, batch, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
model = Model("limit", version, folder)
signature = model.signature("")
name, spec = next(iter(signature.inputs.items()))
inputs = {name: np.random.default_rng(0).uniform(0, 255, (batch, *spec.shape[1:])).astype("float32")}
for _ in range(5):
    model.run(signature, inputs)
count, started = 0, time.perf_counter()
while time.perf_counter() - started < seconds:
    model.run(signature, inputs)
    count += batch
print(json.dumps(count / (time.perf_counter() - started)))
"""

_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open(os.getenv("BENCHMARK_BODY"), "rb"):read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local form = 'RESULT {"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\\n'
  local half, late = latency:percentile(50), latency:percentile(99)
  io.write(string.format(form, summary.requests, summary.duration, half, late, failed))
end
"""


def build_classifier(folder: Path) -> int:
    """Writes a convolutional classifier of 28x28 grey images to `folder`; returns its parameters."""
    import tensorflow as tf

    random = np.random.default_rng(0)

    class Classifier(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            shapes = [(5, 5, 1, 48), (5, 5, 48, 96), (5, 5, 96, 192), (4 * 4 * 192, 100), (100, 11)]
            self.kernels = [
                tf.Variable(random.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32))
                for shape in shapes
            ]

        @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="image")])
        def answers(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
            x = image / 127.5 - 1.0
            for kernel in self.kernels[:3]:
                x = tf.nn.leaky_relu(tf.nn.conv2d(x, kernel, 2, "SAME"), 0.2)
            logits = tf.nn.relu(tf.reshape(x, [-1, 4 * 4 * 192]) @ self.kernels[3]) @ self.kernels[4]
            probabilities = tf.nn.softmax(logits[:, :10])
            best = tf.argmax(probabilities, axis=-1)
            return {
                "probabilities": probabilities,
                "class_id": best,
                "label": tf.as_string(best),
                "confidence": tf.reduce_max(probabilities, axis=-1),
                "real_score": tf.sigmoid(logits[:, 10]),
            }

    module = Classifier()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answers})
    return sum(int(np.prod(kernel.shape)) for kernel in module.kernels)


def free_port() -> int:
    """Returns a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment() -> dict[str, str]:
    """Returns the children's environment: this checkout first, TensorFlow quiet."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}


@contextlib.contextmanager
def running(
    command: list[str], port: int, path: str, cwd: Path = ROOT
) -> Iterator[tuple[psutil.Process, float]]:
    """A server, from when `path` answers 200; with the seconds that took."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment(), cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(port, path):
            if process.poll() is not None or time.monotonic() - started > 120:
                raise SystemExit(f"{command[0]} did not start to serve on port {port}.")
            time.sleep(0.05)
        yield psutil.Process(process.pid), time.monotonic() - started
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int, path: str) -> bool:
    """True if GET `path` on the loopback answers 200."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in connection.recv(64)
    return False


def usage(process: psutil.Process) -> tuple[float, int]:
    """Returns CPU seconds and resident bytes of a process and its children."""
    seconds, memory = 0.0, 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            seconds += times.user + times.system
            memory += one.memory_info().rss
    return seconds, memory


def load(url: str, body: bytes, connections: int, seconds: float) -> dict[str, float]:
    """Loads a URL; returns requests, seconds, p50_ms, p99_ms and errors."""
    if shutil.which("wrk") is None:
        return asyncio.run(_load_by_client(url, body, connections, seconds))
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "body").write_bytes(body)
        script = Path(scratch) / "post.lua"
        script.write_text(_LUA)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url]
        done = subprocess.run(
            command,
            env={**os.environ, "BENCHMARK_BODY": str(Path(scratch) / "body")},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"RESULT (\{.*\})", done.stdout)
    if found is None:
        raise SystemExit(f"wrk said nothing to read: {done.stdout}{done.stderr}")
    result = json.loads(found[1])
    return {
        "requests": result["requests"],
        "seconds": result["microseconds"] / 1e6,
        "p50_ms": result["p50_us"] / 1e3,
        "p99_ms": result["p99_us"] / 1e3,
        "errors": result["errors"],
    }


async def _load_by_client(url: str, body: bytes, connections: int, seconds: float) -> dict[str, float]:
    host, port, path = re.fullmatch(r"http://([^:]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    times: list[float] = []
    errors = 0
    ends = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < ends:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower())[1]))  # type: ignore[index]
            times.append(time.perf_counter() - started)
            errors += b" 200 " not in head[:20]
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    ordered = sorted(times)
    return {
        "requests": len(times),
        "seconds": seconds,
        "p50_ms": 1e3 * ordered[len(ordered) // 2],
        "p99_ms": 1e3 * ordered[int(len(ordered) * 0.99)],
        "errors": errors,
    }


def measure(
    url: str, body: bytes, process: psutil.Process, connections: int, seconds: float
) -> dict[str, float]:
    """Loads a server and returns what it gave and what that cost it."""
    before, _ = usage(process)
    result = load(url, body, connections, seconds)
    after, memory = usage(process)
    return {
        "requests_per_second": result["requests"] / result["seconds"],
        "p50_ms": result["p50_ms"],
        "p99_ms": result["p99_ms"],
        "cpu_ms_per_request": 1e3 * (after - before) / max(1, result["requests"]),
        "memory_mb": memory / 1e6,
        "errors": result["errors"],
    }


def in_process(folder: Path, seconds: float) -> float:
    """Returns images a second of the model alone, in a process of its own."""
    command = [sys.executable, "-c", _LIMIT, str(folder), folder.name, str(BATCH), str(seconds)]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


_MLSERVER_RUNTIME = """
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Classifier(MLModel):
    async def load(self):
        self.loaded = tf.saved_model.load(self.settings.parameters.uri)
        self.call = self.loaded.signatures["serving_default"]
        return True

    async def predict(self, payload):
        image = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        outputs = self.call(image=tf.constant(image))
        names = ("probabilities", "class_id", "confidence", "real_score")
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output(n, outputs[n].numpy()) for n in names]
        )
"""


@contextlib.contextmanager
def mlserver(python: str, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """An MLServer with the same model, threads and batch size; its URL and process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "runtime.py").write_text(_MLSERVER_RUNTIME)
        settings = {
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "host": "127.0.0.1",
        }
        (place / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
        model = {
            "name": "m",
            "implementation": "runtime.Classifier",
            "max_batch_size": BATCH,
            "max_batch_time": 0.002,
            "parameters": {"uri": str(folder)},
        }
        (place / "model-settings.json").write_text(json.dumps(model))
        command = [python, "-c", "from mlserver.cli import main; main()", "start", scratch]
        with running(command, port, "/v2/models/m/ready", place) as (process, _):
            yield f"http://127.0.0.1:{port}/v2/models/m/infer", process


def benchmark(options: argparse.Namespace, model_dir: Path) -> dict[str, Any]:
    """Runs every round; returns medians, and the ratio to the in-process limit of the same round."""
    from pipeline.exported.layout import newest_version
    from pipeline.serving.models.model import Model

    version = newest_version(model_dir)
    if version is None:
        raise SystemExit(f"{str(model_dir)!r} holds no version of a model.")
    spec = next(iter(Model("shape", 0, version).signature("").inputs.values()))
    image = np.random.default_rng(0).integers(0, 256, (1, *(spec.shape or ())[1:]))
    body = json.dumps({"instances": image.tolist()}).encode()
    port = free_port()
    settings = {"model_dir": str(model_dir), "name": "m", "port": port, "access_log": ""}
    rows: dict[str, list[dict[str, float]]] = {}
    limits: list[float] = []
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", _SERVE, json.dumps(settings)]
        process, ready = stack.enter_context(running(command, port, "/readyz"))
        servers = [("ganpipe", f"http://127.0.0.1:{port}/v1/models/m:predict", body, process)]
        if options.mlserver:
            url, other = stack.enter_context(mlserver(options.mlserver, version))
            flat = {
                "name": "image",
                "shape": list(image.shape),
                "datatype": "FP32",
                "data": image.ravel().tolist(),
            }
            servers.append(("MLServer", url, json.dumps({"inputs": [flat]}).encode(), other))
        for _ in range(options.rounds):
            for connections in options.connections:
                limits.append(in_process(version, options.seconds / 2))
                for name, url, sent, one in servers:
                    row = measure(url, sent, one, connections, options.seconds)
                    row["share_of_limit"] = row["requests_per_second"] / limits[-1]
                    rows.setdefault(f"{name} {connections}", []).append(row)
    return {
        "model": str(model_dir),
        "limit_images_per_second": statistics.median(limits),
        "ready_seconds": ready,
        "loads": {
            key: {name: statistics.median(row[name] for row in found) for name in found[0]}
            for key, found in rows.items()
        },
    }


def show(report: dict[str, Any]) -> None:
    """Prints the report as a table."""
    print(f"model {report['model']}; alone in a process, batches of {BATCH}, one thread: ", end="")
    print(f"{report['limit_images_per_second']:.0f} images/s; ready after {report['ready_seconds']:.1f} s")
    print(f"{'server, connections':<22}{'requests/s':>11}{'of limit':>10}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'CPU ms':>9}{'MB':>7}{'errors':>8}")
    for key, row in report["loads"].items():
        print(f"{key:<22}{row['requests_per_second']:>11.0f}{row['share_of_limit']:>10.0%}", end="")
        print(f"{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['cpu_ms_per_request']:>9.3f}", end="")
        print(f"{row['memory_mb']:>7.0f}{row['errors']:>8.0f}")


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model_dir", nargs="?", type=Path, help="model folder; default: one is built")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one load")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--connections", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 64]
    )
    parser.add_argument("--mlserver", metavar="PYTHON", help="interpreter that has mlserver and tensorflow")
    parser.add_argument("--json", type=Path, help="file for the report as JSON")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        model_dir = options.model_dir
        if model_dir is None:
            model_dir = Path(scratch) / "built"
            parameters = build_classifier(model_dir / "1")
            print(f"built a classifier of {parameters} parameters")
        report = benchmark(options, model_dir.resolve())
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
