"""The gate: data that differ from a schema are warned about, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data_schema.anomalies import compare
from pipeline.data_schema.schema import read_schema, schema_in
from pipeline.errors import DataError
from pipeline.terminal import Terminal


def check_schema(
    text: str, now: Mapping[str, Any], *, strict: bool, terminal: Terminal
) -> list[dict[str, str]]:
    """Compares data with the schema in a file; once in a command.

    Args:
        text: the file.
        now: the schema of the data.
        strict: refuse data that differ.
        terminal: takes the warnings.

    Returns:
        The anomalies: `name`, `feature`, `text`.

    Raises:
        DataError: the file is no schema; or, when strict, the data differ: all anomalies in one message.
    """
    found = compare(read_schema(text), now)
    if found and strict:
        listed = "".join(f"\n  {anomaly}" for anomaly in found)
        raise DataError(
            f"the data differ from the schema {text!r}.{listed}\nSet right what is wrong; without --strict "
            "these are warnings, and a schema of data that are as they should be takes the place of the old "
            "one."
        )
    if terminal.first_time(f"schema {text}"):
        for anomaly in found:
            terminal.warn(f"the data differ from the schema: {anomaly}")
        if not found:
            terminal.say(f"  the data are as the schema {text!r} says")
    return [{"name": one.name, "feature": one.feature, "text": one.text} for one in found]


def check_prepared(text: str, data: Path, *, strict: bool, terminal: Terminal) -> None:
    """Compares data that are prepared already.

    Raises:
        DataError: as `check_schema`.
    """
    check_schema(text, read_schema(str(schema_in(data))), strict=strict, terminal=terminal)
