"""Faults injected into runs: a few of each suite, and that it notices what it looks for."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import strike
from job import Job
from processes import carry_out, python
from trial import Outcome, differences


def test_a_few_faults():
    only = [word for kind in ("rank-killed", "killed-writing", "file-limit") for word in ("--only", kind)]
    words = ["faults", *only, "--faults", 3, "--seed", 4, "--ranks", 2, "--case", "beams"]
    done = carry_out(python([Path(__file__).parent, *words]), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines() if "rank(s)" in line] == ["ok"] * 3, done.stdout


def test_processes_that_stay_are_found_and_ended(tmp_path):
    job = Job(tmp_path / "run", "case", 2, program=("-c", "import time; time.sleep(100)"))
    assert job.wait(lambda: {0, 1} <= set(job.processes().values()), patience=20)
    _, _, in_time = job.end(time.time() - 11, 0.5)  # 11 s after a fault that was to end them in half a second
    assert not in_time
    time.sleep(0.5)
    assert not job.processes()


def run(**changed):
    """What `differences` reads of a run."""
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
def test_differences_are_noticed(changed, bits, within):
    assert list(differences(run(), run(**changed), bits=True)) == bits
    assert list(differences(run(), run(**changed), bits=False)) == within


def test_table_counts_what_failed():
    good, bad = Outcome("nan", seconds=1.0, code=4), Outcome("nan", seconds=3.0, code=1)
    bad.problems["readable"].append("a file is gone")
    assert bad.failed() and not good.failed()
    line = strike.table([good, bad]).splitlines()[2]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["2", "2", "3.0 s", "1, 4", "2", "1", "2"]


def test_table_replaces_the_one_before_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\ntext\n\n## Faults injected\n\nold\n\n## More\n\nend\n")
    strike.put_table(page, "new")
    assert page.read_text() == "# Page\n\ntext\n\n## Faults injected\n\nnew\n\n## More\n\nend\n"
    page.write_text("# Page\n")
    strike.put_table(page, "new")
    strike.put_table(page, "newer")
    assert page.read_text() == "# Page\n\n## Faults injected\n\nnewer\n"
