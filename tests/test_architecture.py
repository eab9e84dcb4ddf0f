"""The house: which package may import which, and modules of a readable size."""

import ast
from pathlib import Path

import pytest

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
        assert not [name for name in names if within(name, "pipeline.chain.orchestrator")]
        assert not [name for name in names if within(name, "pipeline.chain.plan")]


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


def test_heavy_libraries_are_not_imported_by_the_command_line():
    heavy = {"tensorflow", "keras", "apache_beam", "numpy", "sklearn", "scipy", "rich", "yaml"}
    light = ("cli", "config", "errors", "terminal", "options", "interrupts")
    for name in light:
        tree = ast.parse((ROOT / "pipeline" / f"{name}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = (
                    [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                )
                assert not {module.split(".")[0] for module in modules} & heavy, name
