"""The table as Markdown and as a page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmark import label_chart
from pipeline.benchmark.asked import Asked
from pipeline.benchmark.cells import workspaces
from pipeline.benchmark.table import BASELINE, RECIPE
from pipeline.reporting.templates import render
from pipeline.terminal import clock

TEMPLATE = "benchmark.html"
HEADER = (
    "recipe",
    "labels a class",
    "draws",
    "test error",
    "deviation",
    "median",
    "worst",
    "95 %",
    "baseline",
    "its 95 %",
    "difference, points",
    "difference, 95 %",
    "steps",
    "training a draw",
)

_BELOW = {"test error": "95 %", "baseline": "its 95 %", "difference, points": "difference, 95 %"}


def columns(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the table's columns; with variants two more, of the differences from the first row."""
    return (*HEADER, *(_against_columns(document) or ()))


def _against_columns(document: Mapping[str, Any]) -> tuple[str, str] | None:
    first = next((row["against"]["recipe"] for row in document["rows"] if row.get("against")), None)
    return (f"error against {first}, points", f"error against {first}, 95 %") if first else None


def table_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows of the table as text: see `columns`."""
    further = bool(_against_columns(document))
    return [(*_cells(row), *(_against(row) if further else ())) for row in document["rows"]]


def _against(row: Mapping[str, Any]) -> tuple[str, str]:
    paired = row.get("against")
    return (f"{100 * paired['mean']:+.2f}", _points(paired["interval"])) if paired else ("", "")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    own, other = row["models"][RECIPE], row["models"].get(BASELINE)
    difference = row.get("difference")
    return (
        row["recipe"],
        f"{row['labels_per_class']}",
        f"{len(row['seeds'])}",
        f"{own['mean']:.2%}",
        "" if own["deviation"] is None else f"{own['deviation']:.2%}",
        f"{own['median']:.2%}",
        f"{own['worst']:.2%}",
        _interval(own["interval"]),
        f"{other['mean']:.2%}" if other else "",
        _interval(other["interval"]) if other else "",
        f"{100 * difference['mean']:+.2f}" if difference else "",
        _points(difference["interval"]) if difference else "",
        " or ".join(f"{steps:,}" for steps in own["steps"]),
        clock(own["seconds"] + (other["seconds"] if other else 0)),
    )


def _below(document: Mapping[str, Any]) -> dict[str, str]:
    """Columns of figures to those of their intervals."""
    further = _against_columns(document)
    return _BELOW | (dict([further]) if further else {})


def _with_intervals(document: Mapping[str, Any]) -> list[list[tuple[str, str, str]]]:
    """Of each row its columns: name, figure, and the interval that stands below it."""
    names, below = columns(document), _below(document)
    return [
        [
            (name, named[name], named.get(below.get(name, ""), ""))
            for name in names
            if name not in below.values()
        ]
        for named in (dict(zip(names, cells, strict=True)) for cells in table_rows(document))
    ]


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2%} to {ends[1]:.2%}"


def _points(ends: Sequence[float] | None) -> str:
    return f"{100 * ends[0]:+.2f} to {100 * ends[1]:+.2f}" if ends else ""


def code_in_words(code: Mapping[str, Any]) -> str:
    """Which code made a result."""
    commit = f", commit {code['commit']}" if code["commit"] else ""
    return f"{code['recipe']}: ganpipe {code['version']}{commit}, files and libraries {code['digest']}"


def seeds_in_words(seeds: Sequence[int]) -> str:
    """The draws, such as "seeds 0 to 4"."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def sentences(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each row says of its baseline: which row, and the sentence."""
    return [
        (f"{row['recipe']}, {row['labels_per_class']} labels a class", row["difference"]["verdict"])
        for row in document["rows"]
        if "difference" in row
    ]


