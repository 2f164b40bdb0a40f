"""tools/torture.py: a few of its faults, and that it notices what it looks for."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from loading import load_tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def torture():
    return load_tool("torture")


def test_a_few_faults():
    kinds = ("rank-killed", "killed-writing", "file-limit")
    only = [word for kind in kinds for word in ("--only", kind)]
    command = [
        sys.executable,
        ROOT / "tools" / "torture.py",
        *only,
        "--faults",
        "3",
        "--seed",
        "4",
        "--ranks",
        "2",
        "--case",
        "beams",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines() if "rank(s)" in line] == ["ok"] * 3, done.stdout


def test_processes_that_stay_are_found_and_ended(torture, tmp_path):
    job = torture.Job(tmp_path / "run", "case", 2, program=("-c", "import time; time.sleep(100)"))
    assert job.wait(lambda: {0, 1} <= set(job.processes().values()), patience=20)
    _, _, in_time = job.end(time.time() - 11, 0.5)  # 11 s after a fault that was to end them in half a second
    assert not in_time
    time.sleep(0.5)
    assert not job.processes()


def run(**changed):
    """What `torture.differences` reads of a run."""
    series = {"time": np.arange(3.0), "U_osc": np.ones(3), "wall_time": np.random.default_rng().random(3)}
    fields = {"time": np.arange(2.0), "P": np.ones((2, 2, 3, 4))}
    for name, value in changed.items():
        for part in (series, fields):
            if name in part:
                part[name] = value(part[name].copy())
    return SimpleNamespace(series=series, fields=fields)


@pytest.mark.parametrize(
    "changed, bits, within",
    [
        ({}, [], []),
        ({"P": lambda P: np.nextafter(P, 2)}, ["fields differs in P"], []),
        ({"U_osc": lambda U: np.nextafter(U, 2)}, ["series differs in U_osc"], []),
        ({"P": lambda P: P + 2e-9}, ["fields differs in P"], ["P differs by 2.0e-09"]),
        ({"P": lambda P: P * np.nan}, ["fields differs in P"], ["P differs by nan"]),
        ({"time": lambda t: np.minimum(t, 1)}, ["series has times [0. 1. 1.]"], ["series has times [0. 1. 1.]"]),
    ],
)
def test_differences_are_noticed(torture, changed, bits, within):
    assert list(torture.differences(run(), run(**changed), bits=True)) == bits
    assert list(torture.differences(run(), run(**changed), bits=False)) == within


def test_table_counts_what_failed(torture):
    good, bad = torture.Outcome("nan", seconds=1.0, code=4), torture.Outcome("nan", seconds=3.0, code=1)
    bad.problems["readable"].append("a file is gone")
    assert bad.failed() and not good.failed()
    line = torture.table([good, bad]).splitlines()[2]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["2", "2", "3.0 s", "1, 4", "2", "1", "2"]


def test_table_replaces_the_one_before_and_nothing_else(torture, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\ntext\n\n## Faults injected\n\nold\n\n## More\n\nend\n")
    torture.put_table(page, "new")
    assert page.read_text() == "# Page\n\ntext\n\n## Faults injected\n\nnew\n\n## More\n\nend\n"
    page.write_text("# Page\n")
    torture.put_table(page, "new")
    torture.put_table(page, "newer")
    assert page.read_text() == "# Page\n\n## Faults injected\n\nnewer\n"
