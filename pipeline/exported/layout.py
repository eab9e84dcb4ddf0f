"""An exported model's folder: what it is called, what lies where, and which version is the newest.

    NAME/                      folder of a model
        3/                     version: a SavedModel
            saved_model.pb
            variables/
            assets/            class_names.txt, one class a line; confidence.json: temperature, threshold
                               and what is promised of the answers; reference.npz: what the images that
                               it was made for look like to it
            assets.extra/      warm-up requests, model card, what it was made from, other formats; of one
                               that was shipped, why it may be, and its answers to test images

Whoever writes one and whoever reads one asks here.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, UsageError

MAX_VERSION = 2**63 - 1
GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")
CLASS_NAMES_FILE = Path("assets") / "class_names.txt"
CONFIDENCE_FILE = Path("assets") / "confidence.json"
REFERENCE_FILE = Path("assets") / "reference.npz"
_EXTRA = Path("assets.extra")
WARMUP_FILE = _EXTRA / "tf_serving_warmup_requests"
MADE_FROM_FILE = _EXTRA / "made_from.json"
ANSWERS_FILE = _EXTRA / "answers.npz"
BLESSED_FILE = _EXTRA / "blessing.json"
CARD_FILE = _EXTRA / "README.md"
LITE_FILE = _EXTRA / "classifier.tflite"
LITE_INT8_FILE = _EXTRA / "classifier_int8.tflite"
# how files become pixels in front of a converted model, which takes arrays
PIXELS_FILE = _EXTRA / "pixels.json"
ONNX_FILE = _EXTRA / "classifier.onnx"

DEFAULT, UINT8, BYTES, CLASSIFY = "serving_default", "serving_uint8", "serving_bytes", "classify"
FEATURES, FEATURES_BYTES = "features", "features_bytes"
GENERATE, SAMPLE = "generate", "sample"
"""Names of the signatures: of a classifier, and of a generator (which has `serving_default` too)."""

_NUMBER = re.compile(r"\d+", re.ASCII)


def is_saved_model(folder: Path) -> bool:
    """True if the folder itself is a SavedModel."""
    return any((folder / name).is_file() for name in GRAPH_FILES)


def find_versions(folder: Path) -> dict[int, Path]:
    """Returns the version folders below a model folder, by number.

    Names that are no numbers are passed over: an export under way has such a name until it is whole.

    Raises:
        OSError: the folder cannot be listed.
    """
    found: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if _NUMBER.fullmatch(entry.name) and int(entry.name) <= MAX_VERSION and entry.is_dir():
                version = int(entry.name)
                # of 1 and 001 the plain one, whatever the listing's order
                if version not in found or entry.name == str(version):
                    found[version] = Path(entry.path)
    return found


def newest_version(folder: Path) -> Path | None:
    """Returns the version folder of the highest number that holds a SavedModel; None where there is none."""
    try:
        found = {number: path for number, path in find_versions(folder).items() if is_saved_model(path)}
    except OSError:
        return None
    return found[max(found)] if found else None


def read_class_names(folder: Path, count: int | None = None) -> tuple[str, ...]:
    """Reads a version's class names, one a line.

    Args:
        folder: the version.
        count: classes that the model has; None does not check.

    Returns:
        The names; where there is no such file () or, with `count`, the numbers from 0.

    Raises:
        DataError: the file cannot be read, or holds another number of names.
    """
    path = folder / CLASS_NAMES_FILE
    try:
        # not splitlines(): a name may hold what Unicode calls a line's end
        names = tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except FileNotFoundError:
        return tuple(map(str, range(count or 0)))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the class names {str(path)!r} cannot be read: {error}.") from None
    if count is not None and len(names) != count:
        raise DataError(f"{str(path)!r} holds {len(names)} names; the model has {count} classes.")
    return names


def read_confidence(folder: Path) -> dict[str, Any] | None:
    """Reads what a version says of its temperature, threshold and promises; None where it says nothing."""
    try:
        found = json.loads((folder / CONFIDENCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def check_model_folder(folder: Path) -> None:
    """Checks that a folder holds versions of a model.

    Raises:
        UsageError: it is missing, is itself a version, or holds none.
        DataError: it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"no such model folder: {str(folder)!r}.")
    if is_saved_model(folder):
        if folder.name.isdecimal():
            raise UsageError(
                f"{str(folder)!r} is one version of a model; give the folder above it: "
                f"{str(folder.parent)!r}."
            )
        raise UsageError(
            f"{str(folder)!r} is a SavedModel without a version; put it into a folder named by a number, "
            f"such as {str(folder / '1')!r}."
        )
    try:
        found = find_versions(folder)
    except OSError as error:
        raise DataError(f"cannot read the model folder {str(folder)!r}: {error.strerror}.") from None
    if not found:
        raise UsageError(
            f"{str(folder)!r} holds no version of a model (a folder named by a number, such as 1). "
            "`ganpipe export` writes one."
        )
