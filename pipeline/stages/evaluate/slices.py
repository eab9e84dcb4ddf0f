"""Which slice each tested image is in: further columns of the label file, from the provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.evaluated import SLICE_VALUES, SLICES, SLICES_LEFT_OUT
from pipeline.provenance import columns_of, read_provenance


def slices_of(data: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """What `predictions.npz` holds of them.

    Args:
        data: the prepared data; of a cross-fitted draw those of the whole.
        keys: of the tested images.

    Returns:
        Names of the columns, text [C], and their values, text [C, N], where there are some; a sentence about
        columns that are left out, where some are.
    """
    columns = columns_of(data, keys)
    # a column that says nothing of any tested image has no slices
    columns = {name: values for name, values in columns.items() if any(values)}
    found: dict[str, np.ndarray] = {}
    if columns:
        found = {SLICES: np.array(list(columns)), SLICE_VALUES: np.array(list(columns.values()))}
    if sentence := read_provenance(data).get("no_slices"):
        found[SLICES_LEFT_OUT] = np.array(sentence)
    return found
