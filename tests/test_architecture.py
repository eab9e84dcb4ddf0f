"""The house: which package may import which, no circles, and modules of a readable size."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.chain import code

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for package in ("pipeline", "ssgan_tf") for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, also within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_direction_of_imports(path):
    relative = path.relative_to(ROOT)
    names = imported(path)
    if relative.parts[0] == "ssgan_tf":
        assert not [name for name in names if within(name, "pipeline")]
    if relative.parts[:2] == ("pipeline", "stages"):
        own = f"pipeline.stages.{relative.with_suffix('').parts[2]}"
        others = [name for name in names if within(name, "pipeline.stages") and not within(name, own)]
        assert not [name for name in others if name != "pipeline.stages"], (
            f"a stage imports a stage: {others}"
        )
        assert not [name for name in names if within(name, "pipeline.chain")], "a stage knows its chain"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_named_for_what_they_hold(path):
    assert len(path.read_text().splitlines()) <= 320
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    missing = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert ast.get_docstring(tree) and not missing


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of nodes that reach each other, by following the arrows from each node."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for node in graph.get(waiting.pop(), set()) - seen:
                seen.add(node)
                waiting.append(node)
        return seen

    reached = {node: reach(node) for node in graph}
    groups = {frozenset(o for o in reached[node] if node in reached.get(o, ())) for node in graph}
    return [set(group) for group in groups if len(group) > 1]


def arrows() -> dict[str, set[str]]:
    """Each source file, by its path, to those that it imports or starts."""
    found = {}
    for path in FILES:
        needed = {file for name in code.names_in(path) for file in code.files_of(name, ROOT)[-1:]}
        found[str(path.relative_to(ROOT))] = {str(f.relative_to(ROOT)) for f in needed if f != path}
    return found


def test_no_circles_between_files_nor_between_rooms():
    graph = arrows()
    assert sum(map(len, graph.values())) > 300
    assert circles(graph) == []
    rooms: dict[str, set[str]] = {}
    for file, needed in graph.items():
        room = str(Path(file).parent)
        rooms.setdefault(room, set()).update(str(Path(other).parent) for other in needed)
    # the loose files of a package are below its rooms (errors) and above them (the command): no room
    loose = {"pipeline", "ssgan_tf", "pipeline/serving"}
    rooms = {room: needed - loose - {room} for room, needed in rooms.items() if room not in loose}
    assert circles(rooms) == []
    assert {"pipeline/chain", "pipeline/sources"} <= rooms["pipeline/reporting"]


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]


HEAVY = {
    "tensorflow",
    "keras",
    "apache_beam",
    "numpy",
    "sklearn",
    "scipy",
    "rich",
    "yaml",
    "PIL",
    "matplotlib",
}


def test_the_command_line_starts_and_explains_itself_without_heavy_libraries():
    program = """
import sys
from pipeline.cli import main
for words in (["--help"], ["run", "--help"], ["recipes"]):
    main(words, standalone_mode=False)
print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.partition("loaded:")[2].split())
    assert {"pipeline", "ssgan_tf", "click"} <= loaded
    assert not loaded & HEAVY
