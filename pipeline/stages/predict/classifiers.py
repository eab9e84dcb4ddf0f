"""Classifiers that answer encoded images: the SavedModel itself, or its LiteRT form.

classifier = open_classifier(Path("run/export"), "savedmodel")
answers = classifier.answer([png, jpeg])
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import DataError, did_you_mean
from pipeline.exported import layout
from pipeline.images.rejected import OutOfMemory


class Answer(NamedTuple):
    """What a classifier says of one image; `probabilities` float32 [K]."""

    class_id: int
    confidence: float
    real_score: float
    abstain: bool
    probabilities: np.ndarray


class Classifier(ABC):
    """Answers encoded images.

    Attributes:
        class_names: K names.
    """

    class_names: tuple[str, ...]

    @abstractmethod
    def answer(self, encoded: Sequence[bytes]) -> list[Answer | str]:
        """Answers each image, or says why it cannot be decoded; one does not touch the others."""


def find_version(model: Path) -> Path:
    """Finds the SavedModel folder that a path means.

    Args:
        model: a version's folder, a folder of versions (the highest counts), or an export of both kinds.

    Raises:
        DataError: there is none; says what was looked for, or why there can be none.
    """
    export = model.parent if model.name == "classifier" else model
    if (export / "generator").is_dir() and not (export / "classifier").exists():
        raise DataError(
            f"{str(export)!r} holds a generator alone: its recipe was trained without labels, so there is no "
            "classifier. Recipes that classify are, for example, ssgan and improved-gan."
        )
    if not model.exists():
        siblings = [item.name for item in model.parent.iterdir()] if model.parent.is_dir() else []
        raise DataError(f"there is no model {str(model)!r}.{did_you_mean(model.name, siblings)}")
    for folder in (model, model / "classifier"):
        if layout.is_saved_model(folder):
            return folder
        if version := layout.newest_version(folder):
            return version
    raise DataError(
        f"{str(model)!r} is no SavedModel: it holds neither saved_model.pb, nor version folders such as 1, "
        "nor a folder classifier with them. `ganpipe export` makes one."
    )


@functools.lru_cache(1)
def open_classifier(model: Path, engine: str) -> Classifier:
    """Opens a classifier; a process that asks again for the same gets the one that is loaded.

    Args:
        model: see `find_version`.
        engine: "savedmodel" or "lite".

    Raises:
        DataError: there is no classifier of that kind, or it is damaged.
    """
    folder = find_version(model)
    return LiteClassifier(folder) if engine == "lite" else SavedModelClassifier(folder)


class SavedModelClassifier(Classifier):
    """The signature `serving_bytes`: decoding, resizing and the network are one graph.

    One that reads another signature overrides its name and `rows`.
    """

    signature = layout.BYTES

    def __init__(self, folder: Path) -> None:
        import ssgan_tf  # noqa: F401  (sets TensorFlow's switches before it is imported)

        # isort: split
        import tensorflow as tf

        try:
            self._model = tf.saved_model.load(str(folder))
        # the last: a file of weights that is cut off
        except (OSError, ValueError, tf.errors.OpError, IndexError) as error:
            raise DataError(f"the SavedModel {str(folder)!r} cannot be loaded: {error}") from None
        signatures = self._model.signatures
        if self.signature not in signatures:
            raise DataError(
                f"the SavedModel {str(folder)!r} is no classifier of images: it has no signature "
                f"{self.signature}, only {', '.join(sorted(signatures)) or 'none'}."
            )
        self._function = signatures[self.signature]
        outputs = self._function.structured_outputs
        count = outputs["probabilities"].shape[1] if "probabilities" in outputs else None
        self.class_names = layout.read_class_names(folder, count)

    def rows(self, outputs: dict[str, np.ndarray]) -> list[Any]:
        """What is said of each image of a batch, from its outputs by name."""
        return _answers(outputs)

    def answer(self, encoded: Sequence[bytes]) -> list[Answer | str]:
        """Answers all at once, and by halves where one of them cannot be decoded."""
        from pipeline.images.conversion import as_decodable
        from pipeline.images.headers import read_header
        from pipeline.images.rejected import Rejected

        answers: list[Answer | str] = []
        good: dict[int, bytes] = {}
        for number, value in enumerate(encoded):
            try:
                good[number] = as_decodable(value, read_header(value))
                answers.append("")
            except Rejected as reason:
                answers.append(str(reason))
        for number, answer in zip(good, self._decodable(list(good.values())), strict=True):
            answers[number] = answer
        return answers

    def _decodable(self, encoded: Sequence[bytes]) -> list[Answer | str]:
        import tensorflow as tf

        from pipeline.images.conversion import DAMAGED

        if not encoded:
            return []
        try:
            outputs = self._function(image_bytes=tf.constant(encoded))
        except tf.errors.ResourceExhaustedError:
            raise OutOfMemory(
                f"out of memory: {len(encoded)} image(s) do not fit at once. Use a smaller --batch-size."
            ) from None
        except tf.errors.InvalidArgumentError:
            if len(encoded) == 1:
                return [DAMAGED]
            middle = len(encoded) // 2
            return self._decodable(encoded[:middle]) + self._decodable(encoded[middle:])
        texts = ("label", "labels_that_remain")
        return self.rows({name: value.numpy() for name, value in outputs.items() if name not in texts})


class LiteClassifier(Classifier):
    """The converted model; images are decoded without TensorFlow."""

    def __init__(self, folder: Path) -> None:
        from pipeline.exported.lite_model import LiteModel, read_framing

        self._model = LiteModel(folder / layout.LITE_FILE)
        self._framing = read_framing(folder)
        blank = np.zeros((1, *self._model.image_shape), np.uint8)
        self.class_names = layout.read_class_names(folder, self._model(blank)["probabilities"].shape[1])

    def answer(self, encoded: Sequence[bytes]) -> list[Answer | str]:
        """Decodes one by one and answers the images that can be decoded at once."""
        from pipeline.images.pillow_decoding import record_image
        from pipeline.images.rejected import Rejected

        answers: list[Answer | str] = []
        images: dict[int, np.ndarray] = {}
        for number, value in enumerate(encoded):
            try:
                images[number] = record_image(value, self._model.image_shape, self._framing)
                answers.append("")
            except Rejected as reason:
                answers.append(str(reason))
        if images:
            found = _answers(self._model(np.stack(list(images.values()))))
            for number, answer in zip(images, found, strict=True):
                answers[number] = answer
        return answers


def _answers(outputs: dict[str, np.ndarray]) -> list[Answer | str]:
    rows = zip(
        outputs["class_id"].tolist(),
        outputs["confidence"].tolist(),
        outputs["real_score"].tolist(),
        outputs["abstain"].tolist(),
        outputs["probabilities"],
        strict=True,
    )
    return [Answer(*row) for row in rows]
