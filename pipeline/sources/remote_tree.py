"""The files behind a URL, sorted as those of a folder are: images, formats that are not read, the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pipeline.images.formats import SUFFIXES, UNSUPPORTED
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import known
from pipeline.sources.image_tree import (
    HIDDEN,
    MAX_FILE_BYTES,
    ImageFile,
    Tree,
    count_file,
    ending_of,
    kind_of,
    shown,
)
from pipeline.workspace import draws_among


def sort_files(files: Sequence[RemoteFile]) -> Tree:
    """Sorts a listing by what its files are, by the rules of `list_tree`.

    Names with a part that begins with a dot are hidden ones; ".." is no way out of the folder.
    """
    tree = Tree([], {}, {})
    names: dict[str, set[str]] = defaultdict(set)
    for file in files:
        parts = file.path.split("/")
        for depth in range(len(parts)):
            if parts[depth]:
                names["/".join(parts[:depth])].add(parts[depth])
    # the samples of a run in its own photo folder are none of the photos
    results = {
        f"{folder}/{name}" if folder else name
        for folder, inside in names.items()
        for name in draws_among(inside)
    }
    images = []
    for file in files:
        folder, _, name = file.path.rpartition("/")
        parts = file.path.split("/")
        if any("/".join(parts[:depth]) in results for depth in range(1, len(parts) + 1)):
            continue
        if not name:
            # the mark of a folder, as consoles of stores make it
            if folder and all(one.startswith(".") for one in names.get(folder, ())):
                tree.empty.append(shown(folder))
        elif any(part.startswith(".") for part in parts):
            count_file(tree.others, HIDDEN, file.path)
        elif name.lower().endswith(SUFFIXES):
            images.append(file)
        elif kind := UNSUPPORTED.get(ending_of(name)):
            tree.unsupported.setdefault(kind, []).append(shown(file.path))
        else:
            count_file(tree.others, kind_of(name), file.path)
    tree.images = sorted((_image(file) for file in known(images)), key=lambda image: image.path)
    for paths in tree.unsupported.values():
        paths.sort()
    return tree


def _image(file: RemoteFile) -> ImageFile:
    if file.path != shown(file.path):
        return ImageFile(shown(file.path), problem="the name is not text of one line in UTF-8")
    if file.size is None:
        return ImageFile(file.path, problem="the server does not say how large it is")
    if file.size > MAX_FILE_BYTES:
        return ImageFile(file.path, problem=f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return ImageFile(file.path, remote=file)
