"""The ways in which a pass over pieces can run; light enough for settings to name them."""

from __future__ import annotations

from ssgan_tf.declare import Rule

IN_MEMORY = "in_memory"
MULTI_PROCESSING = "multi_processing"
PORTABLE = "portable"
FLINK = "flink"
SPARK = "spark"
DATAFLOW = "dataflow"
DASK = "dask"

LOCAL = (IN_MEMORY, MULTI_PROCESSING)
"""Run by this process, and by workers that it starts."""

ENGINES = (PORTABLE, FLINK, SPARK, DATAFLOW, DASK)
"""Run by an engine of its own, whose workers see the same folders at the same paths."""

MODES = (*LOCAL, *ENGINES)

RUNNER_HELP = (
    "how Beam runs the pass over the images: in this process, in worker processes, or on an engine of yours, "
    "whose workers see the same folders at the same paths"
)
WORKERS_HELP = "worker processes of multi_processing, and of portable and dask where they are started here"
OPTION_HELP = "option of Beam's own for an engine, for example flink_master=localhost:8081; may be repeated"


def split_options(text: str | None) -> list[tuple[str, str]]:
    """Splits `name=value,name=value`, where a value may hold commas and further equals signs.

    A comma ends a value only where a name with an equals sign follows. An option that takes no value may
    stand without the sign.
    """
    found: list[tuple[str, str]] = []
    for part in (text or "").split(","):
        name, equals, value = part.partition("=")
        if found and not (equals and is_name(name)):
            found[-1] = (found[-1][0], f"{found[-1][1]},{part}")
        else:
            found.append((name.strip().removeprefix("--").replace("-", "_"), value))
    return found if text else []


def is_name(text: str) -> bool:
    """Whether a text can be the name of one of Beam's options, with its two dashes or without."""
    return text.strip().removeprefix("--").replace("-", "_").isidentifier()


OPTIONS = Rule(
    "name=value, an option of Beam's", lambda v: all(is_name(name) for name, _ in split_options(v))
)
