"""Growth rates as a run shows them, beside those of linear theory: a fit to each wave, and a verdict.

    from nuflux_mpi import Run, growth
    waves = growth.measure(Run("runs/two_beam"))
    waves.k, waves.measured, waves.theory, waves.verdict()

The power psi2 = sum_a |psi_{a,k}|^2 of a wave that follows linear theory grows like exp(2 gamma t) once its fastest
eigenmode has left the others behind, and until the waves act on each other. `measure` looks for that phase in each
wave without knowing the theory, from results alone. A finished run writes the table to growth.csv; `info` repeats the
verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..results import growth_table
from ..results.names import space_of
from ..theory import growth_curve, linear
from . import linear_problem

# Amplitude grows by e^3 in a window, or by e^2 where a run has no room for more; fewer points give no slope.
EFOLDINGS = (3.0, 2.0)
FEWEST_POINTS = 6
# A window opens when the amplitude is e^0.5 above its start: before, decaying and beating waves can look straight too.
GROWN = 0.5
# By so many e-folds earlier windows open, whose slopes tell how far other eigenmodes still bend this one.
EARLIER = (0.5, 1.0)
# What other waves drive, and what the steps leave uncertain, stays below this share of a wave in its window.
DISTURBED = 0.02
# A wave is judged if its error estimate stays below this; else it is on record, but says nothing about the theory.
WORST_ERROR = 0.05
# The estimate tells the size of what disturbs a wave, not its phase; docs/linear.md has the numbers.
MARGIN = 1.5
# More waves than this share beyond their margin, or one beyond it so many times, and run and theory do not agree.
FEW, FAR = 0.1, 3.0
# End points tried for the window of each wave.
MOST_WINDOWS = 50
# The matrix takes modes^3 operations per wave, and a call is worth some more: this many are about ten seconds of one core.
MOST_OPERATIONS, CALL = 2e9, 1e4
# Of very many modes roots are followed from wave to wave (`growth_curve`), which takes milliseconds per wave.
MOST_FOLLOWED = 2000


@dataclass(frozen=True)
class Growth:
    """Measured waves in ascending k; arrays of shape (waves,), rates in mu, times in 1/mu.

    measured: half the slope of ln psi2 between start and end. bend: how far the slopes of the three thirds of the
    window differ, over the slope. shift: change of the slope that later windows would still bring, by how it differs from that
    of earlier windows. driven: amplitude that the other waves can have given to this one at the end of the window by
    the next order, |psi|^3 / |P|^2, over its own. theory: Im omega of the fastest eigenmode for the initial mean P^z (of
    the one that was seeded in a run from an eigenmode).
    """

    k: np.ndarray
    measured: np.ndarray
    start: np.ndarray
    end: np.ndarray
    bend: np.ndarray
    driven: np.ndarray
    step_error: np.ndarray
    shift: np.ndarray
    theory: np.ndarray

    def __len__(self):
        return len(self.k)

    @property
    def error(self):
        """Estimate of the relative error: other eigenmodes bend or tilt the line, other waves drive it, steps are not exact."""
        return self.bend + self.shift + self.driven + self.step_error

    @property
    def difference(self):
        """measured / theory - 1; infinite where theory knows no growth."""
        grows = self.theory > 0
        return np.where(grows, self.measured / np.where(grows, self.theory, 1.0) - 1, np.inf)

    @property
    def judged(self):
        """Which waves have a linear phase clean enough to judge the theory."""
        return self.error <= WORST_ERROR

    def clean(self):
        """The judged waves alone."""
        return Growth(*(getattr(self, name)[self.judged] for name in growth_table.COLUMNS))

    def verdict(self, level="standard"):
        """One sentence: how many of how many waves are within MARGIN times their error, and which is farthest off.

        It says that run and theory do not agree where more than a few waves are beyond, or one far. No word on agreement for
        level "full", whose beams have a width in direction that the theory does not know.
        """
        judged = np.flatnonzero(self.judged)
        if not judged.size:
            return "linear theory: no linear phase to judge it by"
        off = np.abs(self.difference)
        worst = judged[np.argmax(off[judged])]
        if level == "full":
            waves = f"{judged.size} wave{'s' * (judged.size > 1)}"
            return f"linear theory of sharp directions: {waves}, worst {off[worst]:.1e} at k = {self.k[worst]:.6g}"
        allowed = MARGIN * self.error
        beyond = judged[off[judged] > allowed[judged]]
        several = judged.size > 1
        waves = (
            f"linear theory: {judged.size - beyond.size} of {judged.size} wave{'s' * several} agree{'s' * (not several)} "
            "within the fit's error"
        )
        if not beyond.size:
            return f"{waves}, worst {off[worst]:.1e} at k = {self.k[worst]:.6g}"
        farthest = max(beyond, key=lambda i: off[i] / allowed[i])
        text = f"{waves}, k = {self.k[farthest]:.6g} is off by {off[farthest]:.1e} (the fit allows {allowed[farthest]:.1e})"
        if beyond.size > FEW * judged.size or off[farthest] > FAR * allowed[farthest]:
            text += ": run and theory do not agree"
        return text


def measure(run):
    """Growth of every wave of a run (`results.Run` or `MemoryRun`) that has a linear phase.

    InputError without psi2, and in more dimensions than one, where spectra are of shells that hold many waves.
    """
    series = run.series
    if len(space_of(series)) > 1:
        raise InputError("Growth rates of single waves are measured in boxes of one dimension only.")
    if not len(series.get("psi2", ())):
        raise InputError("The run recorded no power spectra: set output.spectrum_every.")
    t, k = series["spectrum_time"], series["k"]
    norm2, psi2 = np.sum(series["density"] ** 2), series["psi2"]
    total = psi2.sum(axis=1) / norm2
    rtol = max(run.config.time.get("rtol", 0.0), np.finfo(float).eps)
    rows = []
    for column in _grown(psi2, norm2, rtol):
        power = psi2[:, column] / norm2
        with np.errstate(divide="ignore", invalid="ignore"):
            driven, step_error = total * np.sqrt(total / power), rtol / np.sqrt(power)
        window = _window(t, power, driven, step_error)
        if window:
            rows.append((k[column], *window))
    rows = _thinned(rows, len(series["v"]))
    columns = np.array(rows).reshape(-1, 8).T
    found = Growth(*columns, theory=_theory(run, columns[0]))
    return _checked(run, found)


def _grown(psi2, norm2, rtol):
    """The columns that come above the error of the steps and grow enough for a window: few of many waves do."""
    least, most = psi2.min(axis=0), psi2.max(axis=0)
    return np.flatnonzero((most > norm2 * (rtol / DISTURBED) ** 2) & (most >= np.exp(2 * min(EFOLDINGS)) * least))


def _window(t, power, driven, step_error):
    """(rate, start, end, bend, driven, step error, shift) of the cleanest window of one wave, or None; arrays (times,)."""
    usable = (driven < DISTURBED) & (step_error < DISTURBED)
    y = np.log(np.where(power > 0, power, np.finfo(float).tiny))
    ends = np.flatnonzero(usable)
    if ends.size < FEWEST_POINTS or np.ptp(y[ends]) < 2 * min(EFOLDINGS):
        return None
    found = []
    for efoldings in EFOLDINGS:
        for last in ends[:: -(-ends.size // MOST_WINDOWS)]:
            below = np.flatnonzero(y[:last] <= y[last] - 2 * efoldings)
            if (
                not below.size
                or last - below[-1] + 1 < FEWEST_POINTS
                or not usable[below[-1] : last].all()
                or y[below[-1]] < y[0] + 2 * GROWN
            ):
                continue
            first, window = below[-1], slice(below[-1], last + 1)
            rate, bend = _slope(t[window], y[window])
            shift = _shift(t, y, first, last, rate)
            found.append((rate / 2, t[first], t[last], bend, driven[last], step_error[first], shift))
    return min(found, key=lambda fit: sum(fit[3:]), default=None)


def _shift(t, y, first, last, rate):
    """Change of the slope still to come, relative, were the window first .. last to open ever later.

    Beside a wave that grows all others fade, at least as fast as it grows: what a window that opens s e-folds earlier has
    for another slope is exp(s) of what this one still lacks or more. The larger estimate of two earlier windows.
    """
    found = [0.0]
    for earlier in EARLIER:
        before = np.flatnonzero(y[:first] <= y[first] - 2 * earlier)
        if not before.size:
            continue
        begin = before[-1]
        end = begin + np.argmax(y[begin : last + 1] >= y[begin] + y[last] - y[first])
        if end - begin + 1 >= FEWEST_POINTS:
            folds = (y[first] - y[begin]) / 2
            found.append(abs(_line(t[begin : end + 1], y[begin : end + 1]) / rate - 1) / np.expm1(folds))
    return max(found)


def _slope(t, y):
    """Slope of y over t, and how much the slopes of its three thirds differ, relative."""
    a, b = len(t) // 3, len(t) - len(t) // 3
    slope, *thirds = (_line(t[part], y[part]) for part in (slice(None), slice(a + 1), slice(a, b), slice(b - 1, None)))
    return slope, np.ptp(thirds) / abs(slope)


def _line(t, y):
    """Slope of the straight line through the points, by least squares."""
    t = t - t.mean()
    return t @ y / (t @ t)


def _affordable(mode_count):
    """For how many waves the eigenvalues of all modes can be had in some ten seconds, at least one."""
    return max(1, int(MOST_OPERATIONS / (mode_count**3 + CALL)))


def _thinned(rows, mode_count):
    """The measured waves, or as many of them, evenly, as theory can be had for in some ten seconds."""
    most = _affordable(mode_count) if mode_count <= growth_curve.MOST_DENSE else MOST_FOLLOWED
    return rows[:: -(-len(rows) // most)] if rows else rows


def _theory(run, k):
    """Growth rate of linear theory at each k."""
    initial, states = run.config.get("initial", {}), linear_problem.of_run(run)
    rates = _rates(k, states)
    if initial.get("kind") == "eigenmode" and initial.root:
        seeded = 2 * np.pi * initial.n / np.ravel(run.config.box.length)[0]
        for i in np.flatnonzero(np.abs(k - seeded) < 1e-9 * np.abs(k).max(initial=1e-300)):
            rates[i] = _of_root(k[i : i + 1], states[0].background, initial.root)
    return rates


def _rates(k, states):
    """Growth rates of the fastest pair of flavors at k: by the matrix for as many waves as are `_affordable`, else by
    following roots."""
    if not len(k):
        return np.zeros(0)
    if len(k) > _affordable(len(states[0].background.s)):
        return linear_problem.rates_of(states)(k)
    return np.max([linear.growth_rate(k[:, None], *state.background) for state in states], axis=0)


def _of_root(k, background, root):
    if len(background.s) <= linear.DENSE_LIMIT:
        return linear.spectrum(k, *background)[root].imag
    growing = linear.growing(k, *background)[0]
    return growing[root].imag if root < len(growing) else 0.0


def _checked(run, found):
    """The same, where roots were followed with all roots searched at the waves farthest from theory, as many as are affordable."""
    most, initial = _affordable(len(run.series["v"])), run.config.get("initial", {})
    if len(found) <= most or initial.get("kind") == "eigenmode" and initial.root:
        return found
    states, theory = linear_problem.of_run(run), found.theory.copy()
    doubtful = np.flatnonzero(found.judged & (np.abs(found.difference) > found.error))
    for i in doubtful[np.argsort(-np.abs(found.difference[doubtful]))][:most]:
        theory[i] = max(theory[i], *(float(linear.growth_rate(found.k[i : i + 1], *each.background)) for each in states))
    return replace(found, theory=theory)


def _stable(run):
    """Whether, by linear theory, no wave of the box grows; of very many waves or modes a sample is looked at."""
    k = run.series["k"]
    k = k if len(k) <= _affordable(len(run.series["v"])) else linear.scanned(k, len(run.series["v"]))
    size = max(state.background.size for state in linear_problem.of_run(run))
    return bool(_theory(run, k).max(initial=0.0) <= linear.ROUND_OFF * size)


# ---- growth.csv -----------------------------------------------------------------------------------------------------


def record(run):
    """Measure a run that lies in a directory, and write FILE there. Call on one rank.

    Nothing without power spectra, in more dimensions than one, or for a state of which there is no linear theory of sharp
    directions.
    """
    alone = len(space_of(run.series)) == 1
    if alone and len(run.series.get("psi2", ())) and linear_problem.applies(run.config):
        waves = measure(run)
        verdict = waves.verdict(run.config.equations.level)
        if not len(waves) and _stable(run):
            verdict = "linear theory: nothing grows, and nothing did"
        write(waves, run.directory / growth_table.FILE, verdict)


def write(growth, path, verdict):
    """The table as growth.csv, the verdict in a comment line."""
    columns = {name: getattr(growth, name) for name in growth_table.COLUMNS}
    growth_table.write(columns | {"difference": growth.difference}, path, verdict)


def read(path):
    """(Growth, verdict) that `write` wrote. InputError if they are damaged."""
    columns, verdict = growth_table.read(path)
    return Growth(**columns), verdict
