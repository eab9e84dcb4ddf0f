"""The benchmark's page in headless Chromium: on a phone, in the dark, and read aloud."""

import pytest
from test_benchmark import document

from pipeline.benchmark.asked import Asked
from pipeline.benchmark.page import page as page_of
from tests.pages_in_a_browser import PHONE, WIDE, browser, opened, too_wide, violations


@pytest.fixture(scope="module")
def chromium():
    with browser() as one:
        yield one


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "benchmark.html"
    path.write_text(page_of(document(), Asked(("a<b",), (2, 10), 2, 100, {}), tmp_path))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_an_accessibility_checker_finds_nothing(chromium, file, scheme):
    for size in (PHONE, WIDE):
        with opened(chromium, file, size, scheme) as page:
            assert too_wide(page) == []
            assert page.locator("figure:not(:has(figcaption))").count() == 0
            assert violations(page) == []
