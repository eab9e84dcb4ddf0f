"""What a server saw in the images that it was asked about, from its log of inputs."""

from __future__ import annotations

from pathlib import Path

from pipeline.exported.inputs_log import FAMILIAR, SEEN, read_columns
from pipeline.monitoring.observed import Observed
from ssgan_tf.metrics.shift import Seen


def read_log(path: Path, version: Path) -> Observed:
    """Reads a server's log of inputs.

    Raises:
        DataError: it is missing, damaged, holds nothing yet, or is of another model than `version`.
    """
    columns = read_columns(path, version)
    return Observed(Seen(*(columns[name] for name in SEEN)), columns.get(FAMILIAR), 0)
