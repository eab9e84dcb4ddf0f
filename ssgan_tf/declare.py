"""How settings are declared and checked: dataclass fields with a help text and a rule.

@dataclass(frozen=True)
class TrainConfig:
    steps: int = setting(500, "training steps", at_least(1))

build(TrainConfig, {"steps": 0})    # UsageError: steps must be a whole number from 1 to 2147483647; got 0.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import types
import typing
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssgan_tf.errors import UsageError, did_you_mean

# of a length that the largest setting does not reach
_WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE_URL = "file://"
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.?[0-9]*)([eE][-+]?[0-9]{1,9})?")
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Rule:
    """A constraint on one setting.

    Attributes:
        words: what is allowed, for a message.
        holds: the test for it.
        choices: all values that are allowed, where they can be listed.
        several: whether a value is a list of choices, with commas.
        limits: what is allowed in short, of a number x, such as "x>=1"; "" where that says nothing.
    """

    words: str
    holds: Callable[[Any], bool]
    choices: tuple[Any, ...] = ()
    several: bool = False
    limits: str = ""


def at_least(low: int) -> Rule:
    """Allows whole numbers from `low`, as far as TensorFlow's int32 goes."""
    return whole(low, LARGEST)


def between(low: float, high: float) -> Rule:
    """Allows numbers strictly between `low` and `high`."""
    return Rule(
        f"a number between {low} and {high} (exclusive)",
        lambda value: low < value < high,
        limits=f"{low:g}<x<{high:g}",
    )


def whole(low: int, high: int) -> Rule:
    """Allows whole numbers from `low` to `high`."""
    return Rule(
        f"a whole number from {low} to {high}",
        lambda value: low <= value <= high,
        limits=f"{low}<=x<={high}" if high < LARGEST else f"x>={low}",
    )


def within(low: float, high: float) -> Rule:
    """Allows numbers from `low` to `high`, both included."""
    return Rule(
        f"a number from {low:g} to {high:g}",
        lambda value: low <= value <= high,
        limits=f"{low:g}<=x<={high:g}",
    )


def at_most(high: float) -> Rule:
    """Allows numbers from 0 to `high`."""
    return within(0, high)


def positive() -> Rule:
    """Allows finite numbers above 0."""
    return Rule("a number above 0", lambda value: 0 < value < math.inf, limits="x>0")


def not_negative() -> Rule:
    """Allows finite numbers from 0."""
    return Rule("a number from 0", lambda value: 0 <= value < math.inf, limits="x>=0")


def share() -> Rule:
    """Allows what can be left out or kept of a whole, but not all of it."""
    return Rule("a share from 0 to below 1", lambda value: 0 <= value < 1, limits="0<=x<1")


def decay() -> Rule:
    """Allows decays of an exponential average that float32 still tells from 1.

    Averages are kept in float32, where 1 - 0.999999 is 5 % off and 0.99999999 is 1.
    """
    return Rule(
        "a number from 0 to 0.99999 (float32 cannot tell larger ones from 1 well)",
        lambda value: 0 <= value <= 0.99999,
        limits="0<=x<=0.99999",
    )


def one_of(*choices: Any) -> Rule:
    """Allows the given values."""
    return Rule("one of " + ", ".join(str(choice) for choice in choices), lambda v: v in choices, choices)


def some_of(*choices: str) -> Rule:
    """Allows a list of the given values, with commas between them; at least one."""
    return Rule(
        f"a list of {', '.join(choices[:-1])} and {choices[-1]}, with commas",
        lambda value: bool(value) and set(value.split(",")) <= set(choices),
        choices,
        several=True,
    )


CONTENT = "content"
"""Of a setting that names a file: its bytes affect the result, not where it lies."""


FILE, FOLDER = "FILE", "FOLDER"
"""What a setting takes that names a place."""


def is_url(text: str) -> bool:
    """Whether a text is a URL (s3://bucket/photos), and not a path; file:// is a path."""
    return bool(_URL.match(text)) and not text.lower().startswith(_FILE_URL)


def plain_path(text: str) -> str:
    """The path that file:///a/path stands for; any other text as it is.

    Raises:
        UsageError: it names another machine.
    """
    if not text.lower().startswith(_FILE_URL):
        return text
    host, slash, path = text[len(_FILE_URL) :].partition("/")
    if host not in ("", "localhost") or not slash:
        raise UsageError(f"{text!r} must be file:/// and a path from the root of this machine.")
    return urllib.parse.unquote(slash + path)


def whole_text(value: str) -> tuple[str, str]:
    """Of a setting that is a path: nothing before it, and all of it."""
    return "", value


def split_paths(value: str) -> list[str]:
    """The paths of a setting that is one or several with commas between; a file that is there is one."""
    if "," not in value or Path(value).expanduser().exists():
        return [plain_path(value)]
    return [plain_path(part.strip()) for part in value.split(",") if part.strip()] or [value]


