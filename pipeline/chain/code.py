"""Which source files decide a result: what a module imports, directly and through others.

    digests = code_digests(["pipeline.stages.train", "ssgan_tf.recipes.ssgan"])

Read from the source, nothing is imported. Imports within functions count, those for type checkers do not.
A module that is started as a program by its name (`-m pipeline.beam.worker`) counts where its name stands
in a text. What is imported by a computed name (a recipe, a source) must be asked for by the caller.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("pipeline", "ssgan_tf")
ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(rf"(?<![\w.])(?:{'|'.join(PACKAGES)})(?:\.[a-z_]\w*)+")


def code_digests(modules: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """Digests of all source files that the modules need.

    Args:
        modules: names within the two packages; of a package all modules below it count.
        root: the folder that holds both packages.

    Returns:
        Path below `root` to 16 hex characters of its sha256, sorted by path.
    """
    waiting = [name for module in modules for name in _with_those_below(module, root)]
    seen: set[Path] = set()
    while waiting:
        for path in files_of(waiting.pop(), root):
            if path not in seen:
                seen.add(path)
                waiting.extend(names_in(path))
    return {str(path.relative_to(root)): _digest(path) for path in sorted(seen)}


def _with_those_below(module: str, root: Path) -> list[str]:
    folder = root / module.replace(".", "/")
    below = [".".join(path.relative_to(root).with_suffix("").parts) for path in folder.rglob("*.py")]
    return [module, *below]


def files_of(module: str, root: Path) -> list[Path]:
    """A module's file and those of the packages that hold it; none for a name within a module."""
    parts = module.split(".")
    found = []
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                found.append(path)
    return found


@functools.lru_cache(4096)
def _parsed(path: Path, state: tuple[int, int]) -> tuple[frozenset[str], str]:
    text = path.read_bytes()
    return frozenset(_names(ast.parse(text))), hashlib.sha256(text).hexdigest()[:16]


def _look(path: Path) -> tuple[frozenset[str], str]:
    status = path.stat()
    return _parsed(path, (status.st_mtime_ns, status.st_size))


def names_in(path: Path) -> frozenset[str]:
    """Dotted names within the two packages that a source file imports or starts."""
    return _look(path)[0]


def _digest(path: Path) -> str:
    return _look(path)[1]


def _names(tree: ast.AST) -> set[str]:
    """Dotted names within the two packages that the code imports or starts."""
    names: set[str] = set()
    documentation = _documentation(tree)
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation:
            names |= set(_NAME.findall(node.value))
        waiting.extend(ast.iter_child_nodes(node))
    return {name for name in names if name.split(".")[0] in PACKAGES}


def _documentation(tree: ast.AST) -> set[ast.AST]:
    """Texts that are statements of their own: they name modules, but start none."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
