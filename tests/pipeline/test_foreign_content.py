"""Foreign images count by what they are: others in the same folder make another evaluation."""

import numpy as np
from PIL import Image

from pipeline.chain.hooks import foreign_content
from pipeline.chain.stages import stage_named
from pipeline.stages.evaluate.settings import EvaluateConfig


def test_other_images_under_the_same_name_are_other_foreign_images(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / name)
    settings = EvaluateConfig(foreign=f"folder:{tmp_path}")
    before = foreign_content(settings, {})
    assert foreign_content(settings, {}) == before and before["foreign_content"]
    Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "b.png")
    assert foreign_content(settings, {}) != before


def test_an_evaluation_without_them_is_what_it_was():
    assert foreign_content(EvaluateConfig(), {}) == {}
    assert stage_named("evaluate").resolve is foreign_content