def several_paths(value: str) -> tuple[str, str]:
    """Of a setting that is a path or several, with commas between: nothing before, and all of it."""
    return "", value


def setting(
    default: Any,
    text: str,
    rule: Rule | None = None,
    *,
    affects_result: bool | str = True,
    group: str | None = None,
    takes: str | None = None,
    place: Callable[[str], tuple[str, str]] | None = None,
    remembered: bool = True,
    repeated: bool = False,
    by_url: bool = False,
) -> Any:
    """Declares one setting: its default, its help text and its constraint.

    Args:
        default: the value where none is given.
        text: help, one line.
        rule: what is allowed; None where the type says it all.
        affects_result: False where no byte of the result depends on it (a number of workers); CONTENT.
        group: the heading that help lists it under; None: that of its section.
        takes: what a value is, in a word (FILE, FOLDER, "HOST:PORT,..."); None where type and rule tell.
        place: of a setting that names a file or folder, splits what stands before the path ("" where nothing
            does) from the path ("" where this value names none).
        repeated: whether its option may be given several times; the values then have commas between them.
        remembered: False where it belongs to one call (which of the workers this is), not to what is made.
        by_url: whether the file or folder may be named by a URL too.
    """
    metadata = {"help": text, "rule": rule, "affects_result": affects_result, "group": group, "takes": takes}
    metadata["by_url"] = by_url
    return field(
        default=default, metadata={**metadata, "place": place, "remembered": remembered, "repeated": repeated}
    )


def as_in(cls: type, name: str, **changes: Any) -> Any:
    """Declares a setting like one of another class: its default, help text, rule and effect are the same.

    Args:
        cls: the settings class that declares it.
        name: the setting.
        changes: what differs: `default`, `help`.
    """
    declared = next(item for item in dataclasses.fields(cls) if item.name == name)
    default = changes.pop("default", declared.default)
    return field(default=default, metadata={**declared.metadata, **changes})


def absolute(value: Any, place: Callable[[str], tuple[str, str]] | None) -> Any:
    """A setting's value with its path from the root, so that it names the same from any folder.

    Symbolic links stay: what they lead to may change.
    """
    if place is None or not isinstance(value, str):
        return value
    if place is several_paths:
        return ",".join(_from_root(path) for path in split_paths(value))
    before, path = place(value)
    return before + _from_root(path) if path else value


def _from_root(path: str) -> str:
    path = plain_path(path)
    return path.rstrip("/") if is_url(path) else os.path.abspath(Path(path).expanduser())  # noqa: PTH100


def build(cls: type, document: Mapping[str, Any], path: str = "") -> Any:
    """Builds a (nested) settings dataclass from a mapping, checking names, types and rules."""
    if not isinstance(document, Mapping):
        raise UsageError(f"{path or 'the configuration'} must be a mapping; got {document!r}.")
    hints = typing.get_type_hints(cls)
    known = {item.name: item for item in dataclasses.fields(cls)}
    values = {}
    for key, value in document.items():
        dotted = f"{path}.{key}" if path else str(key)
        if key not in known:
            raise UsageError(
                f"unknown setting {dotted!r}.{did_you_mean(str(key), known)} "
                f"Valid here: {', '.join(sorted(known))}."
            )
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            values[key] = build(typing.cast(type, hint), {} if value is None else value, dotted)
        else:
            values[key] = _checked(dotted, value, hint, known[key].metadata.get("rule"))
            if known[key].metadata.get("takes") in (FILE, FOLDER):
                values[key] = _local(dotted, values[key], known[key].metadata["by_url"])
    return cls(**values)


def _checked(name: str, value: Any, hint: Any, rule: Rule | None) -> Any:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    allowed = typing.get_args(hint) if union else (hint,)
    if value is None and type(None) in allowed:
        return None
    if typing.get_origin(hint) is not None and not union:
        if not isinstance(value, Mapping | None):
            raise UsageError(f"{name} must be a mapping of settings; got {value!r}.")
        return dict(value or {})
    if int in allowed and isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        # a command line gives text only; int() takes more than people write: 2_0, and more digits than ours
        value = int(value)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if float in allowed and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    kinds = tuple(kind for kind in allowed if kind is not type(None))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        want = " or ".join(
            {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}[
                kind.__name__
            ]
            for kind in kinds
        )
        raise UsageError(f"{name} must be {rule.words if rule else want}; got {_shown(value)}.")
    if rule is not None and not rule.holds(value):
        raise UsageError(
            f"{name} must be {rule.words}; got {_shown(value)}."
            + (
                did_you_mean(value, list(map(str, rule.choices)) or rule.words.split(", "))
                if isinstance(value, str)
                else ""
            )
        )
    return value


def _local(name: str, value: Any, by_url: bool) -> Any:
    if not isinstance(value, str):
        return value
    if is_url(value) and not by_url:
        raise UsageError(
            f"{name} must be a path of this machine, on a disk; got a URL ({value.partition(':')[0]}://...)."
        )
    return plain_path(value)


def _shown(value: Any, longest: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
