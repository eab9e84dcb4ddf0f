"""Which files `--labels` names: one, all of a folder, those of a pattern, or several with commas between.

    labels.csv          labels/          'labels/*.csv'          north.csv,south.jsonl

A file that is there is taken as it is called, whatever signs its name holds.
"""

from __future__ import annotations

import glob
from pathlib import Path

from pipeline.errors import DataError
from pipeline.sources.files import InputFile
from ssgan_tf.declare import split_paths

LINES, PARQUET, TABS = (".jsonl", ".ndjson"), (".parquet", ".pq"), (".tsv", ".tab")
ENDINGS = (".csv", *TABS, *LINES, *PARQUET)
MOST_FILES = 10_000


def find_label_files(text: str) -> list[InputFile]:
    """Looks at the files that a text names, in the order given, those of a folder or pattern by name.

    Raises:
        DataError: one is missing or may not be read, or a folder or pattern holds none.
    """
    found: list[Path] = []
    for part in split_paths(text):
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
