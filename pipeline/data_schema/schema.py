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
    """What is known of one image; see `pipeline.stages.preprocess.scan.Scanned`."""

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


def infer(rows: Iterable[Row], class_names: Sequence[str]) -> dict[str, Any]:
    """Infers the schema of a data set.

    Args:
        rows: its images, also those that cannot be used.
        class_names: K names.

    Returns:
        `form`, `version`; counts `images` (that can be used), `labelled`, `duplicates` (that repeat the
        pixels of another) and `rejected`; `classes` and `modes`, name to count; `height` and `width`,
        [least, most] or None; `brightness` and `contrast`, how many images have a mean and a standard
        deviation of their values in each of 16 equal parts of 0..255 and of 0..128.
    """
    classes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    histograms = {name: [0] * BINS for name in _HISTOGRAMS}
    ranges: dict[str, list[int] | None] = dict.fromkeys(_RANGES)
    digests: set[str] = set()
    images = labelled = rejected = 0
    for row in rows:
        if row.reason:
            rejected += 1
            continue
        images += 1
        digests.add(row.digest)
        if row.label >= 0:
            labelled += 1
            classes[class_names[row.label]] += 1
        modes[MODES.get(row.channels, str(row.channels))] += 1
        histograms["brightness"][row.brightness * BINS // BRIGHTEST] += 1
        histograms["contrast"][min(row.contrast, MOST_CONTRAST - 1) * BINS // MOST_CONTRAST] += 1
        for name, side in (("height", row.height), ("width", row.width)):
            least, most = ranges[name] or (side, side)
            ranges[name] = [min(least, side), max(most, side)]
    return {
        "form": FORM,
        "version": VERSION,
        "images": images,
        "labelled": labelled,
        "duplicates": images - len(digests),
        "rejected": rejected,
        "classes": {name: classes[name] for name in class_names},
        "modes": dict(sorted(modes.items())),
        **ranges,
        **histograms,
    }


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
