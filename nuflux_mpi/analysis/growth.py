"""Growth rates as a run shows them, beside those of linear theory: a fit to each wave, and a verdict.

    from nuflux_mpi import Run, growth
    waves = growth.measure(Run("runs/two_beam"))
    waves.k, waves.measured, waves.theory, waves.verdict()

The power psi2 = sum_a |psi_{a,k}|^2 of a wave that follows linear theory grows like exp(2 gamma t) once its fastest
eigenmode has left the others behind, and until the waves act on each other. `measure` looks for that phase in each
wave without knowing the theory, from results alone; of three flavors in each wave of each pair of flavors, by itself. A finished
run writes the table to growth.csv; `info` repeats the verdict.

Where matter has a profile all waves are coupled, and each comes to grow as the fastest eigenmode of the box. Where there is no
linear theory, because mixing turns the start before anything has grown, waves are measured and the verdict says why they are
not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..flavor.algebra import of_components
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
    the one that was seeded in a run from an eigenmode), NaN where there is no theory. pair: names of the pairs of flavors, such as
    "e mu", empty for two flavors. refusal: why there is no theory, or empty.
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
    pair: np.ndarray | None = None
    refusal: str = ""

    def __len__(self):
        return len(self.k)

    @property
    def error(self):
        """Estimate of the relative error: other eigenmodes bend or tilt the line, other waves drive it, steps are not exact."""
        return self.bend + self.shift + self.driven + self.step_error

    @property
    def difference(self):
        """measured / theory - 1; infinite where theory knows no growth, NaN where there is no theory."""
        grows = self.theory > 0
        found = np.where(grows, self.measured / np.where(grows, self.theory, 1.0) - 1, np.inf)
        return np.where(np.isnan(self.theory), np.nan, found)

    @property
    def judged(self):
        """Which waves have a linear phase clean enough to judge the theory."""
        return self.error <= WORST_ERROR

    def clean(self):
        """The judged waves alone."""
        return self.only(self.judged)

    def only(self, chosen):
        """Some of the waves, by a mask."""
        pair = None if self.pair is None else self.pair[chosen]
        return Growth(*(getattr(self, name)[chosen] for name in growth_table.COLUMNS), pair=pair, refusal=self.refusal)

    def name(self, i):
        """A wave in words: its wavenumber, and its pair of three flavors."""
        return f"k = {self.k[i]:.6g}" + (f" of {self.pair[i]}" if self.pair is not None and self.pair[i] else "")

    def verdict(self, level="standard"):
        """One sentence: how many of how many waves are within MARGIN times their error, and which is farthest off.

        It says that run and theory do not agree where more than a few waves are beyond, or one far. No word on agreement for
        level "full", whose beams have a width in direction that the theory does not know.
        """
        judged = np.flatnonzero(self.judged)
        if self.refusal:
            return f"linear theory does not apply: {self.refusal}"
        if not judged.size:
            return "linear theory: no linear phase to judge it by"
        off = np.abs(self.difference)
        worst = judged[np.argmax(off[judged])]
        if level == "full":
            waves = f"{judged.size} wave{'s' * (judged.size > 1)}"
            return f"linear theory of sharp directions: {waves}, worst {off[worst]:.1e} at {self.name(worst)}"
        allowed = MARGIN * self.error
        beyond = judged[off[judged] > allowed[judged]]
        several = judged.size > 1
        waves = (
            f"linear theory: {judged.size - beyond.size} of {judged.size} wave{'s' * several} agree{'s' * (not several)} "
            "within the fit's error"
        )
        if not beyond.size:
            return f"{waves}, worst {off[worst]:.1e} at {self.name(worst)}"
        farthest = max(beyond, key=lambda i: off[i] / allowed[i])
        text = f"{waves}, {self.name(farthest)} is off by {off[farthest]:.1e} (the fit allows {allowed[farthest]:.1e})"
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
    states, algebra = linear_problem.of_run(run), of_components(np.shape(series["P_mean"])[-1])
    refusal = linear_problem.moving(run.config, states) or ""
    norm2 = np.sum(series["density"] ** 2)
    total = series["psi2"].sum(axis=1) / norm2
    found = []
    for name, which, psi2, second in _parts(series, states, algebra, norm2):
        rows = _thinned(_rows(run, psi2, norm2, total, second), [states[i].background for i in which])
        columns = np.array(rows).reshape(-1, 8).T
        theory = _Theory(run, [states[i] for i in which], which[0], refusal)
        waves = Growth(*columns, theory=theory.rates(columns[0]), pair=np.full(len(rows), name), refusal=theory.refusal)
        found.append(theory.checked(waves))
    return _joined(found)


def _parts(series, states, algebra, norm2):
    """(name, indices of the pairs, their power (times, waves), square of what the others make of each other (times,)) of what is
    measured by itself: each pair of flavors, and two together that mixing joins, see `theory.alike`.

    Of three flavors the coherences of two pairs are a force on the third, already at second order.
    """
    if "psi2_pairs" not in series or len(states) < 2:
        return [("", range(len(states)), series["psi2"], 0.0)]
    power = series["psi2_pairs"]
    first, second, third = (power[:, i].sum(axis=1) / norm2 for i in range(3))
    names = [linear_problem.named(algebra, i) for i in range(3)]
    last = (names[2], [2], power[:, 2], first * second)
    if states[0].basis is not None:
        return [(" + ".join(names[:2]), [0, 1], power[:, 0] + power[:, 1], third * (first + second)), last]
    return [(names[0], [0], power[:, 0], second * third), (names[1], [1], power[:, 1], first * third), last]


def _joined(found):
    """The waves of all pairs as one Growth."""
    columns = (np.concatenate([getattr(waves, name) for waves in found]) for name in (*growth_table.COLUMNS, "pair"))
    return Growth(*columns, refusal=next((waves.refusal for waves in found if waves.refusal), ""))


def _rows(run, psi2, norm2, total, second):
    """(k, rate, start, ...) of each wave that has a window, as `_window` finds it; total: power of all waves, second: see `_parts`,
    both (times,) over norm2."""
    t, k = run.series["spectrum_time"], run.series["k"]
    rtol = max(run.config.time.get("rtol", 0.0), np.finfo(float).eps)
    rows = []
    for column in _grown(psi2, norm2, rtol):
        power = psi2[:, column] / norm2
        with np.errstate(divide="ignore", invalid="ignore"):
            driven, step_error = total * np.sqrt(total / power) + np.sqrt(second / power), rtol / np.sqrt(power)
        window = _window(t, power, driven, step_error)
        if window:
            rows.append((k[column], *window))
    return rows


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


def _thinned(rows, backgrounds):
    """The measured waves, or as many of them, evenly, as theory can be had for in some ten seconds."""
    background, most = backgrounds[0], MOST_FOLLOWED
    followed = linear.has_dispersion_relation(background.shift, background.coupling)
    if len(background.s) <= growth_curve.MOST_DENSE or not followed:
        most = _affordable(len(background.s))
    return rows[:: -(-len(rows) // most)] if rows else rows


class _Theory:
    """Growth rates of linear theory for the waves of a run, of one pair of flavors, or the fastest of several.

    states: `Linearised`, one for each pair; first: index of the first of them. refusal: why there is no theory; empty if there is.
    """

    def __init__(self, run, states, first, refusal):
        self.states, self.refusal = states, refusal
        self.initial = run.config.get("initial", {})
        self.root = 0
        if self.initial.get("kind") == "eigenmode" and linear_problem.seeded_pair(run.config) == first:
            self.root = self.initial.root
        self.config, self._in_box = run.config, None
        self.modes = len(states[0].background.s)

    def rates(self, k):
        """Growth rate at each k, (m,): NaN without a theory."""
        k = np.asarray(k, dtype=float)
        if self.refusal or not k.size:
            return np.full(k.shape, np.nan if self.refusal else 0.0)
        if any(state.profile is not None for state in self.states):
            return self._of_box(k)
        rates = self._of_waves(k)
        if self.root:
            seeded = 2 * np.pi * self.initial.n / np.ravel(self.config.box.length)[0]
            for i in np.flatnonzero(np.abs(k - seeded) < 1e-9 * np.abs(k).max(initial=1e-300)):
                rates[i] = _of_root(k[i : i + 1], self.states[0].background, self.root)
        return rates

    def _of_waves(self, k):
        """Of single waves: by the matrix for as many as are `_affordable`, else by following roots."""
        if len(k) > _affordable(self.modes):
            return linear_problem.rates_of(self.states)(k)
        return np.max([linear.growth_rate(k[:, None], *state.background) for state in self.states], axis=0)

    def _of_box(self, k):
        """Where waves are coupled: the rate of the fastest eigenmode of the box, or of the one that was seeded, at each k."""
        from ..physics import eigenmode

        if self._in_box is None:
            try:
                found = [
                    eigenmode.in_box(self.config, state, self.root + 1).omega
                    for state in self.states
                    if state.profile is not None
                ]
            except InputError as refused:
                self.refusal = str(refused)
                return np.full(k.shape, np.nan)
            self._in_box = max((omega[self.root].imag if len(omega) > self.root else 0.0 for omega in found), default=0.0)
        return np.full(k.shape, max(self._in_box, 0.0))

    def _others(self, waves):
        """What other eigenmodes of the same k that grow too can still have of a slope, relative, at the end of its window.

        With whole velocities, or two pairs of flavors in one, a wave has several that grow, and the slower ones do not fade as `_shift`
        supposes: those of equal seeds are exp(-(gamma - gamma') t) beside the fastest.
        """
        if self.modes > linear.DENSE_LIMIT or len(waves) > _affordable(self.modes):
            return 0.0
        rates = np.concatenate([linear.spectrum(waves.k[:, None], *state.background).imag for state in self.states], axis=1)
        fastest = np.maximum(rates.max(axis=1), np.finfo(float).tiny)[:, None]
        grows, apart = rates > 0, fastest - rates
        return np.max(np.where(grows, apart / fastest * np.exp(-apart * waves.end[:, None]), 0.0), axis=1)

    def checked(self, waves):
        """The same, where roots were followed with all roots searched at the waves farthest from theory, as many as are
        affordable."""
        most = _affordable(self.modes)
        if self.refusal or self._in_box is not None or not len(waves):
            return replace(waves, refusal=self.refusal)
        if len(self.states) == 2 or self.states[0].background.vectors is not None:
            waves = replace(waves, shift=waves.shift + self._others(waves))
        if len(waves) <= most or self.root:
            return waves
        theory = waves.theory.copy()
        doubtful = np.flatnonzero(waves.judged & (np.abs(waves.difference) > waves.error))
        for i in doubtful[np.argsort(-np.abs(waves.difference[doubtful]))][:most]:
            rates = (float(linear.growth_rate(waves.k[i : i + 1], *state.background)) for state in self.states)
            theory[i] = max(theory[i], *rates)
        return replace(waves, theory=theory)


def _of_root(k, background, root):
    if len(background.s) <= linear.DENSE_LIMIT:
        return linear.spectrum(k, *background)[root].imag
    growing = linear.growing(k, *background)[0]
    return growing[root].imag if root < len(growing) else 0.0


def _stable(run):
    """Whether, by linear theory, no wave of the box grows; of very many waves or modes a sample is looked at."""
    k, states = run.series["k"], linear_problem.of_run(run)
    k = k if len(k) <= _affordable(len(run.series["v"])) else linear.scanned(k, len(run.series["v"]))
    size = max(state.background.size for state in states)
    rates = _Theory(run, states, 0, linear_problem.moving(run.config, states) or "").rates(k)
    return bool(np.max(rates, initial=0.0) <= linear.ROUND_OFF * size)  # NaN is not


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
    if growth.pair is not None and any(growth.pair):
        columns = {"pair": growth.pair} | columns
    growth_table.write(columns | {"difference": growth.difference}, path, verdict)


def read(path):
    """(Growth, verdict) that `write` wrote. InputError if they are damaged."""
    columns, verdict = growth_table.read(path)
    return Growth(**columns), verdict
