"""The page at /: one HTML file without outside assets, its policy, and what it must know of the models."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from pipeline.exported.layout import DEFAULT
from pipeline.serving.models.manager import Manager
from pipeline.serving.status import ServingError

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


class Page:
    """The page's text and headers, and the document it fetches first.

    Attributes:
        html: the page.
        headers: its security headers; the policy admits the page's own script and style by their hashes.
    """

    def __init__(self, manager: Manager, *, model: str, generator: str | None, max_body: int) -> None:
        """Reads the page; `model` and `generator` are names of served models."""
        self._manager, self._model, self._generator, self._max_body = manager, model, generator, max_body
        self.html = (files("pipeline.serving.http") / "page.html").read_text(encoding="utf-8")
        policy = ["default-src 'none'", "img-src data: blob:", "connect-src 'self'"]
        policy += ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
        for tag, text in _INLINE.findall(self.html):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            policy.append(f"{tag}-src 'sha256-{digest}'")
        self.headers = [
            (b"content-security-policy", "; ".join(policy).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-cache"),
        ]

    def about(self) -> dict[str, Any]:
        """Returns the names, versions, classes and signatures that the page works with."""
        document: dict[str, Any] = {
            "model": self._model,
            "max_body": self._max_body,
            "class_names": [],
            "signatures": [],
            "version": None,
            "generator": None,
        }
        try:
            model = self._manager.acquire(self._model)
        except ServingError as error:
            return {**document, "error": error.message}
        try:
            default = model.signatures.get(DEFAULT)
            shape = next(iter(default.inputs.values())).shape if default and default.inputs else None
            document.update(
                version=model.version,
                class_names=list(model.class_names),
                signatures=[key for key, item in model.signatures.items() if item.inputs and item.outputs],
                image_shape=list(shape[1:]) if shape else None,
            )
        finally:
            model.release()
        if self._generator is not None:
            document["generator"] = self._about_generator(self._generator)
        return document

    def _about_generator(self, name: str) -> dict[str, Any] | None:
        try:
            model = self._manager.acquire(name)
        except ServingError:
            return None
        try:
            # a tensor's shape, or null where any will do
            wanted = {
                key: {alias: spec.shape and list(spec.shape) for alias, spec in signature.inputs.items()}
                for key, signature in model.signatures.items()
                if signature.inputs and signature.outputs
            }
            return {"name": name, "version": model.version, "signatures": wanted}
        finally:
            model.release()
