"""The report says what the run's files say, needs no other file, and shows hostile names as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import NO_JUDGE, TINY


class Page(HTMLParser):
    """Text, tags and attributes of a page; its open tags must close in order."""

    VOID = {"meta", "link", "img", "br", "path", "use", "image"}

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.attributes, self.open = "", [], [], []
        self.feed(text)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(workdir):
    page = Page((workdir / "report.html").read_text())
    assert page.open == []
    return page


def test_report_says_what_the_files_say(finished, read_json):
    page = page_of(finished)
    summary = read_json(finished / "summary.json")
    for recipe, figure in summary["figures"].items():
        assert f"{100 * figure['mean']:.2f} %test error, {recipe}" in page.text
    metrics = read_json(finished / "seed-0" / "ssgan" / "evaluate" / "metrics.json")
    assert f"On 359 images of split test it errs on {metrics['wrong']}" in page.text
    assert "Seeds 0, 1." in page.text
    assert "all 1,438 training records were read again" in page.text
    assert "100 hold a label, the other 1,338 hold -1" in page.text
    assert "no withheld label in the training files" in page.text
    assert "The source was read again: it gives each of them that label." in page.text
    assert "None of the held-out images is in the training split too" in page.text
    assert page.attributes.count(("alt", "a training image with a label")) == 6
    assert page.attributes.count(("alt", "a training image without a label")) == 6
    assert (
        "12 of 1,438 training images, as they are in the records: 8 x 8 pixels (height x width)" in page.text
    )
    # the confusion matrix: every row of it, empty where 0
    for row in metrics["confusion_matrix"]:
        cells = "".join(f"<td[^>]*>{value or ''}</td>" for value in row)
        assert re.search(cells, (finished / "report.html").read_text())


def test_training_is_told_by_epoch(finished):
    text = (finished / "report.html").read_text()
    for place in ("ssgan", "ssgan/supervised"):
        with np.load(finished / "seed-0" / place / "train" / "history.npz") as history:
            # 20 steps of 64 out of 1,438 images
            assert history["period_titles"].tolist() == ["epoch 1/0.9 (87 % of it)"]
            loss = history["values"][:, history["names"].tolist().index("discriminator/loss")]
        assert '<td data-name="epoch">epoch 1/0.9 (87 % of it)</td><td data-name="steps">20</td>' in text
        assert f'<td data-name="discriminator/loss">{np.mean(loss, dtype=np.float64):.4g}</td>' in text
    assert "There is no validation split here" in page_of(finished).text


def test_paired_answers_are_compared_image_by_image(finished):
    text = (finished / "report.html").read_text()
    for seed in (0, 1):
        right = {}
        for recipe, place in (("ssgan", "ssgan"), ("supervised", "ssgan/supervised")):
            stored = np.load(finished / f"seed-{seed}" / place / "evaluate" / "predictions.npz")
            right[recipe] = stored["logits"].argmax(1) == stored["labels"]
        first, second = right["ssgan"], right["supervised"]
        cells = [
            f"{seed}",
            *(f"{100 * (1 - model.mean()):.2f} %" for model in (first, second)),
            *(f"{count}" for count in ((first & ~second).sum(), (second & ~first).sum())),
        ]
        assert re.search("".join(f"<td[^>]*>{re.escape(cell)}</td>" for cell in cells), text)


def test_report_needs_no_other_file_and_runs_nothing(finished):
    page = page_of(finished)
    assert "script" not in page.tags and "iframe" not in page.tags
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value[:80]
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy


def test_report_of_the_same_results_is_the_same(ganpipe, finished):
    before = (finished / "report.html").read_bytes()
    result = ganpipe("run", "--workdir", finished, "--draws", 2, *TINY)
    assert f"report:                     {finished / 'report.html'}" in result.stderr
    assert (finished / "report.html").read_bytes() == before


HOSTILE = ("<script>alert(1)</script>", "$\\frac{", '"><img src=x onerror=alert(1)>', "a&b")


@pytest.fixture
def hostile_folder(tmp_path):
    """Images in classes whose names a page could take for markup; `/` cannot stand in a file's name."""
    random = np.random.default_rng(0)
    for name in HOSTILE:
        folder = tmp_path / "photos" / name.replace("/", "∕")
        folder.mkdir(parents=True)
        for number in range(24):
            pixels = random.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}<b>.png")
    (tmp_path / "photos" / "a&b" / "broken<i>.png").write_bytes(b"no image")
    return tmp_path / "photos"


def test_names_are_text(ganpipe, hostile_folder, tmp_path):
    workdir = tmp_path / "run"
    options = ("--dataset", f"folder:{hostile_folder}", "--labels-per-class", "4", "--steps", "3")
    options += ("--folds", "0", "--no-baseline")
    ganpipe("run", *options, *NO_JUDGE, "--set", "recipe.width=0.0625", "--workdir", workdir)
    page = page_of(workdir)
    assert not {"script", "i"} & set(page.tags)
    assert not any(name == "onerror" for name, _ in page.attributes)
    for name in HOSTILE:
        assert name.replace("/", "∕") in page.text
    assert "skipped: not a PNG" in page.text and "broken<i>.png" in page.text
    assert f"all files below the folder{24 * len(HOSTILE) + 1}" in page.text
