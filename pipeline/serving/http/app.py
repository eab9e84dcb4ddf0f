"""The application, one ASGI callable: the REST API below /v1, the page, health, OpenAPI and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.serving.http.access_log import AccessLog
from pipeline.serving.http.bodies import ClientGone
from pipeline.serving.http.hosts import Hosts
from pipeline.serving.http.openapi import describe
from pipeline.serving.http.page import Page
from pipeline.serving.http.paths import Target, parse_path
from pipeline.serving.http.rest import ACTIONS, RestApi
from pipeline.serving.json_forms.answer import error_json
from pipeline.serving.metrics import Metrics
from pipeline.serving.models.manager import Manager
from pipeline.serving.status import ServingError, bare

logger = logging.getLogger(__name__)

_JSON = b"application/json"
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]


@dataclass
class Answer:
    """An HTTP answer; `code` is the status' name in the metrics."""

    body: bytes
    status: int = 200
    media: bytes = _JSON
    headers: Sequence[tuple[bytes, bytes]] = ()
    code: str = "OK"


class App:
    """Answers requests; every answer is logged, and those below /v1 are counted."""

    def __init__(
        self,
        *,
        rest: RestApi,
        manager: Manager,
        metrics: Metrics,
        log: AccessLog,
        page: Page,
        hosts: Hosts,
        cors: bool,
    ) -> None:
        """Puts the parts together; with `cors` pages of other origins may read the answers."""
        self._rest, self._manager, self._metrics, self.log = rest, manager, metrics, log
        self._hosts, self._cors = hosts, _CORS if cors else []
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": lambda: Answer(page.html.encode(), 200, b"text/html; charset=utf-8", page.headers),
            "/about.json": lambda: Answer(orjson.dumps(page.about())),
            "/healthz": lambda: Answer(b'{"status":"ok"}'),
            "/readyz": self._ready,
            "/openapi.json": lambda: Answer(orjson.dumps(describe(list(manager.folders)))),
            "/monitoring/prometheus/metrics": lambda: Answer(
                metrics.page(), 200, b"text/plain; version=0.0.4; charset=utf-8"
            ),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one HTTP request."""
        started = time.perf_counter()
        path, target = scope["raw_path"].decode("latin-1"), None
        rest = path[:4].lower() in ("/v1", "/v1/")
        try:
            self._hosts.check(scope["headers"])
            if not rest:
                answer = self._show(scope["method"], scope["path"])
            elif scope["method"] == "OPTIONS":
                answer = Answer(_preflight(scope))
            else:
                target = parse_path(scope["method"], path)
                answer = Answer(await self._rest.answer(target, scope, receive))
        except ClientGone:
            self.log.request(scope, 499, 0, started)
            return
        except Exception as error:
            answer = _refusal(error, f"{scope['method']} {path}")
        length = b"%d" % len(answer.body)
        headers = [(b"content-type", answer.media), (b"content-length", length), *answer.headers]
        if rest:
            headers += self._cors
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        if rest:
            self._count(target, answer.code, time.perf_counter() - started)
        self.log.request(scope, answer.status, len(answer.body), started)

    def _count(self, target: Target | None, code: str, seconds: float) -> None:
        model = target.model if target and target.model in self._manager.folders else ""
        method = target.action if target and target.action in ACTIONS else ""
        self._metrics.request(model=model, method=method, status=code, seconds=seconds, entrypoint="REST")

    def _show(self, method: str, path: str) -> Answer:
        if path not in self._pages:
            raise ServingError("NOT_FOUND", "Not Found")
        if method not in ("GET", "HEAD"):
            raise ServingError("INVALID_ARGUMENT", "Method Not Allowed", http_status=405)
        return self._pages[path]()

    def _ready(self) -> Answer:
        if self._manager.ready():
            return Answer(b'{"status":"ready"}')
        return Answer(error_json("a model has no version that can answer"), 503)


def _refusal(error: Exception, request: str) -> Answer:
    problem = bare(error)
    if problem.code == "INTERNAL" and not isinstance(error, ServingError):
        logger.exception("%s", request)
    headers = []
    if problem.http_status == 413:
        headers.append((b"connection", b"close"))
    if problem.http_status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return Answer(error_json(problem.message), problem.http_status, _JSON, headers, problem.code)


def _preflight(scope: Any) -> bytes:
    for name, value in scope["headers"]:
        if name == b"origin" and value.startswith((b"http://", b"https://")):
            return b""
    raise ServingError("FAILED_PRECONDITION", "Origin header is missing in CORS preflight")
