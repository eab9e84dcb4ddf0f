"""What recipes draw, and real images, in one picture."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.workspace import Workspace
from ssgan_tf.recipes import load_recipe

TOOL = Path(__file__).resolve().parents[2] / "tools" / "reproduce.py"


def test_samples_stand_beside_real_images(finished, tmp_path):
    spec = importlib.util.spec_from_file_location("reproduce", TOOL)
    reproduce = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reproduce)
    pictures = {}
    for count in (1, 2):
        path = tmp_path / f"{count}.png"
        reproduce.save_picture(path, [load_recipe("ssgan")] * count, [Workspace(finished)] * count)
        pictures[count] = np.asarray(Image.open(path).convert("L"))
    # a panel for each recipe, and one of real images
    assert pictures[2].shape[1] * 2 == pictures[1].shape[1] * 3
    assert all(picture.std() > 20 for picture in pictures.values())
