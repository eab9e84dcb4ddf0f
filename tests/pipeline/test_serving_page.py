"""The page at /, driven in headless Chromium: draw, drop, errors shown, samples, keyboard, phone."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serving_models
import tensorflow as tf
from PIL import Image
from serving_fixtures import Served, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra `test`")

CHROMIUM = os.environ.get("GANPIPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the path, or GANPIPE_CHROMIUM")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PNG = tf.io.encode_png(np.full((8, 8, 1), 255, np.uint8)).numpy()


@pytest.fixture(scope="module")
def server(model_root: Path) -> Iterator[Served]:
    """A server of the classifier and the generator, with its usual limits."""
    with serving(model_root / "digits", generator_dir=str(model_root / "samples")) as one:
        yield one


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sync_api.BrowserContext]:
    """A browser with a profile of its own."""
    profile = tmp_path_factory.mktemp("profile")
    with sync_api.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1100, "height": 900},
        )
        yield context
        context.close()


class Visit:
    """One open page, and everything that went wrong in it."""

    def __init__(self, page: sync_api.Page, server: Served) -> None:
        self.page, self.problems, self.requests = page, [], []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(f"http://127.0.0.1:{server.port}/")
        sync_api.expect(page.locator("#version")).to_have_text("version 1")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def expect(self, selector: str) -> sync_api.LocatorAssertions:
        return sync_api.expect(self.page.locator(selector))

    def drop(self, name: str, kind: str, data: bytes) -> None:
        """Drops a file on the page, as a hand would."""
        self.page.evaluate(
            """([name, kind, text]) => {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], name, { type: kind }));
                for (const step of ["dragover", "drop"]) {
                    const how = { dataTransfer: transfer, bubbles: true, cancelable: true };
                    document.getElementById("board").dispatchEvent(new DragEvent(step, how));
                }
            }""",
            [name, kind, base64.b64encode(data).decode()],
        )


@pytest.fixture
def visit(browser: sync_api.BrowserContext, server: Served) -> Iterator[Visit]:
    """The page, freshly loaded; whatever the test did, its scripts must not have failed."""
    page = browser.new_page()
    one = Visit(page, server)
    yield one
    page.close()
    unexpected = [text for text in one.problems if "status of 4" not in text]
    assert not unexpected, unexpected
    origin = f"http://127.0.0.1:{server.port}/"
    assert all(url.startswith((origin, "blob:", "data:")) for url in one.requests), one.requests


def test_drawing_is_answered(visit: Visit) -> None:
    visit.expect("#label").to_have_text("No image yet")
    box = visit.page.locator("#draw").bounding_box()
    mouse = visit.page.mouse
    mouse.move(box["x"] + 100, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + 180, box["y"] + 200, steps=5)
    mouse.move(box["x"] + 240, box["y"] + 300, steps=5)
    mouse.up()
    visit.expect("#verdict").to_have_class("good")
    assert visit.text("#label") in serving_models.CLASS_NAMES
    assert visit.page.locator("#bars li").count() == 10
    assert visit.text("#bars li.best .name") == visit.text("#label")
    shares = [float(text.split()[0]) for text in visit.page.locator("#bars .percent").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    visit.expect("#confidence").to_have_text(f"{round(max(shares))}%")
    assert visit.text("#real-score").endswith("%")
    visit.page.get_by_role("button", name="Clear").click()
    visit.expect("#label").to_have_text("No image yet")


@pytest.fixture(params=[(96, 96, 3), (160, 160, 1)], ids=["colour", "large"])
def photo_visit(
    browser: sync_api.BrowserContext, server: Served, request: pytest.FixtureRequest
) -> Iterator[Visit]:
    """The page of a model that nobody draws for: the served one, said to take other images."""
    page = browser.new_page()

    def changed(route: sync_api.Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "image_shape": list(request.param)})

    page.route("**/about.json", changed)
    # choosers are caught from here on: asked for with the click, it may come first
    page.on("filechooser", lambda _: None)
    one = Visit(page, server)
    yield one
    page.unroute_all(behavior="ignoreErrors")
    page.close()
    assert not one.problems


def test_a_photo_is_asked_for_where_nobody_would_draw(photo_visit: Visit) -> None:
    visit = photo_visit
    visit.expect("#hint .chooses").to_be_visible()
    visit.expect("#hint").to_contain_text("Choose or drop a photo")
    visit.expect("#verdict").to_have_text("choose a photo to begin")
    for drawing in visit.page.locator(".draws").all():
        sync_api.expect(drawing).to_be_hidden()
    box = visit.page.locator("#draw").bounding_box()
    with visit.page.expect_file_chooser() as chooser:
        visit.page.mouse.click(box["x"] + 100, box["y"] + 100)
    chooser.value.set_files({"name": "white.png", "mimeType": "image/png", "buffer": PNG})
    visit.expect("#label").not_to_have_text("No image yet")
    visit.expect("#hint").to_be_hidden()
    visit.page.keyboard.press("c")
    visit.page.locator("#draw").focus()
    with visit.page.expect_file_chooser():
        visit.page.keyboard.press("Enter")


def test_a_small_grey_model_is_drawn_for(visit: Visit) -> None:
    visit.expect("#hint .draws").to_be_visible()
    visit.expect("#hint .chooses").to_be_hidden()
    visit.expect("#verdict").to_have_text("draw something to begin")


def test_a_dropped_image_is_answered_as_the_api_answers(visit: Visit, server: Served) -> None:
    image = {"b64": base64.b64encode(PNG).decode()}
    body = {"signature_name": "serving_bytes", "instances": [image]}
    expected = server.post("/v1/models/digits:predict", body).json["predictions"][0]
    visit.drop("white.png", "image/png", PNG)
    visit.expect("#label").to_have_text(expected["label"])
    visit.expect("#confidence").to_have_text(f"{round(100 * expected['confidence'])}%")
    assert visit.text("#real-score") == f"{100 * expected['real_score']:.1f} %"
    assert expected["abstain"] == ("rather ask" in visit.text("#verdict"))


def test_a_picture_that_the_browser_cannot_show_is_answered_too(visit: Visit, server: Served) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(buffer, "TIFF")
    visit.drop("scan.tiff", "image/tiff", buffer.getvalue())
    visit.expect("#error").to_be_hidden()
    visit.expect("#label").not_to_have_text("No image yet")


def test_an_unsure_answer_abstains(visit: Visit) -> None:
    # a black image: every class is as likely as the next
    visit.drop("black.png", "image/png", tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy())
    visit.expect("#verdict").to_have_class("warn")
    assert visit.text("#verdict") == "would rather ask"


def test_errors_are_shown_and_go_away(visit: Visit) -> None:
    visit.expect("#error").to_be_hidden()
    visit.drop("notes.txt", "text/plain", b"hello")
    visit.expect("#error").to_contain_text("notes.txt is not an image")
    visit.drop("broken.png", "image/png", b"\x89PNG not at all")
    visit.expect("#error").to_contain_text("broken.png cannot be read as an image")
    visit.page.get_by_role("button", name="Close").click()
    visit.expect("#error").to_be_hidden()
    # the server's own words: the request is changed on its way
    visit.page.route(
        "**/v1/models/digits:predict",
        lambda route: route.continue_(
            post_data='{"signature_name": "serving_bytes", "instances": [{"b64": "AAAA"}]}'
        ),
    )
    visit.drop("white.png", "image/png", PNG)
    visit.expect("#error").to_contain_text("Unknown image file format")
    visit.page.unroute("**/v1/models/digits:predict")
    visit.drop("white.png", "image/png", PNG)
    visit.expect("#error").to_be_hidden()
    visit.expect("#label").not_to_have_text("No image yet")


def test_samples_are_shown_and_can_be_classified(visit: Visit) -> None:
    visit.expect("#samples button").to_have_count(24)
    first = visit.page.evaluate("document.querySelector('#samples canvas').toDataURL()")
    assert visit.page.evaluate("document.querySelector('#samples canvas').width") == serving_models.SIDE
    visit.page.keyboard.press("g")
    visit.page.wait_for_function(
        "(old) => document.querySelector('#samples canvas').toDataURL() !== old", arg=first
    )
    visit.page.get_by_role("button", name="Classify sample 3", exact=True).click()
    visit.expect("#label").not_to_have_text("No image yet")


def test_the_keyboard_draws(visit: Visit) -> None:
    visit.page.locator("#draw").focus()
    visit.page.keyboard.press("Space")
    for _ in range(8):
        visit.page.keyboard.press("ArrowDown")
    visit.expect("#label").not_to_have_text("No image yet")
    visit.page.keyboard.press("c")
    visit.expect("#label").to_have_text("No image yet")


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_nothing_runs_out_of_the_page(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.drop("white.png", "image/png", PNG)
    visit.expect("#real").to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    small = visit.page.evaluate(
        "[...document.querySelectorAll('.row button, #theme')].map((b) => b.getBoundingClientRect().height)"
    )
    assert min(small) >= 40, "too small for a thumb"


def test_the_policy_admits_nothing_from_outside(visit: Visit, server: Served) -> None:
    policy = server.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    blocked = visit.page.evaluate(
        "fetch('http://127.0.0.1:1/').then(() => 'sent', (problem) => String(problem))"
    )
    assert "Failed to fetch" in blocked
    visit.problems.clear()
    visit.requests.clear()


def test_a_server_that_went_away_is_told(browser: sync_api.BrowserContext, model_root: Path) -> None:
    with serving(model_root / "digits") as server:
        page = browser.new_page()
        visit = Visit(page, server)
        visit.expect("#gallery").to_be_hidden()
    visit.drop("white.png", "image/png", PNG)
    visit.expect("#error").to_have_text("The server cannot be reached.Close")
    page.close()
