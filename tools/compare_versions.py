#!/usr/bin/env python3
"""Did a change of the code change a number? Two checkouts run the same problems, and all that they store is compared.

    python tools/compare_versions.py ../before .                   all problems, 1 to 4 ranks: some minutes for each checkout
    python tools/compare_versions.py ../before . --quick           a few of them, on 1 and 3 ranks: a minute
    python tools/compare_versions.py ../before . --only two_beam --ranks 1 2
    python tools/compare_versions.py ../before . --quick --cross   and: run directories of the old version in the new one
    python tools/compare_versions.py --list

Every shipped case, at every level that it allows, until its instability has saturated (angular_thermal and full_thermal: as it
begins to), and the configs of jobs/: with smaller boxes and fewer directions where they are large, as `--list` tells. Then what
the cases leave out: each method, each kind of start, antineutrinos, boxes of two and three dimensions, terms switched off, and
the loops in NumPy. FFTW's plans come by estimate, so that the same arithmetic gives the same bits on the same processor.

A series or a field differs by the largest |new - old| over the largest |old|; what is itself a small difference, such as
`energy_residual`, is measured by what it is a difference of (`SCALES`). At most `--limit`, 1e-10, is allowed: rounding, times
the growth of an instability. Counts of steps must be equal. Exit code 0 if all agree, 1 if not.

Results stay in `--keep`, by the commit of the checkout, and a commit that has them is not run again. A checkout with changes
that are not committed always is.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LIMIT = 1e-10
PATIENCE = 300.0  # seconds for one problem, compiling included
DONE, FAILED = "done", "failed"

WHOLE = ("standard", "energy", "momentum", "full")
MOMENTA, PLAIN = WHOLE[:3], WHOLE[:2]
NARROW = "momentum.points=32 momentum.half_width=6"
COARSE = "full.points=80 full.p_max=20 full.perp_points=3"
EVERY_DIRECTION = "full.points=80 full.p_max=20 full.perp_points=32 box.points=12 time.end=30 initial.n_max=4"


class Problem:
    """A case (or a dict) with what is changed in it: `words` at all levels, `at[level]` at one of them.

    quick: one of those that --quick runs. numpy: without numba.
    """

    def __init__(self, case, words, levels=PLAIN, at=None, quick=False, numpy=False):
        self.case, self.words, self.levels = case, words, levels
        self.at, self.quick, self.numpy = at or {}, quick, numpy

    def runs(self, name):
        """(name, case, overrides) of each level."""
        for level in self.levels:
            yield f"{name}-{level}", self.case, f"equations.level={level} {self.words} {self.at.get(level, '')}".split()


FOUR_BEAMS = {
    "box": {"length": 10.0, "points": 48},
    "modes": {"velocity": [1.0, -0.5, 1.0, -0.5], "sign": [1, 1, -1, -1], "density": [0.5, 0.3, 0.3, 0.5]},
    "initial": {"kind": "seeds", "zeta": [0.5, 0.3, 0.3, 0.5], "variance": 1e-6, "n_max": 8, "seed": 2},
    "time": {"end": 6.0, "rtol": 1e-9},
    "output": {"series_every": 0.5, "fields_every": 2.0, "phase_space_every": 3.0},
    "momentum": {"points": 32, "half_width": 6.0, "sigma": 0.7},
}
POWER_LAW = FOUR_BEAMS | {"initial": {"kind": "power-law", "amplitude": 1e-3, "exponent": 1.5, "n_max": 8, "seed": 2}}
EIGENMODE = FOUR_BEAMS | {
    "box": {"length": 6.283185307179586, "points": 32},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "eigenmode", "zeta": [0.5, -0.5], "n": -1, "amplitude": 1e-4},
    "time": {"end": 12.0, "rtol": 1e-11},
}
SHORT = "time.end=8 box.length=20 box.points=128 initial.n_max=20 output.fields_every=2"
BUNCHES = "time.end=5 box.points=32 output.fields_every=2.5"
LOOSE = {"3bs": "time.rtol=1e-7", "4bm": "time.rtol=1e-7"}
METHODS = ("3bs", "5dp", "5bs", "6vr", "7vr", "8vr", "4bm", "6bm", "adams")
# The shipped cases, jobs/ cut down, what both leave out, and the loops without numba.
SMALLER = {
    "two_beam": {"momentum": f"box.length=25 box.points=96 initial.n_max=25 time.end=9 {NARROW}",
                 "full": f"box.length=12 box.points=48 initial.n_max=8 time.end=9 {COARSE}"},
    "golden_ratio": {"momentum": f"box.length=25 box.points=96 initial.n_max=16 {NARROW}",
                     "full": f"box.length=12 box.points=48 initial.n_max=8 {COARSE}"},
    "angular": {"momentum": f"modes.number=12 box.length=50 box.points=32 initial.n_max=5 {NARROW}",
                "full": f"modes.number=4 box.length=50 {EVERY_DIRECTION}"},
    "code_comparison": {"momentum": f"modes.number=12 box.length=49 box.points=32 initial.n_max=4 {NARROW}",
                        "full": f"modes.number=4 box.length=49 {EVERY_DIRECTION}"},
    "missing_energy": {"momentum": "box.length=25 box.points=128 initial.n_max=25",
                       "full": f"box.length=12 box.points=48 initial.n_max=8 {COARSE} full.p0=8 full.sigma=1.2"},
}  # fmt: skip
PROBLEMS = {
    "two_beam": Problem("two_beam", "time.end=12 output.fields_every=3", WHOLE, SMALLER["two_beam"], quick=True),
    "single_wave": Problem("single_wave", "output.fields_every=3", WHOLE, {"momentum": NARROW, "full": COARSE}),
    "golden_ratio": Problem("golden_ratio", "output.fields_every=2", WHOLE, SMALLER["golden_ratio"]),
    "multi_angle": Problem("multi_angle", "time.end=200 output.fields_every=25", MOMENTA,
                           {"momentum": f"modes.number=16 box.points=96 time.end=120 {NARROW}"}),
    "angular": Problem("angular", "box.length=200 box.points=160 initial.n_max=20 modes.number=32 time.end=700 "
                       "output.fields_every=100", WHOLE, SMALLER["angular"], quick=True),
    "angular_thermal": Problem("angular_thermal", "box.points=24 modes.number=6 time.end=140 output.fields_every=35", WHOLE,
                               {"full": EVERY_DIRECTION}),
    "code_comparison": Problem("code_comparison", "box.length=98 box.points=98 initial.n_max=20 modes.number=32 "
                               "time.end=1400 output.fields_every=200", WHOLE, SMALLER["code_comparison"]),
    "four_beams_2d": Problem("four_beams_2d", "box.length=[14,14] box.points=[64,64] initial.n_max=4 time.end=11 "
                             "output.fields_every=5.5", quick=True),
    "missing_energy": Problem("missing_energy", "time.end=10 output.fields_every=2.5 output.phase_space_every=5", WHOLE,
                              SMALLER["missing_energy"], quick=True),
    "finite_rmu": Problem("finite_rmu", "time.end=8 output.fields_every=2 box.points=32 output.phase_space_every=4", WHOLE,
                          {"momentum": NARROW}, quick=True),
    "full_thermal": Problem("full_thermal", "time.end=120 box.points=16 output.fields_every=30", WHOLE,
                            {"momentum": f"box.points=32 {NARROW}"}),
    "jobs_two_beam_64": Problem("jobs/two_beam_64.toml", "box.length=100 box.points=1024 initial.variance=1e-8 time.end=12 "
                                "output.fields_every=3"),
    "jobs_missing_energy_64": Problem("jobs/missing_energy_64.toml", "box.length=25 box.points=128 initial.variance=4e-8 "
                                      "time.end=9 output.fields_every=3", ("momentum",)),
    "jobs_code_comparison": Problem("jobs/code_comparison.toml", "box.length=98 box.points=98 initial.n_max=4 "
                                    "modes.number=50 time.end=1400 output.fields_every=350", ("standard",)),
    "antineutrinos": Problem(FOUR_BEAMS, "", MOMENTA),
    "odd_points": Problem(FOUR_BEAMS, "box.points=45", MOMENTA, quick=True),
    "messages": Problem(FOUR_BEAMS, "box.exchange=messages", MOMENTA),
    "power_law": Problem(POWER_LAW, "", ("energy",)),
    "eigenmode": Problem(EIGENMODE, ""),
    "profile": Problem("multi_angle", "modes.number=9 box.points=96 initial.shape=sech initial.n=2 time.end=100 "
                       "output.fields_every=50"),
    "plane_angular": Problem("angular", "box.length=[60,80] box.points=[24,30] initial.n_max=3 modes.number=6 "
                             "modes.azimuths=4 modes.alpha=1.0 time.end=150 output.fields_every=50"),
    "solid": Problem("four_beams_2d", "box.length=[6,7,8] box.points=[10,12,15] initial.n_max=2 time.end=12 "
                     "modes.velocity=[[0.0,0.6,0.8],[0.0,0.0,-1.0],[1.0,0.0,0.0],[-1.0,0.0,0.0]] output.fields_every=4",
                     quick=True),
    "plane_splitting": Problem("four_beams_2d", "box.length=[14,14] box.points=[32,36] initial.n_max=4 time.end=9 "
                               "time.method=6bm time.rtol=1e-7 output.fields_every=3"),
    **{f"method_{method}": Problem("two_beam", f"{SHORT} time.method={method} {LOOSE.get(method, '')}",
                                   quick=method in ("6bm", "5dp")) for method in METHODS},
    "momentum_5dp": Problem(FOUR_BEAMS, "time.method=5dp", ("momentum",)),
    "momentum_8vr": Problem(FOUR_BEAMS, "time.method=8vr", ("momentum",)),
    "full_without_group_velocity": Problem("finite_rmu", f"{BUNCHES} full.group_velocity=false", ("full",)),
    "full_without_force": Problem("finite_rmu", f"{BUNCHES} full.force=false", ("full",)),
    "full_without_commutator": Problem("finite_rmu", f"{BUNCHES} full.commutator=false", ("full",)),
    "full_adams": Problem("finite_rmu", f"{BUNCHES} time.method=adams", ("full",)),
    "numpy_two_beam": Problem("two_beam", SHORT, numpy=True),
    "numpy_splitting": Problem("two_beam", f"{SHORT} time.method=4bm time.rtol=1e-6", numpy=True),
    "numpy_small": Problem(FOUR_BEAMS, "time.end=3", ("momentum",), numpy=True, quick=True),
    "numpy_full": Problem("finite_rmu", f"time.end=2 box.points=16 {COARSE}", ("full",), numpy=True),
    "numpy_plane": Problem("four_beams_2d", "box.length=[14,14] box.points=[16,20] initial.n_max=4 time.end=8", numpy=True),
}  # fmt: skip

# What may be small or nothing at all, by what its size is measured together with its own.
SCALES = {
    "energy_residual": ("U_osc", "kinetic_energy"),
    "energy": ("U_osc", "kinetic_energy"),
    "K": ("U_osc",),
    "momentum": ("U_osc", "K"),
    "dU_osc_dt": ("U_osc",),
    "dU_osc_dt_difference": ("U_osc",),
    "dK_dt": ("U_osc",),
    "dK_dt_difference": ("U_osc",),
    "U_osc_transverse": ("U_osc",),
    "U_osc_longitudinal": ("U_osc",),
    "U_trace": ("U_osc",),
    "P_mean": ("density",),
    "Phi": ("density",),
    "F": ("density",),
}
# Relative numbers, and the integral of a moment that may vanish, in units of n / mu: measured by 1 at least.
ABSOLUTE = ("P_drift_max", "P_drift_mean", "P_length_max", "nu_x", "P_ee", "P_ee_bar", "coherence", "spectral_tail",
            "edge", "centre", "edge_weight", "D0")  # fmt: skip
COUNTS = ("step", "rejections", "rhs_evaluations")
FREE = ("wall_time",)
FILES = ("series.h5", "fields.h5", "phase_space.h5")


# --- runs of one checkout --------------------------------------------------------------------------------------------


def worker(listing, directory):
    """Carry out the runs of a JSON file that are not there yet, in the checkout that Python imports. Collective."""
    import warnings

    from mpi4py import MPI

    import nuflux_mpi

    warnings.simplefilter("ignore")
    comm = MPI.COMM_WORLD
    for name, case, words, how in json.loads(Path(listing).read_text()):
        out = Path(directory) / name
        if comm.bcast((out / DONE).exists() or (out / FAILED).exists()):
            continue
        if comm.rank == 0:
            print(name, flush=True)
        mark, said = DONE, ""
        try:
            there = {"resume": "auto"} if how == "resumed" else {"overwrite": True}
            with nuflux_mpi.Simulation(case, overrides=words, out=out, deterministic=True, **there) as simulation:
                simulation.run(stop=Halfway(simulation) if how == "half" else None)
        except (nuflux_mpi.InputError, nuflux_mpi.NumericalFailure) as error:
            mark, said = FAILED, str(error)
        except Exception:
            traceback.print_exc()
            comm.Abort(1)
        if comm.rank == 0:
            out.mkdir(parents=True, exist_ok=True)
            (out / mark).write_text(said)
        comm.Barrier()


class Halfway:
    """A wish to stop when half of a run is done."""

    def __init__(self, simulation):
        times = simulation.config["time"]
        self.simulation, self.half = simulation, (times["start"] + times["end"]) / 2

    def __call__(self):
        return "half of it is done" if self.simulation.t >= self.half else ""


class Checkout:
    """A copy of the code, and the directory of what it has computed: one below `keep` for each commit."""

    def __init__(self, path, keep):
        self.path = Path(path).resolve()
        if not (self.path / "nuflux_mpi" / "__init__.py").exists():
            raise SystemExit(f"compare_versions: {path} is no checkout: it has no nuflux_mpi")
        self.commit = commit = self._git("rev-parse", "--short=12", "HEAD") or "unknown"
        self.clean = commit != "unknown" and not self._git("status", "--porcelain", "--", "nuflux_mpi")
        # A checkout with changes has a place of its own, since there may be several of one commit.
        own = "" if self.clean else f"-changed-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:6]}"
        self.name, self.results = f"{commit}{own}", keep / f"{commit}{own}"

    def moved(self):
        """Whether the checkout is at another commit than when it was looked at first."""
        return self.commit != (self._git("rev-parse", "--short=12", "HEAD") or "unknown")

    def _git(self, *words):
        done = subprocess.run(["git", "-C", self.path, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _environment(self, numpy):
        ours = {"PYTHONPATH": str(self.path), "OMP_NUM_THREADS": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        ours |= {"OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return os.environ | ours | ({"NUFLUX_NUMBA": "0"} if numpy else {})

    def python(self, *words, ranks=1, numpy=False, timeout=None):
        """Run `python WORDS` with this version of the package; -> CompletedProcess with both outputs as text."""
        command = ["mpirun", "-n", ranks, sys.executable] if ranks > 1 else [sys.executable]
        return subprocess.run([str(word) for word in (*command, *words)], cwd=self.path, env=self._environment(numpy),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)  # fmt: skip

    def carry_out(self, runs, ranks, numpy=False):
        """Carry out what is not there yet of (name, case, overrides, how), into `results`/name. -> seconds it took"""
        begun = time.monotonic()
        self.results.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as listing:
            json.dump(runs, listing)
            listing.flush()
            while missing := [name for name, *_ in runs if not self._over(name)]:
                words = (Path(__file__).resolve(), "--worker", listing.name, self.results)
                try:
                    done = self.python(*words, ranks=ranks, numpy=numpy, timeout=PATIENCE + 30.0 * len(missing))
                    problem = done.stderr if done.returncode else "the run was left out"
                    if done.returncode and not done.stdout:
                        raise SystemExit(f"compare_versions: {self.path} does not start: {done.stderr.strip()[-2000:]}")
                except subprocess.TimeoutExpired:
                    problem = "it did not end in time"
                still = [name for name, *_ in runs if not self._over(name)]
                if still:  # the first of these ended the session
                    (self.results / still[0]).mkdir(exist_ok=True)
                    (self.results / still[0] / FAILED).write_text(problem)
        return time.monotonic() - begun

    def _over(self, name):
        return (self.results / name / DONE).exists() or (self.results / name / FAILED).exists()

    def forget(self, names):
        for name in names:
            shutil.rmtree(self.results / name, ignore_errors=True)

    def failure(self, name):
        """What a run said that failed, or ""."""
        path = self.results / name / FAILED
        return path.read_text().strip() or "no reason was given" if path.exists() else ""


def sessions(chosen, ranks):
    """{(number of ranks, whether without numba): [(name, case, overrides, how)]}, in the order of the table."""
    found = {}
    for name, problem in chosen.items():
        for size in ranks:
            runs = [(f"{one}-{size}", case, words, "whole") for one, case, words in problem.runs(name)]
            found.setdefault((size, problem.numpy), []).extend(runs)
    return found


def carry_out_all(checkout, plan):
    """All sessions of a plan, two cores at work: runs on one rank in two sessions at a time. -> seconds they took"""
    begun, serial = time.monotonic(), []
    for (size, numpy), runs in plan.items():
        if size == 1:
            serial += [(runs[half::2], numpy) for half in (0, 1) if runs[half::2]]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: checkout.carry_out(part[0], 1, part[1]), serial))
    for (size, numpy), runs in plan.items():
        if size > 1:
            checkout.carry_out(runs, size, numpy)
    return time.monotonic() - begun


# --- comparison ------------------------------------------------------------------------------------------------------


def arrays_of(directory):
    """All datasets of a run by file and name, and their attributes left aside."""
    import h5py
    import numpy as np

    found = {}
    for file in FILES:
        if (directory / file).exists():
            with h5py.File(directory / file, "r", locking=False) as content:
                found |= {(file, name): np.asarray(data) for name, data in content.items() if name not in FREE}
    return found


def differences(old, new):
    """{name: (difference over size, the same bits)} of two dicts of :func:`arrays_of`; inf where shapes or counts differ."""
    import numpy as np

    found, largest = {}, {}
    for (_, name), data in old.items():
        largest[name] = max(
            largest.get(name, 0.0), float(np.nanmax(np.abs(data), initial=0.0)) if data.dtype.kind in "if" else 0.0
        )
    for key in sorted({*old, *new}):
        name, (one, other) = key[1], (old.get(key), new.get(key))
        if one is None or other is None or one.shape != other.shape or one.dtype.kind != other.dtype.kind:
            found["/".join(key)] = (np.inf, False)
            continue
        same = one.tobytes() == other.tobytes()
        if same or one.dtype.kind not in "if":
            found["/".join(key)] = (0.0 if same or np.array_equal(one, other) else np.inf, same)
            continue
        size = max([largest[name], 1.0 if name in ABSOLUTE else 0.0, *(largest.get(n, 0.0) for n in SCALES.get(name, ()))])
        apart = np.abs(other.astype(float) - one.astype(float))
        lost = np.isnan(one) != np.isnan(other)
        worst = np.inf if lost.any() or (name in COUNTS and apart.any()) else float(np.nanmax(apart, initial=0.0))
        found["/".join(key)] = (worst / size if size else worst, same)
    return found


def compare(old, new, name, limit):
    """One line about one run in both versions, and whether it agrees."""
    said = [f"{checkout.name}: {checkout.failure(name)}" for checkout in (old, new) if checkout.failure(name)]
    if said:
        return f"{name:34s} FAILED: {said[0].splitlines()[-1][:300]}", False
    found = differences(arrays_of(old.results / name), arrays_of(new.results / name))
    beyond = {key: size for key, (size, _) in found.items() if not size <= limit}
    apart = {key: size for key, (size, same) in found.items() if not same}
    if not apart:
        return f"{name:34s} the same bits ({len(found)} arrays)", True
    worst = sorted(apart, key=apart.get, reverse=True)[:4]
    told = ", ".join(f"{key} {apart[key]:.1e}" for key in worst)
    return f"{name:34s} {'DIFFERS' if beyond else 'agrees'}: {len(apart)} of {len(found)} arrays, {told}", not beyond


def cross(old, new, limit, chosen, ranks):
    """Run directories of the old version in the new one: shown, drawn, and gone on with from the middle. -> lines, all well

    A resumed run must end with the numbers of the old version's whole run, or be refused in one sentence.
    """
    chosen = {name: problem for name, problem in chosen.items() if not problem.numpy}
    lines, well = [], True
    for size in ranks:
        whole = sessions(chosen, [size])[size, False]
        halves = [(f"half-{name}", case, words, "half") for name, case, words, _ in whole]
        old.carry_out(whole, size)
        old.carry_out(halves, size)
        resumed = [(f"resumed-{old.name}-{name}", case, words, "resumed") for name, case, words, _ in whole]
        new.forget([name for name, *_ in resumed])
        new.results.mkdir(parents=True, exist_ok=True)
        for (half, *_), (target, *_) in zip(halves, resumed):
            whole_rows, rows = (len(arrays_of(old.results / one)["series.h5", "time"]) for one in (half[len("half-") :], half))
            if not 0 < rows < whole_rows:  # else nothing would be left to go on with
                raise SystemExit(f"compare_versions: {half} has {rows} rows of the {whole_rows} of the whole run")
            ignored = shutil.ignore_patterns(DONE, FAILED, "RUNNING")
            shutil.copytree(old.results / half, new.results / target, ignore=ignored)
        new.carry_out(resumed, size)
        for (name, *_), (target, *_) in zip(whole, resumed):
            if new.failure(target):
                one_sentence = len(new.failure(target).splitlines()) == 1
                lines.append(f"resume {name:34s} {'refused' if one_sentence else 'FAILED'}: {new.failure(target)}")
                well = well and one_sentence
                continue
            found = differences(arrays_of(old.results / name), arrays_of(new.results / target))
            beyond = [key for key, (apart, _) in found.items() if not apart <= limit]
            bits = all(same for _, same in found.values())
            lines.append(
                f"resume {name:34s} {'DIFFERS in ' + ', '.join(beyond) if beyond else 'same bits' if bits else 'agrees'}"
            )
            well = well and not beyond
        if size == ranks[0]:
            for name, *_ in whole:
                told, fine = shown(old, new, name)
                lines, well = lines + told, well and fine
    return lines, well


READ = """
import sys
import nuflux_mpi
run = nuflux_mpi.Run(sys.argv[1])
sums = [float(abs(data).sum()) for part in (run.series, run.fields) for data in (part[name][...] for name in part)]
print(len(run.series["time"]), run.finished, len(sums), bool(run.summary()), len(run.toml()) > 100)
"""


def shown(old, new, name):
    """`info`, `plot` and `Run` of the new version on a run directory of the old one. -> lines, whether all is well"""
    lines, well = [], True
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "run"
        shutil.copytree(old.results / name, directory, ignore=shutil.ignore_patterns(DONE))
        for words in (("-m", "nuflux_mpi", "info", directory), ("-m", "nuflux_mpi", "plot", directory),
                      ("-m", "nuflux_mpi", "diff", directory, old.results / name), ("-c", READ, directory)):  # fmt: skip
            done = new.python(*words, timeout=PATIENCE)
            what = words[2] if words[0] == "-m" else "Run"
            if done.returncode or "Traceback" in done.stderr:
                well = False
                lines.append(f"{what:6s} {name:34s} FAILED: {done.stderr.strip()[-300:]}")
        drawn = len([*directory.glob("**/*.png")])
    return [*lines, f"shown  {name:34s} {'info, plot, diff and Run work' if well else 'FAILED'}, {drawn} figures"], well


# --- command line ----------------------------------------------------------------------------------------------------


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", nargs="?", help="checkout of the version before")
    parser.add_argument("new", nargs="?", help="checkout of the version after; left out: results of OLD are made and kept")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these problems")
    parser.add_argument("--quick", action="store_true", help="a few problems, on 1 and 3 ranks")
    parser.add_argument("--ranks", type=int, nargs="+", metavar="N", help="numbers of ranks (default: 1 2 3 4)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"largest difference allowed (default {LIMIT:g})")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "nuflux_versions", metavar="DIR",
                        help="where results stay (default: %(default)s)")  # fmt: skip
    parser.add_argument("--cross", action="store_true", help="run directories of OLD in NEW: shown, drawn, gone on with")
    parser.add_argument("--list", action="store_true", help="print the problems with what is changed in each case")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if not arguments.list and not arguments.worker and not arguments.old:
        parser.error("name two checkouts")
    for name in arguments.only or ():
        if name not in PROBLEMS:
            parser.error(f"{name} is not one of {', '.join(PROBLEMS)}")
    return arguments


def main(words=None):
    """Run what `words` ask for (default: the command line); -> exit code."""
    arguments = parse(words)
    if arguments.worker:
        return worker(*arguments.worker)
    if arguments.list:
        for name, problem in PROBLEMS.items():
            for one, case, changed in problem.runs(name):
                print(f"{one}: {case if isinstance(case, str) else 'four beams'} {' '.join(changed)}")
        return 0
    keep = arguments.keep.resolve()
    old, new = Checkout(arguments.old, keep), Checkout(arguments.new, keep) if arguments.new else None
    chosen = {name: PROBLEMS[name] for name in arguments.only or PROBLEMS if PROBLEMS[name].quick or not arguments.quick}
    ranks = arguments.ranks or ([1, 3] if arguments.quick else [1, 2, 3, 4])
    plan = sessions(chosen, ranks)
    names = [name for runs in plan.values() for name, *_ in runs]
    for checkout in filter(None, (old, new)):
        checkout.forget(names if not checkout.clean else [name for name in names if checkout.failure(name)])
        print(f"{checkout.name}: {len(names)} runs, {carry_out_all(checkout, plan):.0f} s", flush=True)
        if checkout.moved():
            raise SystemExit(f"compare_versions: {checkout.path} went to another commit meanwhile: remove {checkout.results}")
    if new is None:
        failed = [f"{name}: {old.failure(name)[-300:]}" for name in names if old.failure(name)]
        print("\n".join(failed))
        return 1 if failed else 0
    outcomes = [compare(old, new, name, arguments.limit) for name in names]
    lines, well = cross(old, new, arguments.limit, chosen, ranks) if arguments.cross else ([], True)
    print("\n".join([*(line for line, _ in outcomes), *lines]))
    wrong = sum(not fine for _, fine in outcomes)
    print(f"{len(outcomes)} runs in both versions, {wrong} differ" + ("" if well else "; old run directories: NOT ALL WELL"))
    return 1 if wrong or not well else 0


if __name__ == "__main__":
    sys.exit(main())
