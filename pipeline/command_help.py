"""How the command line explains itself: commands in the order of use, options under headings.

An option's heading is its `group`; a setting has that of its section unless its declaration names another
(`pipeline.options`), so that a new one finds its place. Click has no such headings (its `format_options`
writes one list); cloup, which has, doubles the time that the command line takes to start, rich-click wants
rich for every help text, and click-option-group wants the options of a group declared side by side.
"""

from __future__ import annotations

from typing import Any

import click

from pipeline.option_values import Value

ORDER = (
    "run",
    "inspect",
    "benchmark",
    "preprocess",
    "train",
    "evaluate",
    "export",
    "predict",
    "serve",
    "rollback",
    "explain",
    "runs",
    "recipes",
    "clean",
)
FIRST = {
    "run": ("--dataset", "--labels", "--image-size", "--recipe", "--steps"),
    "inspect": ("--labels", "--html", "--json", "--label-columns", "--sample"),
    "benchmark": ("--recipes", "--labels-per-class", "--draws", "--dataset", "--workdir"),
    "preprocess": ("--dataset", "--labels", "--labels-per-class", "--image-size", "--workdir"),
    "train": ("--recipe", "--preset", "--steps", "--strategy", "--workdir"),
    "evaluate": ("--recipe", "--target-error", "--require", "--workdir", "--json"),
    "export": ("--recipe", "--format", "--abstain-below", "--push", "--workdir"),
    "predict": ("--workdir", "--model", "--output", "--format", "--batch-size"),
    "serve": ("--port", "--host", "--name", "--generator-dir", "--versions"),
    "explain": ("--workdir", "--config", "--dataset", "--recipe", "--json"),
}
"""The options of a command that a first-time user needs; they are listed before all others."""

LAST = ("devices", "run", "output", "other")
"""Headings that come after those of the stages."""

_COMMANDS = "Commands, in the order of use"


class Option(click.Option):
    """An option with a heading, and with its value's own name in help."""

    def __init__(self, *args: Any, group: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    def make_metavar(self, *args: Any, **kwargs: Any) -> str:
        """The value's name; choices are listed."""
        if self.metavar is None and isinstance(self.type, Value):
            return self.type.shown()
        return super().make_metavar(*args, **kwargs)


class Command(click.Command):
    """A command whose help lists its first options first, and the others under headings.

    Click takes the last of an option's values and drops those before it without a word. What says which
    data to take is not dropped: two label files are not one.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses, and refuses an option of the data that is given twice."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for param in order:
                if _says_which_data(param) and order.count(param) > 1:
                    raise click.UsageError(
                        f"{param.opts[0]} is given {order.count(param)} times; it takes one value.", ctx
                    )
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options: the first ones, then each heading in the order of its first option."""
        first = FIRST.get(self.name or "", ())
        groups: dict[str, list[tuple[str, str]]] = {"most used": []}
        rank = {}
        for param in self.get_params(ctx):
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record is None:
                continue
            heading = getattr(param, "group", None) or "other"
            wanted = [first.index(flag) for flag in param.opts if flag in first]
            if wanted:
                rank[record] = wanted[0]
                heading = "most used"
            groups.setdefault(heading, []).append(record)
        groups["most used"].sort(key=lambda record: rank[record])
        for last in LAST:
            if last in groups:
                groups[last] = groups.pop(last)
        filled = {heading: records for heading, records in groups.items() if records}
        for heading, records in filled.items():
            with formatter.section(heading.capitalize() if len(filled) > 1 else "Options"):
                formatter.write_dl(records)


class Group(click.Group):
    """A group that lists its commands in the order of use, with their whole summaries."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of use; those without a place in it come last."""
        place = {name: number for number, name in enumerate(ORDER)}
        return sorted(self.commands, key=lambda name: (place.get(name, len(place)), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each command with the first paragraph of its help."""
        shown = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(name, summary(command)) for name, command in shown if not command.hidden]
        with formatter.section(_COMMANDS):
            formatter.write_dl(rows)


def _says_which_data(param: click.Parameter) -> bool:
    return isinstance(param, Option) and param.group == "data" and not param.is_flag


def summary(command: click.Command) -> str:
    """The first paragraph of a command's help, in one line."""
    return " ".join((command.help or "").strip().partition("\n\n")[0].split())
