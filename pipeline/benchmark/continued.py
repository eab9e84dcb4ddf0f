"""What a benchmark that is there already may still become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.chain.config import flat
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.benchmark.asked import Asked


def check_same(before: Asked, asked: Asked, root: Path) -> None:
    """A benchmark may get more recipes, variants, budgets and draws; what it has must stay comparable.

    Raises:
        UsageError: says what differs.
    """
    old, new = flat(before.settings), flat(asked.settings)
    differ = [
        f"{name} {old.get(name)} -> {new.get(name)}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    kept = [name for name in before.recipes if name in asked.recipes]
    differ += [
        f"{name} of {before.recipe_of(name)} -> of {asked.recipe_of(name)}"
        for name in kept
        if before.recipe_of(name) != asked.recipe_of(name)
    ]
    for name in kept:
        was, now = before.own_of(name), asked.own_of(name)
        differ += [
            f"{name}.{key} {was.get(key, 'default')} -> {now.get(key, 'default')}"
            for key in dict.fromkeys([*was, *now])
            if was.get(key) != now.get(key)
        ]
    if before.first_seed != asked.first_seed:
        differ.append(f"first_seed {before.first_seed} -> {asked.first_seed}")
    differ += [
        f"{'variant' if name in before.variants else 'recipe'} {name} left out"
        for name in before.recipes
        if name not in asked.recipes
    ]
    differ += [f"{n} labels a class left out" for n in before.budgets if n not in asked.budgets]
    if asked.draws < before.draws:
        differ.append(f"draws {before.draws} -> {asked.draws}")
    if differ:
        more = f"; and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise UsageError(
            f"{str(root)!r} holds another benchmark ({'; '.join(differ[:4])}{more}). It may get more "
            "recipes, variants, budgets and draws, but no other settings. Give another --workdir."
        )
