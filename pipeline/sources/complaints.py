"""What is wrong with a file, all of it at once: each kind of mistake with its number and first examples."""

from __future__ import annotations

from collections.abc import Callable

SHOWN = 5


class Complaints:
    """Kinds of mistakes in the order in which they were first met."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str | Callable[[], str]) -> None:
        """Counts a mistake.

        Args:
            kind: what is wrong, for several of them: "rows with too few columns".
            example: this one; a function is called only where its answer is shown.
        """
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < SHOWN:
            examples.append(example if isinstance(example, str) else example())

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        lines = []
        for kind, count in self._counts.items():
            more = count - len(self._examples[kind])
            rest = f"; and {more:,} more" if more else ""
            lines.append(f"  {kind} ({count:,}): {'; '.join(self._examples[kind])}{rest}")
        return "\n".join(lines)
