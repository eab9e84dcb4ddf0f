"""What a page must keep in a browser: it fits a phone, and an accessibility checker finds nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("GANPIPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("GANPIPE_AXE") or "node_modules/axe-core/axe.min.js")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WIDE, PHONE = {"width": 1100, "height": 900}, {"width": 360, "height": 740}
# elements that are wider than the room they have
TOO_WIDE = """() => [document.scrollingElement, ...document.querySelectorAll("body *")]
    .filter((item) => item.scrollWidth > item.clientWidth + 1 && item.clientWidth > 0)
    .filter((item) => !item.closest("svg") && getComputedStyle(item).display !== "inline")
    .map((item) => `${item.tagName}.${item.className}: ${item.scrollWidth} > ${item.clientWidth}`)"""


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra `test`")
    if CHROMIUM is None:
        pytest.skip("needs a chromium on the path, or GANPIPE_CHROMIUM")
    with api.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield one
        one.close()


@contextmanager
def opened(one: Any, file: Path, size: dict[str, int], scheme: str = "light") -> Iterator[Any]:
    """A page without its own scripts, at a size, in a colour scheme; every fold is open."""
    context = one.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(file.resolve().as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    yield page
    context.close()


def too_wide(page: Any) -> list[str]:
    """Elements that do not fit: to see all of them one would have to scroll sideways."""
    return list(page.evaluate(TOO_WIDE))


def violations(page: Any) -> list[str]:
    """What axe-core finds; the test is skipped where it cannot be had (`npm install axe-core`)."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install axe-core, or GANPIPE_AXE names its axe.min.js")
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{item['id']}: {item['help']}: {[node['target'] for node in item['nodes'][:4]]}: "
        f"{item['nodes'][0]['failureSummary']}"
        for item in found["violations"]
    ]
