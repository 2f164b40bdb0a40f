"""The measure of files and functions: what is longer than a reader can hold is cut. Exceptions may only become fewer."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nuflux_mpi"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
LINES, OF_FUNCTION = 450, 60
LONG_FILES = {}
LONG_FUNCTIONS = {}


def functions(file):
    """(name, lines) of all functions of a file, decorators not counted."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_is_short(file):
    lines = len((PACKAGE / file).read_text(encoding="utf-8").splitlines())
    assert lines <= LONG_FILES.get(str(file), LINES)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_functions_are_short(file):
    long = {f"{file}:{name}": lines for name, lines in functions(file) if lines > OF_FUNCTION}
    assert all(lines <= LONG_FUNCTIONS.get(name, OF_FUNCTION) for name, lines in long.items()), long


def test_exceptions_are_still_needed():
    """One that has been cut leaves the list."""
    found = {str(file): len((PACKAGE / file).read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert all(found.get(name, 0) > LINES for name in LONG_FILES)
    lengths = {f"{file}:{name}": lines for file in FILES for name, lines in functions(file)}
    assert all(lengths.get(name, 0) > OF_FUNCTION for name in LONG_FUNCTIONS)
