"""Who may import whom: the package is a house of rooms, and data flows through them one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nuflux_mpi"
# A room may import those before it. What is not in a room is named alone: `errors` and `lazily` serve all of them.
ROOMS = ("errors", "lazily", "runtime", "units", "storage", "flavor", "kernels", "theory", "box", "time", "physics", "config",
         "results", "analysis", "plots", "run", "validation", "cli")  # fmt: skip
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(file):
    return file.parts[0].removesuffix(".py")


def imported(file):
    """(line, room) of all that a file of the package imports from it, late imports too."""
    here = ("nuflux_mpi", *file.parts[:-1])
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names = [(*module, name.name) for name in node.names] if module == ("nuflux_mpi",) else [module]
        elif isinstance(node, ast.Import):
            names = [tuple(name.name.split(".")) for name in node.names]
        else:
            continue
        for name in names:
            if name[0] == "nuflux_mpi" and len(name) > 1 and not name[1].startswith("__"):
                yield node.lineno, name[1]


def test_every_file_has_a_room():
    outside = {room_of(file) for file in FILES} - {"__init__", "__main__"}
    assert outside <= set(ROOMS)


@pytest.mark.parametrize("room", [room for room in ROOMS if (PACKAGE / room).is_dir()])
def test_every_room_says_what_it_is_for(room):
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
    assert "May import" in text and "Names:" in text


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_room_imports_only_those_before_it(file):
    room = room_of(file)
    if room in ("__init__", "__main__"):
        pytest.skip("the front door leads everywhere")
    behind = [f"line {line}: {other}" for line, other in imported(file) if ROOMS.index(other) > ROOMS.index(room)]
    assert not behind
