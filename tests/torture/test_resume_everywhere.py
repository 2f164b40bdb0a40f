"""A checkpoint after every step of small random runs, all methods and levels: each run goes on from each of them."""

import random

import pytest
import resume_everywhere as tool

# One and two dimensions in turn, where a level has both.
KINDS = [
    (method, level, 1 + (i + j) % 2 * (level in ("standard", "energy")))
    for j, level in enumerate(tool.LEVELS)
    for i, method in enumerate(tool.METHODS)
    if level in ("standard", "energy") or not method.endswith("bm")
]


def test_every_kind_of_run_comes_up():
    kinds = tool.problems()
    assert {next(kinds)[:2] for _ in range(100)} == {kind[:2] for kind in KINDS}


@pytest.mark.parametrize("method, level, axes", KINDS)
def test_runs_go_on_from_every_step_bit_for_bit(method, level, axes, tmp_path):
    # A NumPy truth value came into the memory of adams after some ten steps.
    most = 14 if method == "adams" else 6
    config = tool.random_config(random.Random(f"{method} {level} {axes}"), method, level, axes)
    copies, steps, problem = tool.trial(config, tmp_path, most=most)
    assert problem == ""
    assert 1 < copies == min(steps, most)


@pytest.mark.mpi
@pytest.mark.parametrize(
    "method, level, axes",
    [("adams", "standard", 1), ("adams", "energy", 2), ("5dp", "momentum", 1), ("6bm", "energy", 1), ("8vr", "full", 1)],
)
def test_so_they_do_on_several_ranks(comm, shared_tmp_path, method, level, axes):
    config = tool.random_config(random.Random("2"), method, level, axes)
    copies, _, problem = tool.trial(config, shared_tmp_path, comm, most=10)
    assert problem == "" and copies > 1


def test_a_difference_is_noticed(tmp_path):
    """A run that loses its last bit when it is resumed."""
    import numpy as np

    from nuflux_mpi.time.integrator import Integrator

    recall = Integrator.recall

    def careless(self, record, vectors):
        recall(self, record, vectors)
        self.u[0] = np.nextafter(self.u[0], 1.0)

    config = tool.random_config(random.Random("3"), "8vr", "standard", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Integrator, "recall", careless)
        _, _, problem = tool.trial(config, tmp_path, most=3)
    assert problem.startswith("resumed from checkpoint 0: ")