def against_sentences(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each row says of the first one, where there are variants: which row, and the sentence."""
    return [
        (f"{row['recipe']}, {row['labels_per_class']} labels a class", row["against"]["verdict"])
        for row in document["rows"]
        if row.get("against")
    ]


def curve_sentences(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What each learning curve says: of which model, the sentence, and the law."""
    return [
        (
            f"{one['recipe']}{', its baseline' if one['role'] == BASELINE else ''}",
            one["sentence"],
            one.get("law", ""),
        )
        for one in document["curves"]
    ]


def markdown(document: Mapping[str, Any]) -> str:
    """The table, what it says, and what made it."""
    lines = [f"# Benchmark on {document['dataset']}", "", f"Draws: {seeds_in_words(document['seeds'])}."]
    if document["missing"]:
        lines += ["", f"Not there yet: {', '.join(document['missing'])}."]
    lines += ["", *_markdown_table(columns(document), table_rows(document)), ""]
    lines += [f"- {one['name']}: {one['words']}" for one in document["variants"]]
    lines += [f"- {row}: {text}" for row, text in (*sentences(document), *against_sentences(document))]
    if document["curves"]:
        lines += ["", "## Learning curve", ""]
        lines += [
            f"- {name}: {' '.join(filter(None, (text, law)))}"
            for name, text, law in curve_sentences(document)
        ]
    if document["published"]:
        header = ("published", "labels in all", "test error", "protocol")
        rows = [_published_cells(one) for one in document["published"]]
        lines += ["", "## Published, not measured here", "", *_markdown_table(header, rows)]
    lines += ["", "## What made it", "", *(f"- {code_in_words(code)}" for code in document["code"])]
    lines += [f"- {text}" for text in document["settings"]]
    return "\n".join(lines) + "\n"


def _published_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    error = f"{100 * one['error']:g} ± {100 * one['deviation']:.3g} %"
    return f"{one['system']} ({one['source']})", f"{one['labels']}", error, one["protocol"]


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    return [line(header), line(["---"] * len(header)), *map(line, rows)]


def page(document: Mapping[str, Any], asked: Asked, root: Path) -> str:
    """The page, as HTML."""
    models = [model for row in document["rows"] for model in row["models"].values()]
    values = {
        "title": f"Benchmark on {document['dataset']}",
        "seeds": seeds_in_words(document["seeds"]),
        "missing": document["missing"],
        "chart": _chart(document),
        "header": [name for name in columns(document) if name not in _below(document).values()],
        "rows": _with_intervals(document),
        "variants": document["variants"],
        "against": against_sentences(document),
        "verdicts": sentences(document),
        "curves": curve_sentences(document),
        "published": [_published_cells(one) for one in document["published"] or ()],
        "draws": [
            (row, role, model["name"], list(zip(row["seeds"], model["errors"], strict=True)))
            for row in document["rows"]
            for role, model in row["models"].items()
        ],
        "folds": next((model["folds"] for model in models if model["folds"]), None),
        "test_images": sorted({f"{model['test_images']:,}" for model in models}),
        "settings": document["settings"],
        "codes": [code_in_words(code) for code in document["code"]],
        "workspaces": [
            (str(workspace.root), asked.recipe_of(name))
            for workspace, (name, _) in workspaces(asked, root).items()
        ],
        "percent": "{:.2%}".format,
    }  # fmt: skip
    return render(TEMPLATE, values, folder=Path(__file__).parent)


def _chart(document: Mapping[str, Any]) -> str:
    series = []
    recipes = list(dict.fromkeys(row["recipe"] for row in document["rows"]))
    for family, recipe in enumerate(recipes):
        own = [row for row in document["rows"] if row["recipe"] == recipe]
        for role in own[0]["models"]:
            second = role == BASELINE
            points = [
                (row["labels"], row["models"][role]["errors"], tuple(row["models"][role]["interval"]))
                for row in own
            ]
            name = f"baseline of {recipe}" if second else recipe
            series.append(label_chart.LabelSeries(name, family, second, points))
    published = document["published"] or []
    known = [
        label_chart.PublishedSeries(
            f"{system}, published",
            [(one["labels"], one["error"], one["deviation"]) for one in published if one["system"] == system],
        )
        for system in dict.fromkeys(one["system"] for one in published)
    ]
    return label_chart.errors_by_labels_chart(series, known) if series else ""
