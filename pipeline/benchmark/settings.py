"""Settings of `ganpipe benchmark` that are no run's."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import Rule, setting, whole

LARGEST_BUDGET = 1_000_000
MOST_DRAWS = 1_000
MOST_PROCESSES = 256


def is_list_of_budgets(text: str) -> bool:
    """Whether a text is a list of different numbers of labels, with commas between."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        return False
    numbers = [int(part) for part in parts]
    return len(set(numbers)) == len(numbers) and all(1 <= number <= LARGEST_BUDGET for number in numbers)


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is compared, and how the work is spread."""

    recipes: str = setting(
        "ssgan",
        "the recipes to compare, each with its paired baseline; NAME=RECIPE is a variant, with settings of "
        "its own (--set NAME.KEY=VALUE)",
        takes="RECIPE,NAME=RECIPE,...",
    )
    labels_per_class: str | None = setting(
        None,
        "label budgets: labels kept for each class; with --curve by default 2 or 3 halvings of what is there",
        Rule("different whole numbers from 1 with commas between, such as 2,5,10", is_list_of_budgets),
        takes="N,N,...",
    )
    draws: int = setting(5, "label draws of each budget; draw i uses first_seed + i", whole(1, MOST_DRAWS))
    first_seed: int = setting(
        0,
        "seed of the first draw: choose settings on draws of their own (from 100, say), then report others",
        whole(0, 2**32 - 1),
    )
    processes: int = setting(
        1,
        "processes that work side by side; with several each has one thread to compute with, which gets more "
        "done than all threads on one cell after the other",
        whole(1, MOST_PROCESSES),
        group="devices",
    )
    curve: bool = setting(
        False, "fit a learning curve and say what more labels would bring, if the draws can tell"
    )
