"""TensorBoard itself, in headless Chromium, on what each recipe leaves: tabs show something, no error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssgan_tf.recipe_fixtures import FORMS, IDS
from tests.ssgan_tf.test_summaries import run

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra `test`")

CHROMIUM = os.environ.get("GANPIPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the path, or GANPIPE_CHROMIUM"),
    pytest.mark.slow,
]
# tab, and what stands there once it has loaded; without one it opens on the scalars, losses first
TABS = {
    "": "Loss/discriminator",
    "scalars": "Loss",
    "images": "samples",
    "histograms": "weights/discriminator",
    "graphs": "images",
}


def board_of(folder: Path) -> str:
    """Starts TensorBoard on a folder; returns its address."""
    from tensorboard import default, program

    server = program.TensorBoard(default.get_plugins())
    server.configure(argv=[None, "--logdir", str(folder), "--port", "0", "--load_fast=false"])
    return server.launch().rstrip("/")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sync_api.BrowserContext]:
    """A browser with a profile of its own."""
    with sync_api.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")),
            executable_path=CHROMIUM,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            viewport={"width": 1300, "height": 1000},
        )
        # TensorBoard's own page is large, and the machine may be busy
        context.set_default_timeout(120_000)
        yield context
        context.close()


@pytest.mark.parametrize(("recipe", "settings"), FORMS, ids=IDS)
def test_every_tab_loads(browser, recipe, settings, tmp_path):
    run(recipe, tmp_path, **settings)
    board, page, problems = board_of(tmp_path), browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            problems.append(answer.url) if answer.status >= 400 and answer.url.startswith(board) else None
        ),
    )
    pictures = Path(os.environ.get("GANPIPE_SCREENSHOTS", tmp_path))
    for tab, words in TABS.items():
        if tab == "images" and recipe == "supervised":
            continue
        page.goto(f"{board}/#{tab}")
        page.reload()
        sync_api.expect(page.get_by_text(words).first).to_be_visible(timeout=120_000)
        page.wait_for_timeout(2000)
        page.screenshot(path=pictures / f"{'-'.join([recipe, *settings.values()])}-{tab or 'first'}.png")
    page.close()
    assert problems == []
