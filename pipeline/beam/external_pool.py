"""A pool of Python workers for an engine's environment EXTERNAL, for any number of its machines' processes.

    python -m pipeline.beam.external_pool --port 50000

Beam's own pool listens on all addresses and knows a worker by the name that its engine gives it. Two
TaskManagers both call theirs "1-1": the first that is done stops the other's, in the middle of a piece. This
one listens on loopback unless told otherwise, and tells workers of one name by who asked for them.
Flink also waits without end for a worker that was killed before it called (seen with Beam 2.62.0, whose
TaskManager says "Still waiting for startup of environment"): a worker that a signal ended is started again.
"""

from __future__ import annotations

import argparse
import atexit
import threading
import time
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import (
    BeamFnExternalWorkerPoolServicer,
    kill_process_gracefully,
)
from apache_beam.utils import thread_pool_executor

# within which an engine that lost a worker at work has it stopped, and asks for another
_NOTICED_SECONDS = 3.0
# as often a worker is started again
_TIMES = 3


class Pool(BeamFnExternalWorkerPoolServicer):
    """Starts and stops worker processes, each known by its name and the connection that asked for it."""

    def __init__(self) -> None:
        super().__init__(use_process=True, data_buffer_time_limit_ms=-1)
        self._lock = threading.Lock()
        self._owned: dict[tuple[str, str], Any] = {}

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Starts a worker; one of the same name, asked for by another, goes on."""
        with self._lock:
            answer = super().StartWorker(request, context)
            process = self._worker_processes.pop(request.worker_id, None)
            if process is not None:
                key = context.peer(), request.worker_id
                self._owned[key] = process
                after = self._look_after
                threading.Thread(target=after, args=(key, request, process), daemon=True).start()
        return answer

    def _look_after(self, key: tuple[str, str], request: Any, process: Any) -> None:
        """Starts a worker again that was killed, unless it was to end, or ended with a code of its own."""
        for _ in range(_TIMES):
            if process.wait() >= 0:
                return
            time.sleep(_NOTICED_SECONDS)
            with self._lock:
                if self._owned.get(key) is not process:
                    return
                super().StartWorker(request, None)
                process = self._worker_processes.pop(request.worker_id, None)
                if process is None:
                    return
                self._owned[key] = process

    def StopWorker(self, request: Any, context: Any) -> Any:
        """Stops the worker that the same connection asked for; without one, nothing."""
        with self._lock:
            process = self._owned.pop((context.peer(), request.worker_id), None)
        if process is not None:
            kill_process_gracefully(process)
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Stops all workers."""
        with self._lock:
            processes = list(self._owned.values())
            self._owned.clear()
        for process in processes:
            kill_process_gracefully(process)


def serve(host: str, port: int) -> tuple[grpc.Server, Pool, int]:
    """Starts a pool; returns its server, itself and its port.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
    """
    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    pool = Pool()
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    port = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server, pool, port


def main() -> None:
    """Parses the command line, and serves until it is ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50000)
    arguments = parser.parse_args()
    server, pool, _ = serve(arguments.host, arguments.port)
    atexit.register(pool.close)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
