"""`tfds:NAME[/CONFIG][:VERSION]`: an image classification set that tensorflow_datasets has prepared.

Nothing is downloaded here and no data set code is run: the prepared folder describes itself. What is not
there yet is brought by `pipeline.sources.tfds_download`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.errors import DataError, UsageError, did_you_mean
from pipeline.sources.files import InputFile, digest_of_files
from pipeline.sources.source import Item, Source


@dataclass(frozen=True)
class Tfds(Source):
    """The splits "train" and, if there, "test" of a prepared folder; others are left alone.

    Attributes:
        folder: the version's folder, with features.json and dataset_info.json.
        counts: split and number of examples, for each split.
        names: class names.
    """

    name: ClassVar[str] = "tfds"
    # the labels lie in the records, between the images
    lists_labels: ClassVar[bool] = False
    folder: Path
    counts: tuple[tuple[str, int], ...]
    names: tuple[str, ...]

    def splits(self) -> dict[str, int]:
        """Number of examples of each split."""
        return dict(self.counts)

    def class_names(self) -> tuple[str, ...]:
        """The names that the label feature has."""
        return self.names

    def digest(self) -> str:
        """Hex digest of the names and bytes of all files."""
        paths = sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        return digest_of_files([InputFile.of(path) for path in paths if path.is_file()])

    def read(self, split: str, start: int, stop: int) -> Iterator[Item]:
        """Decodes a range of examples, in the order in which they are stored."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        if start >= stop:
            return
        # one file after the other, or the order would depend on how many are read at once
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        span = tfds.core.ReadInstruction(split, from_=start, to=stop, unit="abs")
        try:
            builder = _builder(self.folder)
            examples = builder.as_dataset(split=span, shuffle_files=False, read_config=config)
            # images of one size come in blocks: one by one, the crossing into Python takes most of the time
            block = 256 if None not in builder.info.features["image"].shape else 1
            index = start
            for batch in examples.batch(block).prefetch(2).as_numpy_iterator():
                for pixels, label in zip(batch["image"], batch["label"], strict=True):
                    yield Item(f"{split}[{index}]", int(label), pixels=pixels)
                    index += 1
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            raise DataError(f"damaged data set {str(self.folder)!r}: {error.message}") from None


def _builder(folder: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"damaged data set {str(folder)!r}: {error}") from None


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Tfds:
    """Finds the prepared folder of a data set and checks that it holds images and labels.

    Raises:
        UsageError: no name was given.
        DataError: it is not prepared in `data_dir`, or is no image classification set.
    """
    if not argument:
        raise UsageError("the data set 'tfds' wants a name: tfds:NAME, for example tfds:mnist.")
    folder = find_prepared(data_folder(data_dir), argument)
    builder = _builder(folder)
    label = check_features(builder, argument)
    counts = {split: int(info.num_examples) for split, info in builder.info.splits.items()}
    if "train" not in counts:
        raise DataError(f"tfds:{argument} has no split 'train'; it has {', '.join(sorted(counts))}.")
    return Tfds(
        folder=folder,
        counts=tuple((split, counts[split]) for split in ("train", "test") if split in counts),
        names=tuple(label.names),
    )


def check_features(builder: Any, argument: str) -> Any:
    """Checks that a data set holds images and labels that can be read; returns the feature of the labels.

    Raises:
        DataError: it does not.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    named = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = named.get("image"), named.get("label")
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        has = f"; it has {', '.join(sorted(named))}" if named else ""
        raise DataError(
            f"tfds:{argument} is no image classification set: it needs an image and a label{has}."
        )
    kind = np.dtype(image.np_dtype).name
    if kind != "uint8":
        raise DataError(f"tfds:{argument} holds {kind} images; only uint8 can be read.")
    return label


def data_folder(data_dir: str | None) -> Path:
    """Where tensorflow_datasets keeps prepared data: as given, else TFDS_DATA_DIR, else its own place."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find_prepared(root: Path, argument: str) -> Path:
    """Returns the folder of NAME[/CONFIG][:VERSION] below `root`; the newest version if none is named.

    Raises:
        DataError: it is not there; says what is, and how to prepare it.
    """
    path, _, version = argument.partition(":")
    name, _, config = path.partition("/")
    prepare = "`ganpipe run` and `ganpipe preprocess` download it; or name its place with --data-dir."
    if not root.is_dir():
        raise DataError(f"tfds:{argument}: no such folder: {str(root)!r}. {prepare}")
    found: dict[tuple[str, str], Path] = {}
    if name and name not in (".", ".."):
        for pattern in ("*/features.json", "*/*/features.json"):
            for file in (root / name).glob(pattern):
                *above, below = file.parent.relative_to(root / name).parts
                # a preparation that was killed leaves VERSION.incompleteXXXXXX behind
                if ".incomplete" not in below:
                    found["/".join(above), below] = file.parent
    wanted = [key for key in found if (not config or key[0] == config) and (not version or key[1] == version)]
    if not wanted:
        there = [f"{name}{'/' + key[0] if key[0] else ''}:{key[1]}" for key in sorted(found)]
        others = [] if there else sorted(entry.name for entry in root.iterdir() if entry.is_dir())
        have = f" Prepared: {', '.join(there)}." if there else ""
        raise DataError(
            f"tfds:{argument} is not prepared in {str(root)!r}.{have}{did_you_mean(name, others)} {prepare}"
        )
    configs = sorted({key[0] for key in wanted})
    if len(configs) > 1:
        raise DataError(
            f"tfds:{argument} is prepared in several configurations; name one of "
            f"{', '.join(f'{name}/{c}' if c else name for c in configs)}."
        )
    return found[max(wanted, key=lambda key: _version_numbers(key[1]))]


def _version_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in text.split("."))
