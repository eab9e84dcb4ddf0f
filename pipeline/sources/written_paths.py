"""From a path as a label file has it to the image that it means.

    cats/1.png          below the image folder
    /data/photos/1.png  from the root, whether it lies there now or lay below a folder of that name elsewhere
    photos/1.png        with the image folder's own name before it
    s3://b/photos/1.png the same of a folder behind a URL
    ../photos/1.png     from the label file's folder
    cats/1              the extension left out
    1.png, 1            a name alone, of one image of the whole folder; where several are called so, of the
                        one in a folder that is called like the label file (train.csv: train/, train_images/)

The first that fits counts, in this order. A path below the folder costs one look-up.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.remote.urls import Url
from ssgan_tf.declare import is_url

SEVERAL, OUTSIDE, NOWHERE = -1, -2, -3
# of images of one name as many are looked at; of more it is not asked which is meant
_MOST = 100


class WrittenPaths:
    """Finds images by what a label file calls them.

    Args:
        images: paths of the images, with "/" between their parts.
        root: the image folder; None: only what lies below it is known.
    """

    def __init__(self, images: Sequence[str], root: Path | Url | None) -> None:
        self.images = images
        self.number_of = {path: number for number, path in enumerate(images)}
        self._root = root
        self._roots: tuple[str, ...] = ()
        if isinstance(root, Url):
            self._roots = (root.as_path,)
        elif root:
            self._roots = tuple(dict.fromkeys((os.path.abspath(root), os.path.realpath(root))))  # noqa: PTH100

    def find(self, written: str, label_file: Path | Url) -> int:
        """Returns the number of an image, or SEVERAL, OUTSIDE (of the folder) or NOWHERE.

        Args:
            written: as it stands in the file, without spaces around it.
            label_file: in which it stands.
        """
        number = self.number_of.get(written)
        if number is not None:
            return number
        path = written.replace("\\", "/") if "/" not in written else written
        if is_url(path):
            scheme, _, rest = path.partition("://")
            path = Url(scheme, rest).as_path
        if not path or "\0" in path:
            return OUTSIDE
        absolute = path.startswith("/") or (path[1:3] == ":/" and path[0].isalpha())
        below = os.path.normpath(path.lstrip("/") if path.startswith("/") else path)
        outside = absolute or below in ("..", ".") or below.startswith("../")
        # a slash at the front may mean the folder itself
        candidates = [] if below == ".." or below.startswith("../") else [below]
        candidates += self._from_root(path, label_file, absolute)
        for candidate in candidates:
            if (number := self.number_of.get(candidate)) is not None:
                return number
        for candidate in candidates:
            if found := self._by_stem.get(candidate):
                return self._one(found, label_file)
        if not outside and "/" not in below:
            found = self._by_name.get(below) or self._by_name_stem.get(below)
            if found:
                return self._one(found, label_file)
        return OUTSIDE if outside else NOWHERE

    def _from_root(self, path: str, label_file: Path | Url, absolute: bool) -> Iterable[str]:
        """What a path from the root, or from the label file's folder, is below the image folder."""
        if self._root is None:
            return
        # not by pathlib, which keeps every name that it has seen
        parts = [part for part in path.split("/") if part not in ("", ".")]
        name = Path(self._roots[0]).name
        if not absolute:
            if len(parts) > 1 and parts[0] == name and ".." not in parts:
                yield "/".join(parts[1:])
            path = f"{self._folder_of(label_file)}/{path}"
        whole = os.path.normpath(path)
        for root in self._roots:
            if whole.startswith(root.rstrip("/") + "/"):
                yield whole[len(root.rstrip("/")) + 1 :]
        if absolute and name in parts and ".." not in parts:
            last = len(parts) - 1 - parts[::-1].index(name)
            yield "/".join(parts[last + 1 :])

    @functools.lru_cache(maxsize=1)  # noqa: B019 (lives as long as the reading of one folder)
    def _folder_of(self, label_file: Path | Url) -> str:
        folder = label_file.parent
        return folder.as_path if isinstance(folder, Url) else os.path.abspath(folder)  # noqa: PTH100

    def _one(self, found: tuple[int, ...], label_file: Path | Url) -> int:
        if len(found) == _MOST:
            return SEVERAL
        if len(found) > 1:
            stem = label_file.stem.casefold()
            found = tuple(
                number
                for number in found
                if any(part.startswith(stem) for part in self.images[number].casefold().split("/")[:-1])
            )
        return found[0] if len(found) == 1 else SEVERAL

    @functools.cached_property
    def _by_stem(self) -> dict[str, tuple[int, ...]]:
        return self._table(_without_ending(path) for path in self.images)

    @functools.cached_property
    def _by_name(self) -> dict[str, tuple[int, ...]]:
        return self._table(path.rpartition("/")[2] for path in self.images)

    @functools.cached_property
    def _by_name_stem(self) -> dict[str, tuple[int, ...]]:
        return self._table(_without_ending(path.rpartition("/")[2]) for path in self.images)

    def _table(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        table: dict[str, tuple[int, ...]] = {}
        for number, name in enumerate(names):
            before = table.get(name, ())
            if len(before) < _MOST:
                table[name] = (*before, number)
        return table


def _without_ending(path: str) -> str:
    return os.path.splitext(path)[0]  # noqa: PTH122
