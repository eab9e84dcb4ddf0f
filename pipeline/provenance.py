"""Where prepared images come from: beside the records, in a folder that training never opens.

    data/provenance/images.csv     key, split and place of every image: what `image/key` stands for
    data/provenance/source.json    the source's digest, what was left out and why, sums over withheld labels
    data/provenance/schema.json    what the data are like, for a comparison with later ones
    data/provenance/columns.csv    key and further columns of the label file (camera, site), where it has some

The records and dataset.json say nothing of a file's name or folder, nor of labels that were withheld; both
may stand here. What needs names (reports, lists of images to look at) comes here for them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = "provenance"
IMAGES = "images.csv"
SOURCE = "source.json"
COLUMNS = "columns.csv"
HEADER = ("key", "split", "place")


def write_provenance(
    data: Path,
    *,
    images: Iterable[tuple[str, str, str]],
    document: Mapping[str, Any],
    columns: Sequence[str] = (),
    values: Iterable[tuple[str, Sequence[str]]] = (),
) -> None:
    """Writes the files of prepared data.

    Args:
        data: the folder of the prepared data.
        images: key, output split ("" if it was left out) and place in the source of each image.
        document: what `source.json` says.
        columns: names of further columns of the label file.
        values: key and values in these columns of each image that is in a split.
    """
    folder = data / FOLDER
    folder.mkdir()
    with (folder / IMAGES).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows(images)
    if columns:
        with (folder / COLUMNS).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["key", *columns])
            rows.writerows([key, *texts] for key, texts in values)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / SOURCE).write_text(text + "\n", encoding="utf-8")


def read_provenance(data: Path) -> dict[str, Any]:
    """Returns what `source.json` of prepared data says; nothing where it is gone."""
    path = data / FOLDER / SOURCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def columns_of(data: Path, keys: Sequence[str]) -> dict[str, list[str]]:
    """Returns the values of some images in the further columns of the label file, "" where one has none.

    Args:
        data: the folder of the prepared data.
        keys: of the images.

    Returns:
        Column to values in the order of the keys; empty where the data have no such columns.
    """
    path, wanted = data / FOLDER / COLUMNS, set(keys)
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = next(rows)[1:]
        found = {key: values for key, *values in rows if key in wanted}
    none = [""] * len(names)
    return {name: [found.get(key, none)[place] for key in keys] for place, name in enumerate(names)}


def places_of(data: Path, keys: Collection[str]) -> dict[str, str]:
    """Returns the place in the source of each of some keys, as far as prepared data knows it."""
    path, wanted = data / FOLDER / IMAGES, set(keys)
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        # an image that was left out may share its key with one that was not
        return {
            row["key"]: row["place"] for row in csv.DictReader(file) if row["split"] and row["key"] in wanted
        }
