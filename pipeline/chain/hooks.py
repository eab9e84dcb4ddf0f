"""What a stage does besides its `run`, for its row in the table of stages (`pipeline.chain.stages`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.terminal import Terminal
from ssgan_tf.training.cluster import is_chief


def splits_alone(document: dict[str, Any]) -> dict[str, Any]:
    """What of the summary of preparing data goes into the manifest."""
    splits = document["splits"].items()
    return {
        "splits": {name: {"count": s["count"], "labelled": s["labelled"]} for name, s in splits},
        "stands_for": document["stands_for"],
    }


def background_level(settings: Any, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    """The background as the level that it stands for."""
    return {"background": settings.framing.background}


def schema_given(settings: Any) -> None:
    """Checks that there is a schema where one is named."""
    if settings.schema:
        from pipeline.data_schema.schema import read_schema

        read_schema(settings.schema)


def schema_of_prepared(settings: Any, folder: Path, content: str) -> list[str]:
    """Refuses prepared data that would be used again and differ from a schema, where that is asked for."""
    if settings.schema and settings.strict:
        from pipeline.chain.artifacts import read_manifest
        from pipeline.data_schema.gate import check_prepared

        manifest = read_manifest(folder)
        if manifest is not None and manifest.digest == content:
            check_prepared(settings.schema, folder, strict=True, terminal=Terminal(quiet=True))
    return []


def schema_told(settings: Any, folder: Path, terminal: Terminal) -> None:
    """Says in what prepared data that were used again differ from a schema."""
    if settings.schema:
        from pipeline.data_schema.gate import check_prepared

        check_prepared(settings.schema, folder, strict=False, terminal=terminal)


def trained_with(settings: Any, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that training is told, presets and defaults written out."""
    from pipeline.stages.train.planned import in_full

    return in_full(settings, recipe_settings)


def tests(settings: Any) -> bool:
    """Whether an evaluation is on the test split."""
    return settings.split == "test"


def chief_publishes(settings: Any) -> bool:
    """Whether this process is the worker that writes."""
    return is_chief(settings, os.environ)


def prepare_devices(settings: Any) -> None:
    """Makes the devices that training asks for, before TensorFlow is used."""
    from ssgan_tf.training.strategy import prepare_devices

    prepare_devices(settings.strategy, settings.replicas)


def versions_wanted(settings: Any, folder: Path, content: str) -> list[str]:
    """Why an export would be made again; raises where its number is taken."""
    from pipeline.exported.versions import why_again

    return why_again(folder, content, settings.version, settings.keep)


def requirements(settings: Any) -> None:
    """Checks what is required of a model, the one it is held against, and the source of foreign images."""
    if settings.foreign:
        from pipeline.sources.catalog import open_source

        open_source(settings.foreign)
    if settings.require:
        from pipeline.stages.evaluate.gate import parse_requirements

        parse_requirements(settings.require)
    if settings.not_worse_than:
        from pipeline.exported.pushing import check_versions

        check_versions(Path(settings.not_worse_than).expanduser(), "--not-worse-than")


def foreign_content(settings: Any, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    """The digest of foreign images: others under the same name make another evaluation."""
    if not settings.foreign:
        return {}
    from pipeline.sources.catalog import open_source

    return {"foreign_content": open_source(settings.foreign).digest()}


def blessed(settings: Any, folder: Path, terminal: Terminal) -> None:
    """Decides whether the model of an evaluation may be shipped, where something is required of it."""
    if settings.require or settings.not_worse_than:
        from pipeline.chain.shipping import bless

        bless(settings, folder, terminal)


def push_target(settings: Any) -> None:
    """Checks the folder that an export is to be pushed to."""
    if settings.push:
        from pipeline.exported.pushing import check_target

        check_target(Path(settings.push).expanduser())


def pushed(settings: Any, folder: Path, terminal: Terminal) -> None:
    """Pushes the exported classifier, where that is asked for."""
    if settings.push:
        from pipeline.chain.shipping import push_blessed

        push_blessed(settings, folder, terminal)
