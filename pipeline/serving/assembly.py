"""The server put together: models, queue, limits, HTTP and gRPC, and how long each of them runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import uvicorn

from pipeline.serving.allocator import give_memory_back
from pipeline.serving.http.access_log import AccessLog
from pipeline.serving.http.app import App
from pipeline.serving.http.bodies import Bodies
from pipeline.serving.http.hosts import Hosts
from pipeline.serving.http.limits import Gate
from pipeline.serving.http.page import Page
from pipeline.serving.http.rest import RestApi
from pipeline.serving.inputs_log import InputsLog
from pipeline.serving.metrics import Metrics
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.computing import Computing
from pipeline.serving.models.manager import Manager
from pipeline.serving.models.model import Model
from pipeline.serving.models.warmup import replay
from pipeline.serving.settings import ServeConfig, parse_labels, parse_versions
from pipeline.terminal import Terminal

MEBI = 2**20
_TICK, _IDLE_TICKS = 0.25, 4


class Server:
    """Everything that runs, from the first request to the last."""

    def __init__(self, config: ServeConfig, app: App, manager: Manager, batcher: Batcher, gate: Gate) -> None:
        self._manager, self._batcher, self._gate = manager, batcher, gate
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                http=gate.protocol(),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=max(1, round(config.keep_alive)),
                timeout_graceful_shutdown=max(1, round(config.drain)),
            )
        )
        self.log = app.log
        self.inputs_log: InputsLog | None = None
        self.beside: contextlib.AbstractAsyncContextManager[Any] = contextlib.nullcontext()

    async def run(self, listener: socket.socket) -> None:
        """Serves until a signal; then answers what is under way, and lets the models go."""
        self._batcher.start()
        self._manager.start()
        ticking = asyncio.create_task(self._tick())
        try:
            async with self.beside:
                await self._uvicorn.serve(sockets=[listener])
        finally:
            ticking.cancel()
            await self._batcher.stop()
            await asyncio.to_thread(self._manager.stop)
            self.log.close()
            if self.inputs_log is not None:
                await self.inputs_log.flush(now=True)

    async def _tick(self) -> None:
        idle = 0
        while True:
            await asyncio.sleep(_TICK)
            self._gate.sweep(time.monotonic())
            self.log.flush()
            if self.inputs_log is not None:
                await self.inputs_log.flush()
            idle = 0 if self._batcher.pending else idle + 1
            if idle == _IDLE_TICKS:
                # what large images took would stay with the allocator
                await asyncio.to_thread(give_memory_back)


def assemble(config: ServeConfig, folders: dict[str, Path], terminal: Terminal) -> Server:
    """Loads the models and puts the server together.

    Raises:
        DataError: a model has no version that can be loaded, or the log cannot be written.
        UsageError: gRPC is asked for and not installed.
    """

    def load(name: str, version: int, folder: Path) -> Model:
        model = Model(name, version, folder, config.threads)
        try:
            replay(model)
        except BaseException:
            model.retire()
            raise
        return model

    log = AccessLog(config.access_log, terminal.stream)
    metrics = Metrics()
    manager = Manager(
        folders,
        policy=parse_versions(config.versions),
        labels=parse_labels(config.labels),
        load=load,
        poll=config.poll,
        retries=config.load_retries,
        retry_wait=config.retry_wait,
        say=terminal.say,
    )
    manager.load_first()
    pixels = int(config.max_megapixels * MEBI)
    batcher = Batcher(max_rows=config.max_batch, max_queue=config.max_queue, max_cost=pixels, metrics=metrics)
    inputs_log = InputsLog(Path(config.inputs_log), next(iter(folders))) if config.inputs_log else None
    computing = Computing(batcher, pixels, inputs_log)
    bodies = Bodies(max_body=int(config.max_body_mb * MEBI), max_held=int(config.max_pending_mb * MEBI))
    gate = Gate(
        max_connections=config.max_connections,
        max_body=bodies.max_body,
        header_timeout=config.header_timeout,
        body_timeout=config.body_timeout,
    )
    model, *others = folders
    page = Page(manager, model=model, generator=others[0] if others else None, max_body=bodies.max_body)
    metrics.watch("queue_requests", "Requests waiting for the model or in it.", lambda: batcher.pending)
    metrics.watch("body_bytes", "Bytes of request bodies held.", lambda: bodies.held)
    metrics.watch("connections", "Open connections.", lambda: len(gate.connections))
    metrics.watch(
        "versions", "Versions that can answer.", lambda: sum(len(manager.available(name)) for name in folders)
    )
    app = App(
        rest=RestApi(manager=manager, computing=computing, bodies=bodies),
        manager=manager,
        metrics=metrics,
        log=log,
        page=page,
        hosts=Hosts(config.host, config.allowed_hosts, any_origin=config.cors),
        cors=config.cors,
    )
    server = Server(config, app, manager, batcher, gate)
    server.inputs_log = inputs_log
    if config.grpc_port is not None:
        from pipeline.serving.grpc_service import GrpcService

        service = GrpcService(
            config, manager=manager, computing=computing, bodies=bodies, metrics=metrics, say=terminal.say
        )
        server.beside = service.running()
    return server
