"""Sends a real `ganpipe serve` what nobody should send, and says whether it lives, answers and forgets.

    python tools/fuzz_serving.py                        # one minute, at most 20,000 requests
    python tools/fuzz_serving.py --minutes 10 --requests 1000000 --seed 3
    python tools/fuzz_serving.py --kind images exports/digits

Kinds: mutated images of every format, with bombs among the seeds; JSON; HTTP framing by bare sockets; gRPC
(where grpcio is installed). Request i is a function of (seed, i), so that `--seed S --only I` sends it again.

Expect: no crash, no answer after more than 2 s, none but 200, 4xx and 503, memory within 100 MB of where it
was, and right answers to the good requests in between. Exit 1 and the offending requests if not. Takes the
time given, both cores, and 1 GB.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from fuzz_inputs import KINDS, Server, good_request, seeds_of_images, send_unchanged  # noqa: E402

SLOWEST = 2.0
MEMORY = 100e6
CLIENTS = 4
SIDE, CLASSES = 28, 10


def build_classifier(folder: Path) -> None:
    """Writes a linear classifier whose graph decodes images with the export's own code."""
    import tensorflow as tf

    from ssgan_tf.savedmodel import decoded_records

    weights = np.random.default_rng(0).normal(0, 0.05, (SIDE * SIDE, CLASSES)).astype(np.float32)
    shape = (SIDE, SIDE, 1)

    class Classifier(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(weights)

        @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.float32, name="image")])
        def from_float(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
            probabilities = tf.nn.softmax(tf.reshape(image / 255.0, [-1, SIDE * SIDE]) @ self.weights)
            return {"probabilities": probabilities, "class_id": tf.argmax(probabilities, axis=-1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def from_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.from_float(tf.cast(decoded_records(image_bytes, shape), tf.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            parsed = tf.io.parse_example(inputs, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
            return {"scores": self.from_bytes(parsed["image/encoded"])["probabilities"]}

    module = Classifier()
    signatures = {
        "serving_default": module.from_float,
        "serving_bytes": module.from_bytes,
        "classify": module.classify,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


@contextlib.contextmanager
def serving(model: Path) -> Iterator[tuple[Server, psutil.Process]]:
    """`ganpipe serve` on the loopback, with gRPC where it is installed."""
    with contextlib.suppress(ImportError):
        import grpc  # noqa: F401
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(model), "--port", "0", "--name", "fuzzed"]
    command += ["--access-log", "", *(["--grpc-port", "0"] if "grpc" in sys.modules else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    ports, lines = {}, []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"^(page|gRPC)\s.*?:(\d+)", line):
            ports[found[1]] = int(found[2])
        if "page" in ports and ("gRPC" in ports or "grpc" not in sys.modules):
            break
    else:
        raise SystemExit(f"the server did not start: {''.join(lines)}")
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        yield Server(ports["page"], ports.get("gRPC")), psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(5)
        if process.returncode != 0:
            print(f"the server ended with {process.returncode}; its last words:", *lines[-10:], sep="\n")


class Fuzzer:
    """Hands out request numbers to client threads, and keeps what they saw.

    Attributes:
        sent: requests by kind and answer.
        slowest: seconds of the slowest answer, with its number and kind.
        problems: what must not have happened, at most 20.
    """

    def __init__(self, server: Server, process: psutil.Process, options: argparse.Namespace) -> None:
        self.server, self.process, self.options = server, process, options
        self.kinds = [kind for kind in KINDS if kind in options.kind and (kind != "grpc" or server.grpc_port)]
        self.sent: Counter[tuple[str, str]] = Counter()
        self.slowest = (0.0, -1, "")
        self.problems: list[str] = []
        self.seeds = seeds_of_images()
        self.expected = good_request(server)
        self.ends = 0.0
        self._next = 0
        self._lock = threading.Lock()

    def run(self, count: int, seconds: float) -> None:
        """Sends up to `count` more requests for up to `seconds`."""
        self.ends = time.monotonic() + seconds
        last = self._next + count
        clients = [threading.Thread(target=self._client, args=(last,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def send(self, number: int) -> None:
        """Sends request `number`, and notes its answer."""
        rng = random.Random(f"{self.options.seed}/{number}")
        kind = rng.choices(self.kinds, [KINDS[kind].weight for kind in self.kinds])[0]
        started = time.monotonic()
        try:
            answer, what = KINDS[kind].send(self.server, rng, self.seeds)
        except (OSError, http.client.HTTPException) as error:
            answer, what = f"no answer ({type(error).__name__})", ""
        seconds = time.monotonic() - started
        with self._lock:
            self.sent[kind, answer] += 1
            self.slowest = max(self.slowest, (seconds, number, f"{kind} {what}"))
            if seconds > SLOWEST or not re.match(r"2\d\d|4\d\d|503|closed|OK|[A-Z_]+$", answer):
                self._problem(f"request {number} ({kind} {what}): {answer} after {seconds:.2f} s")

    def _client(self, last: int) -> None:
        while time.monotonic() < self.ends and self.process.is_running():
            with self._lock:
                number, self._next = self._next, self._next + 1
                if number >= last or len(self.problems) >= 20:
                    self._next = min(self._next, last)
                    return
            self.send(number)
            if number % 50 == 0:
                self._check_good(number)

    def _check_good(self, number: int) -> None:
        try:
            right = good_request(self.server) == self.expected
        except (OSError, http.client.HTTPException, ValueError):
            right = False
        if not right:
            with self._lock:
                self._problem(f"the good request after request {number} was answered wrongly or not at all")

    def _problem(self, text: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(text)

    def memory(self) -> float:
        """Resident bytes once the server rests."""
        time.sleep(1.5)
        with contextlib.suppress(psutil.Error):
            return float(self.process.memory_info().rss)
        return 0.0


def fuzz(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Runs the fuzzer; returns its figures."""
    with serving(model) as (server, process):
        fuzzer = Fuzzer(server, process, options)
        if options.only is not None:
            fuzzer.send(options.only)
            return figures(fuzzer, 0.0, 0.0)
        started = time.monotonic()
        seconds = options.minutes * 60
        # buffers for the largest that is allowed, kernels, the allocator's own stock
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda image: send_unchanged(server, image), 2 * [*fuzzer.seeds.values()]))
        before = fuzzer.memory()
        fuzzer.run(options.requests, seconds - (time.monotonic() - started))
        after = fuzzer.memory()
        fuzzer._check_good(-1)
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            fuzzer._problem("the server crashed")
        elif after - before > MEMORY:
            fuzzer._problem(f"memory grew by {(after - before) / 1e6:.0f} MB")
        return figures(fuzzer, before, after)


def figures(fuzzer: Fuzzer, before: float, after: float) -> dict[str, Any]:
    """Returns what a run found, as JSON can hold it."""
    seconds, number, what = fuzzer.slowest
    return {
        "seed": fuzzer.options.seed,
        "minutes": fuzzer.options.minutes,
        "requests": sum(fuzzer.sent.values()),
        "answers": {
            kind: {answer: n for (k, answer), n in sorted(fuzzer.sent.items()) if k == kind}
            for kind in fuzzer.kinds
        },
        "slowest_seconds": round(seconds, 3),
        "slowest_request": f"{number} ({what})",
        "memory_mb": [round(before / 1e6), round(after / 1e6)],
        "problems": fuzzer.problems,
    }


def main() -> int:
    """Reads the command line, fuzzes and prints; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model_dir", nargs="?", type=Path, help="model folder; default: one is built")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--requests", type=int, default=20_000, help="most requests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind; repeatable")
    parser.add_argument("--only", type=int, metavar="I", help="send request I of this seed alone")
    parser.add_argument("--json", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    options.kind = options.kind or list(KINDS)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        model = options.model_dir
        if model is None:
            model = Path(scratch) / "built"
            build_classifier(model / "1")
        found = fuzz(options, model.resolve())
    for kind, answers in found["answers"].items():
        print(f"{kind:<8}{sum(answers.values()):>7}  ", ", ".join(f"{a}: {n}" for a, n in answers.items()))
    print(f"{found['requests']} requests, seed {found['seed']}, in {found['minutes']:g} minutes")
    print(f"slowest answer {found['slowest_seconds']} s, to request {found['slowest_request']}")
    print("memory {} MB before, {} MB after".format(*found["memory_mb"]))
    print(*(found["problems"] or ["no problem found"]), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
