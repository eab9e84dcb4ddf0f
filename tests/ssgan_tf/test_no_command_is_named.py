"""The mathematics know of no command line: what a user could type stands in the package above."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "ssgan_tf"
FILES = sorted(ROOT.rglob("*.py"))
COMMAND = re.compile(r"\bganpipe [a-z]|(?<![\w-])--[a-z]")


def commands_in(source: str) -> set[str]:
    """Texts of a module, docstrings and parts of f-strings included, that name a command or an option."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return {text for text in texts if isinstance(text, str) and COMMAND.search(text)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_names_a_command_or_an_option(path):
    assert not commands_in(path.read_text())


def test_commands_are_found_where_they_are():
    source = '"""Command: ganpipe run."""\nprint(f"{x} Give --labels.", "--set", "a--b", "a -- b")'
    assert commands_in(source) == {"Command: ganpipe run.", " Give --labels.", "--set"}
