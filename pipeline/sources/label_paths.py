"""Which files `--labels` names: one, all of a folder, those of a pattern, or several with commas between.

    labels.csv    labels/    'labels/*.csv'    north.csv,south.jsonl    s3://bucket/labels.csv

A file that is there is taken as it is called, whatever signs its name holds.
"""

from __future__ import annotations

import glob
from pathlib import Path

from pipeline.errors import DataError
from pipeline.remote.store import list_files
from pipeline.remote.urls import Url, url_of
from pipeline.sources.files import InputFile
from ssgan_tf.declare import is_url, split_paths

LINES, PARQUET, TABS = (".jsonl", ".ndjson"), (".parquet", ".pq"), (".tsv", ".tab")
ENDINGS = (".csv", *TABS, *LINES, *PARQUET)
MOST_FILES = 10_000


def find_label_files(text: str) -> list[InputFile]:
    """Looks at the files that a text names, in the order given, those of a folder or pattern by name.

    Raises:
        DataError: one is missing or may not be read, or a folder or pattern holds none.
    """
    found: list[Path | Url] = []
    for part in split_paths(text):
        if is_url(part):
            found += _behind(url_of(part))
            continue
        path = Path(part).expanduser()
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS and one.is_file())
            if not inside:
                raise DataError(f"the folder {part!r} holds no label file ({', '.join(ENDINGS)}).")
            found += inside
        elif not path.exists() and glob.has_magic(part):
            matching = sorted(Path(one) for one in glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matching:
                raise DataError(f"no file matches {part!r}, which --labels names.")
            found += [one for one in matching if not one.is_dir()]
        else:
            found.append(path)
        if len(found) > MOST_FILES:
            raise DataError(f"{text!r} names more than {MOST_FILES:,} label files.")
    return [InputFile.of(path) for path in dict.fromkeys(found)]


def _behind(url: Url) -> list[Path | Url]:
    """The file that a URL names, or the label files that lie right in its folder."""
    if url.suffix.lower() in ENDINGS:
        return [url]
    try:
        inside = [file.url for file in list_files(url) if "/" not in file.path]
    except FileNotFoundError:
        inside = []
    tables = [one for one in inside if one.suffix.lower() in ENDINGS]
    if not tables and glob.has_magic(url.path):
        raise DataError(f"'{url}' is a pattern, which a URL cannot be. Name the folder or the files.")
    # one file without an ending that says its form, or a folder in which there is none
    if not tables and inside:
        raise DataError(f"the folder '{url}' holds no label file ({', '.join(ENDINGS)}).")
    return [*tables] or [url]
