"""What an option's value is called in help, and what a shell offers for it. The text itself goes on as it
came: the configuration checks it, whether it comes from an option, a file or --set.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ssgan_tf.declare import FILE, FOLDER, is_url, plain_path

Choices = Callable[[click.Context | None], Sequence[str]]
_WORDS = {int: "INTEGER", float: "FLOAT", str: "TEXT", bool: "true|false"}
_SHELL_KINDS = {FILE: "file", FOLDER: "dir"}


class Value(click.ParamType):
    """A value, taken as text.

    Attributes:
        takes: what help calls it where it has no choices.
        choices: gives the texts to choose among; of the command under way, where there is one.
        several: whether a value is a list of choices, with commas.
    """

    name = "text"

    def __init__(self, takes: str, choices: Choices | None = None, *, several: bool = False) -> None:
        self.takes, self.choices, self.several = takes, choices, several

    def shown(self) -> str:
        """Its name in help, such as `INTEGER` or `[small|full]`."""
        if self.choices is None:
            return self.takes
        return f"[{'|'.join(self.choices(None))}]" + (",..." if self.several else "")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What may stand where `incomplete` does."""
        if self.choices is None:
            kind = _SHELL_KINDS.get(self.takes)
            return [CompletionItem(incomplete, type=kind)] if kind else []
        before, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        return _items(before + comma + choice for choice in self.choices(ctx) if choice.startswith(last))


class Place(Value):
    """A FILE or a FOLDER of this machine, given on as a `Path`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, which need not be there; an empty folder, of a shell variable not set, is a mistake."""
        if self.takes == FOLDER and value == "":
            self.fail("it is empty, and must name a folder ('.' is the current one).", param, ctx)
        value = str(value)
        if is_url(value):
            self.fail(
                f"it must be a path of this machine, on a disk; got a URL ({value.partition(':')[0]}://...).",
                param,
                ctx,
            )
        return Path(plain_path(value))


class NamedSource(Value):
    """The value of `--dataset`: a source's name, for some with a path after a colon."""

    def __init__(self, names: Iterable[str], path_after: Iterable[str]) -> None:
        super().__init__("SOURCE")
        self.names, self.path_after = tuple(names), frozenset(path_after)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names of sources, and after a colon what lies in the folder."""
        name, colon, path = incomplete.partition(":")
        if colon:
            return _items(f"{name}:{place}" for place in _places(path) if name in self.path_after)
        offered = (known + ":" * (known in self.path_after) for known in self.names)
        return _items(text for text in offered if text.startswith(name))


class Assignment(Value):
    """The value of `--set`: a setting's dotted name, and after "=" what it may be."""

    def __init__(
        self, keys: Callable[[click.Context], Iterable[str]], value_of: Callable[[str], Value | None]
    ) -> None:
        super().__init__("SECTION.KEY=VALUE")
        self.keys, self.value_of = keys, value_of

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names of settings; after one its choices."""
        key, equals, begun = incomplete.partition("=")
        if not equals:
            return _items(f"{name}=" for name in self.keys(ctx) if name.startswith(key))
        value = self.value_of(key)
        found = value.shell_complete(ctx, param, begun) if value else []
        return _items(f"{key}={item.value}" for item in found if item.type == "plain")


def value_of(cls: type, item: dataclasses.Field, choices: Choices | None = None) -> Value:
    """The value of a declared setting.

    Args:
        cls: the settings class.
        item: one of its fields.
        choices: where the setting's own rule does not list them.
    """
    rule, takes = item.metadata.get("rule"), item.metadata.get("takes")
    if choices is None and rule is not None and rule.choices:
        words = [str(choice) for choice in rule.choices]
        return Value("TEXT", lambda ctx: words, several=rule.several)
    hint = _hints(cls)[item.name]
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = [kind for kind in (typing.get_args(hint) if union else (hint,)) if kind is not type(None)]
    if kinds == [bool] and choices is None:
        return Value("TEXT", lambda ctx: ["true", "false"])
    return Value(takes or "|".join(_WORDS.get(kind, "TEXT") for kind in kinds), choices)


@functools.lru_cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _items(texts: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(text) for text in texts]


def _places(begun: str) -> list[str]:
    """Files and folders whose path begins so; folders end with a slash."""
    folder, slash, name = begun.rpartition("/")
    try:
        with os.scandir(Path(folder + slash).expanduser()) as entries:
            found = [entry.name + "/" * entry.is_dir() for entry in entries]
    except OSError:
        return []
    hidden = name.startswith(".")
    return sorted(
        folder + slash + text
        for text in found
        if text.startswith(name) and (hidden or not text.startswith("."))
    )
