"""Worker processes of the multi_processing mode, kept from one pass to the next, and how Beam is given them.

    with WorkerPool() as pool:
        FnApiRunner(default_environment=environment_of(pool))

They start when the first pass needs them, and end with the pool. Beam would wait for ever for one that was
killed; `killed` tells.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import subprocess
import sys
import threading
from typing import Any

from pipeline.child_processes import importable

_PATIENCE_SECONDS = 10.0
_URN = "ganpipe:env:kept_workers:v1"
_numbers = itertools.count()
_pools: dict[bytes, WorkerPool] = {}


class WorkerPool:
    """Processes of `pipeline.beam.worker`; a worker of a pass has one for itself."""

    def __init__(self) -> None:
        self.name = f"{next(_numbers)}".encode()
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._free: list[subprocess.Popen[str]] = []

    def __enter__(self) -> WorkerPool:
        _pools[self.name] = self
        return self

    def __exit__(self, *_: object) -> None:
        del _pools[self.name]
        self._close()

    @property
    def ids(self) -> list[int]:
        """Ids of the processes that were started."""
        return [process.pid for process in self._processes]

    def take(self, said: dict[str, str]) -> subprocess.Popen[str]:
        """Gives a worker of a pass a process, a new one where none is free, and tells it the pass."""
        with self._lock:
            process = self._free.pop() if self._free else self._start()
        assert process.stdin is not None
        # one that was killed a moment ago is found by `killed`
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(said) + "\n")
            process.stdin.flush()
        return process

    def give_back(self, process: subprocess.Popen[str]) -> None:
        """Takes a process back; what it still does for its pass it ends before the next one."""
        with self._lock:
            self._free.append(process)

    def killed(self) -> bool:
        """Whether a process is gone."""
        return any(process.poll() is not None for process in self._processes)

    def kill(self) -> None:
        """Ends all processes; without a killed one Beam has no use for them."""
        for process in self._processes:
            process.kill()

    def _start(self) -> subprocess.Popen[str]:
        with importable():
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.beam.worker"],
                stdin=subprocess.PIPE,
                # what a worker prints is noise
                stdout=subprocess.DEVNULL,
                text=True,
            )
        self._processes.append(process)
        return process

    def _close(self) -> None:
        for process in self._processes:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        for process in self._processes:
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment_of(pool: WorkerPool) -> Any:
    """Returns the environment by which Beam's embedded runner takes its workers from a pool."""
    return _kept_workers()(pool.name)


@functools.cache
def _kept_workers() -> Any:
    """Tells Beam of the kind of environment; Beam is loaded here."""
    from apache_beam.portability.api import endpoints_pb2
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
    from apache_beam.transforms.environments import Environment
    from google.protobuf import json_format, text_format

    class KeptWorkers(Environment):
        def __init__(self, name: bytes) -> None:
            super().__init__()
            self.name = name

        def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
            return _URN, self.name

    @WorkerHandler.register_environment(_URN, bytes)
    class KeptWorkerHandler(GrpcWorkerHandler):
        def __init__(self, name: bytes, state: Any, provision_info: Any, grpc_server: Any) -> None:
            super().__init__(state, provision_info, grpc_server)
            self.pool = _pools[name]

        def start_worker(self) -> None:
            control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
            options = self.provision_info.provision_info.pipeline_options
            self.process = self.pool.take(
                {
                    "WORKER_ID": self.worker_id,
                    "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                    "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(
                        self.logging_api_service_descriptor()
                    ),
                    "PIPELINE_OPTIONS": json_format.MessageToJson(options, indent=None),
                }
            )

        def stop_worker(self) -> None:
            self.pool.give_back(self.process)

    return KeptWorkers
