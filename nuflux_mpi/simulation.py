"""A run from config to results: each of the program's nouns in its order, one line each in `Simulation.__init__`."""

import time as clock

import numpy as np

from . import config as configuration
from . import growth, initial, kernels, provenance
from .errors import InputError, NumericalFailure
from .parallel import any_rank, on_root
from .watch import Watch


def simulate(config, out=None, overrides=(), **options):
    """Build the run of `config`, carry it out and return its results (:class:`~nuflux_mpi.results.Run`-like).

    See :class:`Simulation` for the arguments.
    """
    with Simulation(config, out=out, overrides=overrides, **options) as simulation:
        return simulation.run()


class Simulation:
    """One run. All ranks of `comm` make it, run it and close it together.

    config: path to a TOML file, name of a shipped case, or a dict.
    out: run directory, "" for a new one below runs/, or None to keep the results in memory.
    overrides: "section.key=value" strings that replace values of the config.
    comm: mpi4py communicator, default COMM_WORLD.
    overwrite: replace a run that `out` already holds. resume: continue it from its last fields; the config must describe
        the same problem, a later end or other cadences are welcome.
    deterministic: FFTW's plans by estimate, so that results repeat bit for bit on equal ranks.
    checkout: (commit, dirty) of the code, if the caller asked git before MPI was started.

    InputError, with the same message on all ranks, for anything wrong in the config.
    """

    def __init__(self, config, out=None, overrides=(), comm=None, overwrite=False, resume=False, deterministic=False,
                 checkout=None):
        self._checkout = checkout or provenance.commit()
        from mpi4py import MPI

        from .box import Box
        from .check import memory_per_rank
        from .diagnostics import Diagnostics
        from .environment import check_index_size, check_memory, check_parallel
        from .integrate import Integrator, initialize
        from .levels import LEVELS
        from .modes import build

        comm = self.comm = MPI.COMM_WORLD if comm is None else comm
        self.config = config = on_root(comm, configuration.resolve, config, overrides)
        petsc = initialize(comm, config["petsc"]["options"])
        check_parallel(comm)
        if deterministic:
            config["box"]["fftw"] = "estimate"

        check_memory(on_root(comm, memory_per_rank, config, comm.Get_size()), comm)
        place, times = config["box"], config["time"]
        self.modes = modes = build(config["modes"])
        level = LEVELS[config["equations"]["level"]]
        special = level.settings_of(config, modes.s)
        level.warm_up(comm)
        lines = level.lines(len(modes), special)
        check_index_size(2 * lines * (np.prod(place["points"], dtype=int) // 2 + 1), 8 * petsc.IntType().itemsize)
        self.box = box = Box(place["length"], place["points"], lines, comm, origin=place["origin"], fftw=place["fftw"])
        P = initial.polarization(config, modes, box)
        self.density = initial.density(P, modes, box)
        self.equations = level(box, modes, special)
        self.integrator = Integrator(
            self.equations.picture.rhs, self.equations.picture.size, comm, method=times["method"], rtol=times["rtol"],
            atol=times["atol"], start=times["start"], dt_initial=times["dt_initial"], dt_min=times["dt_min"],
            dt_max=times["dt_max"], options=config["petsc"]["options"],
        )
        self.diagnostics = Diagnostics(box, modes, P, self.density, times["start"])
        self.equations.start(times["start"], self.integrator.u, P, self.density)
        self._norm = self.integrator.norm()
        self._watch = Watch(config, modes, times["rtol"] + (times["atol"] / self._norm if self._norm else 0.0))
        self.output = self._open_output(out, overwrite, resume)
        self.stopped = False
        self._rows, self._count = [], 0  # the last rows of the series, and how many there are
        self._before = {"step": 0, "rejections": 0, "rhs_evaluations": 0, "wall_time": 0.0}
        if self.output.start:
            self._continue(*self.output.start)

    def _open_output(self, out, overwrite, resume):
        from .output import Memory, RunDirectory, check_same_physics, choose_directory, coordinates

        config, box = self.config, self.box
        count, level = len(self.modes), self.equations
        leading, state_leading = level.leading(count), level.state_leading(count, level.settings)
        axes = coordinates(box, self.modes, self.density, level.axes())
        k = self.diagnostics.spectrum.k if config["output"]["spectrum_every"] else None
        directory = None if out is None else on_root(self.comm, choose_directory, config, out, overwrite, resume)
        if resume:
            on_root(self.comm, check_same_physics, directory, config)
        text = on_root(self.comm, configuration.to_toml, config)
        attrs = provenance.attributes(config, text, box, self._checkout)
        parts = (config, attrs, box, axes, leading, state_leading, k)
        return Memory(*parts) if directory is None else RunDirectory(directory, resume, *parts)

    def _continue(self, t, fields, rows):
        """Go on from fields at time t; rows: the first and the last two rows of the series so far."""
        self.integrator.t = t
        self.equations.put(t, self.integrator.u, **fields)
        self.diagnostics.energy_at_start = rows[0].get("energy")
        self._rows, self._count = rows[-2:], rows[-1]["rows"]
        self._before = {name: rows[-1][name] for name in self._before}

    def describe(self):
        """What is about to run, in a few lines."""
        config, box, modes = self.config, self.box, self.modes
        (length,), (points,) = box.length, box.points
        cut = f"cut as {box.plan.N1} x {box.plan.N2} points" if box.plan.factored else "in slabs"
        kernels_used = "compiled kernels (numba)" if kernels.COMPILED else "NumPy kernels (slower: numba is not in use)"
        lines = [
            config["title"] or config["name"],
            f'{len(modes)} modes, box of length {length:g} with {points} points, level "{self.equations.level}", '
            f"t = {self.integrator.t:g} .. {config['time']['end']:g}, {config['time']['method']} at rtol {config['time']['rtol']:g}",
            f"{box.size} rank{'s' * (box.size > 1)}, {cut}, {kernels_used}",
        ]
        return "\n".join(lines)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # After an error on this rank alone the others would not take part in a collective close.
        if error[0] is None or issubclass(error[0], (InputError, NumericalFailure)):
            self.close()

    def run(self, progress=None, stop=None):
        """Integrate to the end, writing as the config asks; -> results.

        progress: a :class:`~nuflux_mpi.progress.Progress` or None. stop: callable asked after every step on every rank;
        a true answer on any rank ends the run after that step, `stopped` is then true. NumericalFailure if the
        integration cannot go on; all rows before are written.
        """
        config, integrator = self.config, self.integrator
        start, end = config["time"]["start"], config["time"]["end"]
        cadences = {name: config["output"][f"{name}_every"] for name in ("series", "fields", "spectrum", "phase_space")}
        self._begun, self._progress, self._warned = clock.monotonic(), progress, set()
        done = integrator.t if self._count else -np.inf
        integrator.begin(norm=self._norm)  # that of the start, also when the run is resumed

        def after_step():
            if progress:
                progress.update(integrator.t, integrator.statistics, self._rows[-1])
            self.stopped = stop is not None and any_rank(self.comm, stop())
            return self.stopped

        for t, due in schedule(start, end, cadences):
            if t <= done:
                continue
            try:
                if not integrator.advance(t, after_step):
                    self._record(integrator.t, set(cadences))
                    break
            except NumericalFailure as failure:
                raise NumericalFailure(f"{failure}{self._place_of_damage()}") from None
            self._record(t, set(cadences) if self.stopped else due)
            if self.stopped:
                break
        integrator.view()
        self.output.close()
        run = self.output.result()
        if run.directory and not self.stopped and self.comm.Get_rank() == 0:
            growth.record(run)
        return run

    def _record(self, t, due):
        fields = self.equations.take(t, self.integrator.u)
        if "fields" in due:
            self.output.append_fields(t, fields)
        if due & {"series", "spectrum"}:
            measured = self.diagnostics.measure(t, fields)
            power = measured.pop("psi2")
            if "series" in due:
                self._append(t, self.diagnostics.complete(measured | self.equations.measure()))
            if "spectrum" in due and self.config["output"]["spectrum_every"]:
                self.output.append_spectrum(t, power)
        if "phase_space" in due and self.equations.state_leading(len(self.modes), self.equations.settings):
            self.output.append_state(t, self.equations.take_state(t, self.integrator.u))

    def _append(self, t, measured):
        counts, before, rows = self.integrator.statistics, self._before, self._rows
        row = {
            "time": t, **measured, **{slope: np.nan for slope, name in _SLOPES.items() if name in measured},
            "step": before["step"] + counts.steps,
            "dt": counts.dt,
            "rejections": before["rejections"] + counts.rejections,
            "rhs_evaluations": before["rhs_evaluations"] + counts.rhs_evaluations,
            "wall_time": before["wall_time"] + clock.monotonic() - self._begun,
        }
        rows.append(row)
        del rows[:-3]
        if len(rows) > 1:
            for slope, name in _SLOPES.items():
                if name in row:
                    row[slope] = _slope(rows, name, t)
                    # The row before now has neighbours on both sides.
                    self.output.amend(slope, self._count - 1, _slope(rows, name, rows[-2]["time"]))
        self.output.append(row)
        self._count += 1
        found = self._watch(row) | self.equations.warnings(row)
        for subject in [name for name in found if name not in self._warned]:
            self._warned.add(subject)
            text = f"warning at t = {t:.6g}: {found[subject]}"
            self.output.warn(text)
            if self._progress:
                self._progress.say(text)

    def _place_of_damage(self):
        """Where the last good state changes fastest, or not in numbers at all, as the end of a sentence. Collective."""
        level, t = self.equations, self.integrator.t
        for moment in (t, t + self.integrator.attempted):
            level.picture.fields(moment, self.integrator.u, level.picture.needed)
            level.picture.source(moment)
            rates = level.rates()
            if any_rank(self.comm, not np.isfinite(rates).all()):
                break
        worst = np.where(np.isfinite(rates), rates, np.inf)
        row, point = np.unravel_index(np.argmax(worst), worst.shape)
        here = (float(worst[row, point]), int(row), float(self.box.coordinates()[0][point]))
        value, row, z = max(self.comm.allgather(here))
        what = "is not finite" if np.isinf(value) else f"is largest ({value:.3g})"
        return f"; the rate of change {what} at z = {z:.6g} {level.place(row)}"

    def close(self):
        """Free PETSc's objects (collective)."""
        self.integrator.destroy()


# Series of difference quotients, each with the series that it differentiates.
_SLOPES = {"dU_osc_dt_difference": "U_osc", "dK_dt_difference": "K"}


def _slope(rows, name, t):
    """Rate of change of a series, summed over modes, at one of the last two or three rows: of the parabola (or line)."""
    times = np.array([row["time"] for row in rows]) - t
    values = [np.sum(row[name]) for row in rows]
    return float(np.polynomial.polynomial.polyfit(times, values, len(rows) - 1)[1])


def schedule(start, end, cadences):
    """Output times in order with what is due: (t, {names}). Multiples of each cadence from `start`, and both ends.

    cadences: name -> interval. An interval of 0 asks for nothing, but for snapshots (not "spectrum") it means the two ends.
    Times of different cadences that agree to rounding are one time.
    """
    due = {}
    for name, every in cadences.items():
        if every:
            count = int(np.floor((end - start) / every * (1 + 1e-12)))
            steps = [start + i * every for i in range(count + 1)]
        elif name != "spectrum":
            steps = [start]
        else:
            continue
        steps = [t if abs(t - end) > 1e-9 * min(every, end - start) else end for t in steps]
        for t in steps + [end]:
            due.setdefault(round((t - start) / (end - start) * 1e12), [t, set()])[1].add(name)
    return [tuple(due[key]) for key in sorted(due)]
