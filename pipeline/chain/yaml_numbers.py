"""YAML as people read it: numbers are decimal, and what is no number stays text.

YAML 1.1, which PyYAML reads, takes 010 for eight, 1:30 for ninety, 1_0 for ten, 2024-01-01 for a date, and
1e-3 for text. Here numbers are those of YAML 1.2 without its 0x and 0o: 010 is ten, 1e-3 a number, and the
others are text, which a setting that wants a number refuses. What is written is written for the same rules.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from pipeline.errors import UsageError

# longer ones stay text: int() refuses thousands of digits
_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]{1,40}(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_PREFIX = "tag:yaml.org,2002:"
_REPLACED = {f"{_PREFIX}{name}" for name in ("int", "float", "timestamp")}


def parse_yaml(text: str, place: str) -> Any:
    """Reads a YAML document.

    Args:
        text: the document.
        place: where it stands, for the message.

    Raises:
        UsageError: it is not valid YAML.
    """
    import yaml

    try:
        return yaml.load(text, _loader())
    # the last two: `!!int x`, and brackets within brackets
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not valid YAML: {error}") from None


def yaml_text(document: Any) -> str:
    """Writes a document so that `parse_yaml` reads the same values."""
    import yaml

    return yaml.dump(document, Dumper=_dumper(), sort_keys=False, allow_unicode=True)


def _whole(loader: Any, node: Any) -> int:
    return int(loader.construct_scalar(node))


@functools.cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe, with our numbers."""

    Loader.add_constructor(f"{_PREFIX}int", _whole)
    return _with_our_numbers(Loader)


@functools.cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Safe; puts quotes around texts that would be read as our numbers."""

    return _with_our_numbers(Dumper)


def _with_our_numbers(cls: Any) -> Any:
    cls.yaml_implicit_resolvers = {
        first: [row for row in rows if row[0] not in _REPLACED]
        for first, rows in cls.yaml_implicit_resolvers.items()
    }
    for name, pattern in (("int", _WHOLE), ("float", _NUMBER)):
        cls.add_implicit_resolver(
            f"{_PREFIX}{name}", re.compile(rf"(?:{pattern.pattern})\Z"), list("-+.0123456789")
        )
    return cls
