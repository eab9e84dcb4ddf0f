"""A look at a data set from its source to the last sentence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.data_schema.gate import check_schema
from pipeline.data_schema.schema import infer, read_schema
from pipeline.errors import DataError
from pipeline.inspecting.examine import estimate, walk
from pipeline.inspecting.findings import find
from pipeline.inspecting.settings import InspectConfig
from pipeline.inspecting.sheet import check_page, write_sheet
from pipeline.inspecting.words import next_command, show
from pipeline.sources.catalog import bring, open_source
from pipeline.sources.names import SOURCES
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal
from ssgan_tf.declare import is_url, plain_path


def inspect_source(
    config: DataConfig, asked: InspectConfig, *, given: Mapping[str, Any], terminal: Terminal
) -> dict[str, Any]:
    """Looks at a data set, says what it found, and writes the contact sheet where one is asked for.

    Args:
        config: the source and what is said of it.
        asked: how much is looked at, and the page.
        given: settings of the data that were given, for the next command.
        terminal: what is found goes there.

    Returns:
        The findings as plain values.

    Raises:
        UsageError: unknown data set, or the page is there already and is none.
        DataError: the source cannot be read, or the page cannot be written; with --strict also an image
            cannot be used, or the data differ from the schema.
    """
    name, _, _ = config.dataset.partition(":")
    alone = plain_path(config.dataset)
    if name not in SOURCES and (is_url(alone) or Path(alone).expanduser().is_dir()):
        config = replace(config, dataset=f"folder:{alone}")
    if config.schema:
        # before the long look
        read_schema(config.schema)
    page = Path(asked.html).expanduser() if asked.html else None
    if page:
        check_page(page)
    bring(config.dataset, data_dir=config.data_dir, terminal=terminal)
    source = open_source(config.dataset, **config.source_options)
    walked = walk(source, config, asked.sample, terminal)
    findings = find(source, walked.seen)
    document = findings.document
    document["estimate"] = estimate(walked, findings.total)
    options = {
        f"--{key.replace('_', '-')}": value for key, value in given.items() if key not in ("schema", "strict")
    }
    document["next"] = next_command(document, {"--dataset": config.dataset, **options})
    document = {"source": config.dataset, **document}
    findings.document = document
    show(document, source.ways_to_label(), terminal)
    if page:
        write_sheet(
            page,
            dataset=config.dataset,
            source=source,
            walked=walked,
            findings=findings,
            background=config.framing.background,
        )
        terminal.say(f"written to {shlex.quote(str(page))}")
    if not any(not one.reason for one in walked.seen):
        raise DataError(f"the data set {config.dataset!r} has no image that can be used.")
    if config.strict and (skipped := document["skipped"]):
        raise DataError(f"image {skipped[0]['first'][0]!r} cannot be used: {skipped[0]['kind']}.")
    if config.schema:
        now = infer(walked.seen, source.class_names())
        document["anomalies"] = check_schema(config.schema, now, strict=config.strict, terminal=terminal)
    return document
