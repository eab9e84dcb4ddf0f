"""What a data set looks like: its classes, sizes, kinds, light and copies, as counts.

    schema = infer(rows, class_names)       # data/provenance/schema.json

Inferred once, when data are prepared, from all images of the source. It counts labels that training may not
see, so it lies in the provenance, which training does not open. The form is our own, kept small; the
anomalies are called as in TensorFlow Data Validation (`pipeline.data_schema.anomalies`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.errors import DataError
from pipeline.provenance import FOLDER
from ssgan_tf.whole_files import write_whole

FILE = "schema.json"
FORM, VERSION = "ganpipe data schema", 1
BINS = 16
BRIGHTEST, MOST_CONTRAST = 256, 129
MODES = {1: "grey", 2: "grey with alpha", 3: "colour", 4: "colour with alpha"}
LARGEST_FILE = 64 << 20
_COUNTS = ("images", "labelled", "duplicates", "rejected")
_TABLES = ("classes", "modes")
_HISTOGRAMS = ("brightness", "contrast")
_RANGES = ("height", "width")


class Row(Protocol):
    """What is known of one image; see `pipeline.stages.preprocess.findings`."""

    @property
    def digest(self) -> str: ...
    @property
    def label(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def brightness(self) -> int: ...
    @property
    def contrast(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Inference:
    """A schema in the making: takes images piece by piece, as arrays, and holds counts only."""

    def __init__(self) -> None:
        self._images = self._rejected = 0
        self._classes = np.zeros(0, np.int64)
        self._modes: Counter[int] = Counter()
        self._histograms = {name: np.zeros(BINS, np.int64) for name in _HISTOGRAMS}
        self._ranges: dict[str, list[int] | None] = dict.fromkeys(_RANGES)

    def add(self, found: Mapping[str, np.ndarray] | np.ndarray, *, rejected: int = 0) -> None:
        """Takes the images of a piece.

        Args:
            found: `label`, `height`, `width`, `channels`, `brightness` and `contrast` of those that can be
                used, integers [n].
            rejected: how many more cannot be used.
        """
        self._rejected += rejected
        count = len(found["label"])
        if not count:
            return
        self._images += count
        classes = np.bincount(found["label"][found["label"] >= 0], minlength=len(self._classes))
        classes[: len(self._classes)] += self._classes
        self._classes = classes
        self._modes.update(dict(enumerate(np.bincount(found["channels"]).tolist())))
        brightness = found["brightness"].astype(np.int64) * BINS // BRIGHTEST
        contrast = np.minimum(found["contrast"], MOST_CONTRAST - 1).astype(np.int64) * BINS // MOST_CONTRAST
        for name, values in zip(_HISTOGRAMS, (brightness, contrast), strict=True):
            self._histograms[name] += np.bincount(values, minlength=BINS)
        for name in _RANGES:
            sides = [*(self._ranges[name] or ()), int(found[name].min()), int(found[name].max())]
            self._ranges[name] = [min(sides), max(sides)]

    def schema(self, class_names: Sequence[str], *, distinct: int) -> dict[str, Any]:
        """Returns the schema, as `infer` does.

        Args:
            class_names: K names.
            distinct: how many different pictures there are among the images.
        """
        counts = [*self._classes.tolist(), *[0] * len(class_names)]
        modes = {
            MODES.get(channels, str(channels)): count for channels, count in self._modes.items() if count
        }
        return {
            "form": FORM,
            "version": VERSION,
            "images": self._images,
            "labelled": int(self._classes.sum()),
            "duplicates": self._images - distinct,
            "rejected": self._rejected,
            "classes": dict(zip(class_names, counts, strict=False)),
            "modes": dict(sorted(modes.items())),
            **self._ranges,
            **{name: values.tolist() for name, values in self._histograms.items()},
        }


def infer(rows: Iterable[Row], class_names: Sequence[str]) -> dict[str, Any]:
    """Infers the schema of a data set whose images are known one by one.

    Args:
        rows: its images, also those that cannot be used.
        class_names: K names.

    Returns:
        `form`, `version`; counts `images` (that can be used), `labelled`, `duplicates` (that repeat the
        pixels of another) and `rejected`; `classes` and `modes`, name to count; `height` and `width`,
        [least, most] or None; `brightness` and `contrast`, how many images have a mean and a standard
        deviation of their values in each of 16 equal parts of 0..255 and of 0..128.
    """
    listed = list(rows)
    usable = [row for row in listed if not row.reason]
    names = ("label", *_RANGES, "channels", *_HISTOGRAMS)
    found = {name: np.array([getattr(row, name) for row in usable], np.int64) for name in names}
    inference = Inference()
    inference.add(found, rejected=len(listed) - len(usable))
    return inference.schema(class_names, distinct=len({row.digest for row in usable}))


def write_schema(data: Path, schema: Mapping[str, Any]) -> None:
    """Writes the schema into the provenance of prepared data."""
    write_whole(schema_in(data), json.dumps(schema, indent=1, ensure_ascii=False) + "\n")


def schema_in(data: Path) -> Path:
    """The file in prepared data."""
    return data / FOLDER / FILE


def read_schema(text: str) -> dict[str, Any]:
    """Reads a schema.

    Args:
        text: path of the file, or of a folder of prepared data.

    Raises:
        DataError: it cannot be read, or is no schema of this version; says what it must be.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        path = schema_in(path)
    place = f"the schema {str(path)!r}"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{place} has more than {LARGEST_FILE >> 20} MiB: it is no schema.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"cannot read {place}: {error.strerror}. Preparing data writes one: seed-0/data/{FOLDER}/{FILE}."
        ) from None
    except (ValueError, RecursionError):
        raise DataError(f"{place} is not JSON.") from None
    if not isinstance(found, dict) or found.get("form") != FORM:
        raise DataError(f"{place} is no {FORM}. Preparing data writes one: seed-0/data/{FOLDER}/{FILE}.")
    if found.get("version") != VERSION:
        raise DataError(
            f"{place} has version {found.get('version')!r}; this release reads {VERSION}. Prepare the data "
            "that it describes again."
        )
    if wrong := next(iter(_wrong(found)), None):
        raise DataError(f"{place}: {wrong!r} is missing or not as it must be.")
    return found


def _wrong(found: Mapping[str, Any]) -> Iterable[str]:
    def is_count(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    def are_counts(values: Any, length: int) -> bool:
        return isinstance(values, list) and len(values) == length and all(map(is_count, values))

    yield from (name for name in _COUNTS if not is_count(found.get(name)))
    for name in _TABLES:
        table = found.get(name)
        if not isinstance(table, dict) or not all(map(is_count, table.values())):
            yield name
    yield from (name for name in _HISTOGRAMS if not are_counts(found.get(name), BINS))
    yield from (
        name for name in _RANGES if found.get(name, 0) is not None and not are_counts(found.get(name), 2)
    )
