"""The application: the REST API, health, metrics, OpenAPI and the page, as one ASGI callable."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.serving.http.access_log import AccessLog
from pipeline.serving.http.limits import Gate
from pipeline.serving.http.openapi import describe
from pipeline.serving.http.page import Page
from pipeline.serving.json import json_answer
from pipeline.serving.metrics import Metrics
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.manager import Manager

_TICK = 0.25


class App:
    """Dispatches requests: paths below /v1/ to the REST API at once, the few others through Starlette."""

    def __init__(
        self,
        *,
        rest: Callable[..., Awaitable[None]],
        manager: Manager,
        batcher: Batcher,
        metrics: Metrics,
        gate: Gate,
        log: AccessLog,
        page: Page,
        extra: Callable[[], contextlib.AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        """Puts the parts together; `extra` runs as long as the server (the gRPC service)."""
        self._rest, self._manager, self._batcher = rest, manager, batcher
        self._metrics, self._gate, self._log, self._page, self._extra = metrics, gate, log, page, extra
        self._others = Starlette(
            routes=[
                Route("/", self._show_page),
                Route("/about.json", self._about),
                Route("/healthz", self._health),
                Route("/readyz", self._ready),
                Route("/openapi.json", self._openapi),
                Route("/monitoring/prometheus/metrics", self._show_metrics),
            ],
            exception_handlers={HTTPException: _refused},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, or runs the server's life."""
        if scope["type"] == "http" and scope["path"][:4].lower() in ("/v1", "/v1/"):
            await self._rest(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        started = time.perf_counter()
        answered = {"status": 500, "size": 0}

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
            else:
                answered["size"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._others(scope, receive, noting)
        finally:
            self._log.request(scope, answered["status"], answered["size"], started)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._batcher.start()
        self._manager.start()
        ticking = asyncio.create_task(self._tick())
        try:
            async with self._extra() if self._extra else contextlib.nullcontext():
                yield
        finally:
            ticking.cancel()
            await self._batcher.stop()
            await asyncio.to_thread(self._manager.stop)
            self._log.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._gate.sweep(time.monotonic())
            self._log.flush()

    async def _show_page(self, request: Request) -> Response:
        return Response(self._page.html, media_type="text/html", headers=self._page.headers)

    async def _about(self, request: Request) -> Response:
        return _json(self._page.about())

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        if self._manager.ready():
            return _json({"status": "ready"})
        return _json({"error": "a model has no version that can answer"}, 503)

    async def _openapi(self, request: Request) -> Response:
        return _json(describe(list(self._manager.folders)))

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(
        json_answer.error_json(error.detail), error.status_code, error.headers, media_type="application/json"
    )
