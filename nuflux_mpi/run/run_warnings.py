"""What a run should tell its user while it goes on: each row of the series held against what was promised.

A :class:`Watch` is made once and asked with every row; it answers {subject: one sentence that says what to change}. It
knows no ranks: rows are the same on all. Levels that resolve momentum have warnings of their own beside these, in
`warnings` of their classes.
"""

import math

import numpy as np

from ..physics import terms

# Products of two fields have waves up to 2 k_max, and those beyond k_max come back below 2/3 k_max only from waves
# above 2/3 k_max: the tail is the relative error of the right-hand side. At 1e-2 it is as large as what is looked at.
TAIL = 1e-2
TAIL_WANTED = 1e-6  # what the advice aims at, taking the spectrum to fall exponentially
# Several times what the tolerance allows, each step adding rtol; below FLOOR no result is touched, and beyond CEILING all are,
# whatever was asked for.
SEVERAL, FLOOR, CEILING = 10.0, 1e-6, 1e-2
# Steps change |P_a| by 0.2 to 3.5 times the relative change of K + U_osc, which no grid in space touches; a grid changes it by
# up to the largest spectral tail so far (adams and 3bs, 32 to 256 points, rtol 1e-2 to 1e-12).
BY_STEPS, BY_GRID = 5.0, 10.0
NO_TAIL = 1e-12  # a tail of rounding
FAR_FROM_STEPS = 100.0  # times what steps explain: the grid, whatever the tail
NEGATIVE = 1e-3  # |P_a| / n_a - 1; the paper's initial states, P^z = zeta beside small seeds, come to 1e-5
COHERENT = 0.1  # part of the 2-norm in P^x and P^y from which on directions exchange what can recur


