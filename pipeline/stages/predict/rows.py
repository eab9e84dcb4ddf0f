"""Rows of a prediction: one an image, the same columns in every format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import DataError
from pipeline.stages.predict.classifiers import Answer, Classifier
from pipeline.stages.predict.inputs import Entry, read_entries

Row = list[Any]
PATH, LABEL, ERROR, ABSTAIN = 0, 1, 6, 5


def column_names(class_names: Sequence[str]) -> list[str]:
    """The columns: path, label, class_id, confidence, real_score, abstain, error, prob_CLASS..."""
    fixed = ["path", "label", "class_id", "confidence", "real_score", "abstain", "error"]
    return fixed + [f"prob_{name}" for name in class_names]


def predict_rows(
    entries: Sequence[Entry], classifier: Classifier, *, batch_size: int, strict: bool
) -> Iterator[list[Row]]:
    """Yields one list of rows a batch, in the order of the entries.

    An image that cannot be read or decoded gets a row whose `error` says why, and nothing else but its
    path.

    Raises:
        DataError: strict, and an image cannot be used.
    """
    for start in range(0, len(entries), batch_size):
        batch = entries[start : start + batch_size]
        contents = list(read_entries(batch))
        answers = iter(classifier.answer([content for content in contents if isinstance(content, bytes)]))
        rows = []
        for entry, content in zip(batch, contents, strict=True):
            answer = next(answers) if isinstance(content, bytes) else str(content)
            if strict and isinstance(answer, str):
                raise DataError(f"image {entry.name!r} cannot be used: {answer}.")
            rows.append(_row(entry, answer, classifier.class_names))
        yield rows


def _row(entry: Entry, answer: Answer | str, class_names: Sequence[str]) -> Row:
    if isinstance(answer, str):
        return [entry.name, None, None, None, None, None, answer, *([None] * len(class_names))]
    return [
        entry.name,
        class_names[answer.class_id],
        answer.class_id,
        _short(answer.confidence),
        _short(answer.real_score),
        answer.abstain,
        None,
        *map(_short, answer.probabilities.tolist()),
    ]


def _short(value: float) -> float:
    # a float32 has seven digits; the rest would be noise of its conversion
    return float(f"{value:.7g}")
