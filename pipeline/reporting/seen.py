"""What the model sees: training images as they are in the records, labelled and unlabelled alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.reporting.predictions import data_uri, picture
from ssgan_tf.file_names import VIEWS

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo

SEEN = 12
_IN_WORDS = {
    "fill": "of files with other proportions the centre is cut out",
    "fit": "files with other proportions are made to fit, with the background around them",
    "stretch": "files with other proportions are stretched",
}


def seen_section(info: DatasetInfo, trained: Path) -> dict[str, Any] | None:
    """The section's values; None of points, which are no pictures.

    The first labelled and the first unlabelled images in the order of the records, which is that of a hash
    of their pixels: it says nothing of the labels that were withheld.

    Args:
        info: the prepared data.
        trained: folder of the training, which drew the random views that it took.

    Raises:
        DataError: a shard is missing, truncated or corrupt.
    """
    from ssgan_tf.records import iterate_split

    split = info.splits["train"]
    if info.document.get("source", {}).get("name") == "gaussian":
        return None
    without = split["count"] - split["labelled"]
    wanted = {True: min(split["labelled"], max(SEEN // 2, SEEN - without))}
    wanted[False] = min(without, SEEN - wanted[True])
    found: dict[bool, list[str]] = {True: [], False: []}
    for part in iterate_split(info, "train", block=4 * SEEN):
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            if len(found[label >= 0]) < wanted[label >= 0]:
                found[label >= 0].append(picture(image))
        if all(len(found[kind]) == wanted[kind] for kind in wanted):
            break
    height, width, channels = info.image_shape
    views = trained / VIEWS
    return {
        "rows": [("with a label", found[True]), ("without a label", found[False])],
        "views": data_uri(views.read_bytes()) if views.exists() else None,
        "size": f"{height} x {width}",
        "colours": "grey" if channels == 1 else "RGB",
        "resize": info.framing.resize,
        "meaning": _IN_WORDS[info.framing.resize],
        "background": info.framing.background,
    }