class Watch:
    """Warnings about the rows of one run.

    config: resolved dict; modes: :class:`~nuflux_mpi.physics.modes.Modes`; rtol: error allowed per step, relative to the norm
    of the state at the start.
    """

    def __init__(self, config, modes, rtol):
        self.config, self.rtol = config, rtol
        self.onset = None  # time since when coherence is large
        self.largest_tail = 0.0
        self._by_atol = 2 * config.time.rtol < rtol
        self._uncontrolled = "-ts_adapt_type none" in " ".join(config.petsc.options.split())
        # Where directions are farthest apart they meet again first.
        self._spacing = self._spacing_of(modes) if config.modes.kind == "angular" else None

    def _spacing_of(self, modes):
        """Largest distance of neighbours, along z or around it."""
        axes, azimuths = modes.velocity.shape[1], self.config.modes.get("azimuths")
        around = 0.0 if axes == 1 else (np.pi if axes == 2 else 2 * np.pi) / azimuths
        return max(np.diff(np.unique(modes.velocity[:, -1])).max(), around)

    def __call__(self, row):
        """{subject: sentence} for a row of the series, a dict by the names of docs/output.md."""
        self.largest_tail = max(self.largest_tail, row["spectral_tail"])
        found = {
            "tail": self._tail(row),
            "drift": self._drift(row),
            "budget": self._budget(row),
            "leptons": self._leptons(row),
            "length": self._length(row),
            "recurrence": self._recurrence(row),
        }
        return {subject: sentence for subject, sentence in found.items() if sentence}

    def _tail(self, row):
        tail = row["spectral_tail"]
        if tail > TAIL:
            return (
                f"spectral_tail = {tail:.2g}: the highest third of the waves is occupied, and their products come "
                f"back as errors of that size; take box.points = {self._points(tail)} or stop "
                "earlier"
            )
        return None

    def _points(self, tail):
        """A grid on which a tail of this size becomes TAIL_WANTED."""
        more = math.log(TAIL_WANTED) / math.log(min(tail, 0.5))
        points = [N * 2 ** max(1, math.ceil(math.log2(more))) for N in self.config.box.shape]
        return points if len(points) > 1 else points[0]

    def _drift(self, row):
        allowed = self._allowed(row)
        if row.get("P_drift_max", 0.0) > allowed:
            return (
                f"|P_a| has changed by P_drift_max = {row['P_drift_max']:.2g} n_a along the rays, where "
                f"{self._limit(row, allowed)}: {self._remedy_of_drift(row)}"
            )
        return None

    def _budget(self, row):
        """K + U_osc is constant on any grid in space, so that steps alone change it, and at level momentum the grid in q."""
        if "energy_residual" not in row:
            return None
        error, allowed = self._of_energy(row), self._allowed(row)
        if not error > allowed:
            return None
        if self._level() == "energy" or self._uncontrolled or error <= self._tolerated(row):
            remedy = self._shorter_steps(row, error)
        else:
            points = f"{self._level()}.points"
            remedy = f"the grid of momenta does not resolve f, take {points} = {2 * self.config[self._level()]['points']}"
        return (
            f"the energy budget does not close: energy_residual = {row['energy_residual']:.2g} where "
            f"{self._limit(row, allowed * abs(row['energy_residual']) / error)}: {remedy}"
        )

    def _leptons(self, row):
        """Each right-hand side keeps the lepton numbers that the terms keep, on any grid; only steps change them."""
        drift, allowed = row.get("lepton_drift", 0.0), self._allowed(row)
        if not drift > allowed:
            return None
        return (
            f"lepton numbers that should stay have changed by lepton_drift = {drift:.2g} of all neutrinos, where "
            f"{self._limit(row, allowed)}: {self._shorter_steps(row, drift)}"
        )

    def _level(self):
        return self.config.equations.level

    def _of_energy(self, row):
        """energy_residual relative to the energies there are."""
        of_terms = [abs(row[name]) for term in terms.TERMS for name in term.budget if name in row]
        size = max(*of_terms, float(np.abs(row["K"]).sum()), abs(row["U_osc"] - row["energy_residual"]))
        return abs(row["energy_residual"]) / size if size else 0.0

    def _tolerated(self, row):
        """Relative error that the tolerance explains after so many steps."""
        return SEVERAL * self.rtol * (1 + row["step"])

    def _allowed(self, row):
        """Relative error that is still no surprise."""
        return min(max(FLOOR, self._tolerated(row)), CEILING)

    def _limit(self, row, allowed):
        if self._allowed(row) == FLOOR:
            return f"{allowed:.2g} would be too little to show in any result"
        if self._allowed(row) == CEILING:
            return f"{allowed:.2g} shows in all results"
        return f"{allowed:.2g} is {SEVERAL:g} times what {row['step']} steps may add"

    def _remedy_of_drift(self, row):
        """The grid or the steps, whichever changed |P_a|; both where nothing tells them apart."""
        error, tail = row["P_drift_max"], self.largest_tail
        grid = error <= BY_GRID * tail
        if self._level() == "energy" and "energy_residual" in row:
            of_steps = BY_STEPS * self._of_energy(row)
            # Products of seeds of short waves alias before these have a tail; steps do not leave the energy out that far.
            seeded = tail > NO_TAIL  # else no wave is there that could alias
            grid = error > of_steps and (grid or seeded and error > FAR_FROM_STEPS * of_steps)
            steps = not grid
        else:
            steps = not grid or self._uncontrolled or error <= self._tolerated(row)
        remedies = [self._shorter_steps(row, error)] if steps else []
        if grid:  # while waves grow, the tail does: as if it became the root of what it is
            remedies.append(
                f"the grid does not resolve the waves (spectral_tail up to {tail:.2g}), take box.points = "
                f"{self._points(math.sqrt(tail))}"
            )
        return ", and ".join(remedies)

    def _shorter_steps(self, row, error):
        """What makes the error of the steps a tenth of what is allowed, or less: it is in proportion to the tolerance."""
        if self._uncontrolled:
            return (
                "the steps are too long and not controlled, leave -ts_adapt_type none out of petsc.options or take a "
                "smaller time.dt_initial"
            )
        key = "atol" if self._by_atol else "rtol"
        asked, wanted = self.config.time[key], 0.1 * min(self._allowed(row), 0.1 * CEILING) / error
        value = max(10.0 ** math.floor(math.log10(asked * wanted)), 1e-15 if key == "rtol" else 0.0)
        return f"the steps are not accurate enough, take time.{key} = {value:.0e}"

    def _length(self, row):
        if self._level() in ("momentum", "full"):
            return None  # they look at the eigenvalues of f itself
        excess = row["P_length_max"] - 1
        if excess <= NEGATIVE:
            return None
        if 2 * row.get("P_drift_max", 0.0) > excess:  # it was not so at the start
            remedy = self._remedy_of_drift(row)
        else:
            remedy = "give larger modes.density, or initial.normalize = true with smaller amplitudes"
        return f"|P_a| exceeds n_a by {excess:.2g} n_a somewhere: the occupation (n_a - |P_a|)/2 is negative there; {remedy}"

    def _recurrence(self, row):
        """Directions dv apart are in step again after 2 pi / (k dv): then waves of wave number k come back.

        k is k_rms, that of the waves there are. Time counts from when coherence is large: small waves of a linear phase
        recur without harm, for the growing ones outrun them.
        """
        if self._spacing is None or not row["coherence"] > COHERENT:
            return None
        if self.onset is None:
            self.onset = row["time"]
        if row["k_rms"] * self._spacing * (row["time"] - self.onset) > 2 * math.pi:
            number = self.config.modes.count
            keys = "modes.number" if self.config.modes.get("azimuths") is None else "modes.number and modes.azimuths"
            due = 2 * math.pi / (row["k_rms"] * self._spacing)
            remedy = f"double {'it' if keys.endswith('number') else 'them'}, or end before t = {self.onset + due:.4g}"
            return (
                f"{number} directions recur: waves of k = {row['k_rms']:.3g} come back 2 pi / (k dv) = {due:.3g} "
                f"after they became large at t = {self.onset:.6g}, with dv = {self._spacing:.2g}; what follows depends "
                f"on {keys}: {remedy}"
            )
        return None
