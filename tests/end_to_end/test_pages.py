"""The pages that a run leaves, in headless Chromium: on a phone, in the dark, and read aloud."""

import shutil
from pathlib import Path

import pytest

from tests.pages_in_a_browser import PHONE, WIDE, browser, opened, too_wide, violations


@pytest.fixture(scope="module")
def pages(finished, ganpipe, tmp_path_factory) -> dict[str, Path]:
    """The report, and two runs side by side."""
    folder = tmp_path_factory.mktemp("page")
    listed, second = folder / "runs.html", shutil.copytree(finished, folder / "second")
    ganpipe("runs", finished, second, "--page", listed)
    return {"report": finished / "report.html", "runs": listed}


@pytest.fixture(scope="module")
def chromium(pages):
    """Started once the pages are there: a command may want the event loop that the browser's driver keeps."""
    with browser() as one:
        yield one


@pytest.mark.parametrize("name", ["report", "runs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(chromium, pages, name, scheme):
    for size in (WIDE, PHONE):
        with opened(chromium, pages[name], size, scheme) as page:
            assert violations(page) == []


@pytest.mark.parametrize("name", ["report", "runs"])
def test_a_phone_shows_every_column(chromium, pages, name):
    with opened(chromium, pages[name], PHONE) as page:
        assert too_wide(page) == []
        # and what is not shown in one form is shown in another
        hidden = page.locator("table:not(:visible)").all()
        assert all("wide" in (item.get_attribute("class") or "") for item in hidden)
        shown = [item.get_attribute("data-name") for item in page.locator("td[data-name]:visible").all()]
        assert shown and all(shown)
    with opened(chromium, pages[name], WIDE) as page:
        assert too_wide(page) == []


def test_the_first_screen_answers_three_questions(chromium, pages):
    with opened(chromium, pages["report"], WIDE) as page:
        for question in ("How good is it?", "Did the unlabelled images help?", "May it answer alone?"):
            place = page.get_by_text(question, exact=True).bounding_box()
            assert place and place["y"] + place["height"] < WIDE["height"]


def test_every_figure_has_a_caption_and_every_picture_words(chromium, pages):
    with opened(chromium, pages["report"], WIDE) as page:
        assert page.locator("figure:not(:has(figcaption))").count() == 0
        # charts are figures, and say in words what they show
        assert page.locator("svg").count() == page.locator("figure svg[role=img][aria-label]").count() == 3
        assert page.locator("img:not([alt])").count() == page.locator('img[alt=""]').count() == 0
