#!/usr/bin/env python3
"""The same problems as a plain NumPy + SciPy script, next to nuflux_mpi at equal error, in one run, on one core.

    python tools/plain_script.py                  the two small problems
    python tools/plain_script.py large            128 directions on 4096 points, too

`Plain` is what one would write in an afternoon: P (modes, 3, N) in one array, the derivative by numpy.fft, moments by
einsum, the cross product written out, solve_ivp with DOP853. Only time loops are timed, set-up and compilation are not.
The tolerance of either is tightened until its error, against nuflux_mpi at rtol = 1e-13, is below the one asked for.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402  (one thread, set before numpy is loaded)

QUIET = ["equations.level=standard", "output.series_every=1e6", "output.fields_every=0", "output.spectrum_every=0"]
# name: (title, case, overrides, error)
PROBLEMS = {
    "two_beam": ("two beams, N = 1024, t = 30", "two_beam", ["box.points=1024", "time.end=30"], 1e-8),
    "multi_angle": ("32 directions, N = 480, t = 200", "multi_angle", ["time.end=200"], 1e-7),
    "large": (
        "128 directions, N = 4096, t = 2",
        "multi_angle",
        ["modes.number=128", "box.points=4096", "box.origin=-119.970703125", "time.end=2"],
        1e-6,
    ),
}


class Plain:
    """d_t P_a = -v_a d_z P_a + (D_0 - v_a D_1) x P_a with numpy.fft and einsum."""

    def __init__(self, P, v, s, length):
        import numpy as np

        self.np, self.shape, self.start = np, P.shape, P.ravel().copy()
        self.v, self.s = v[:, None, None], s
        self.minus_ikv = -1j * 2 * np.pi * np.fft.rfftfreq(P.shape[-1], length / P.shape[-1]) * self.v
        if P.shape[-1] % 2 == 0:
            self.minus_ikv[..., -1] = 0.0

    def rhs(self, t, y):
        np = self.np
        P = y.reshape(self.shape)
        dP = np.fft.irfft(self.minus_ikv * np.fft.rfft(P), n=self.shape[-1])
        D0 = np.einsum("a,acz->cz", self.s, P)
        D1 = np.einsum("a,acz->cz", self.s * self.v[:, 0, 0], P)
        W = D0 - self.v * D1
        dP[:, 0] += W[:, 1] * P[:, 2] - W[:, 2] * P[:, 1]
        dP[:, 1] += W[:, 2] * P[:, 0] - W[:, 0] * P[:, 2]
        dP[:, 2] += W[:, 0] * P[:, 1] - W[:, 1] * P[:, 0]
        return dP.ravel()

    def solve(self, t0, t1, rtol):
        """The final P, right-hand sides, seconds."""
        from scipy.integrate import solve_ivp

        np = self.np
        scale = np.sqrt(np.mean(self.start**2))
        begun = time.perf_counter()
        found = solve_ivp(self.rhs, (t0, t1), self.start, method="DOP853", rtol=rtol, atol=rtol * scale, t_eval=[t1])
        return found.y[:, -1].reshape(self.shape), found.nfev, time.perf_counter() - begun


class Ours:
    """The same through nuflux_mpi's equations and integrator."""

    def __init__(self, simulation, method):
        self.simulation, self.method = simulation, method
        self.start = simulation.integrator.u.copy()

    def solve(self, t0, t1, rtol, method=None):
        from nuflux_mpi import kernels
        from nuflux_mpi.time.integrator import KERNELS, Integrator

        level, method = self.simulation.equations, method or self.method
        method = level.auto_method if method == "auto" else method
        kernels.warm_up(self.simulation.comm, *KERNELS.get(method, ()))
        integrator = Integrator.of(level.picture, self.simulation.comm, method=method, rtol=rtol, start=t0)
        integrator.u[:] = self.start
        begun = time.perf_counter()
        integrator.begin()
        integrator.advance(t1)
        seconds, count = time.perf_counter() - begun, integrator.statistics.rhs_evaluations
        P = level.take(t1, integrator.u)["P"].copy()
        integrator.destroy()
        return P, count, seconds


def reach(solver, span, reference, error):
    """Tighten the tolerance by factors of 10^(1/2) until the error is met: (rtol, error, right-hand sides, seconds)."""
    import numpy as np

    rtol = 10 * error
    while True:
        P, count, seconds = solver.solve(*span, rtol)
        found = float(np.linalg.norm(P - reference) / np.linalg.norm(reference))
        if found <= error:
            return rtol, found, count, seconds
        rtol /= min(10**0.5 * max(1.0, (found / error) ** 0.7), 1e3)


def compare(name, method, times):
    """One line of the table, as a dict."""
    title, case, overrides, error = PROBLEMS[name]
    with nuflux_mpi.Simulation(case, overrides=overrides + QUIET) as simulation:
        time_, box, modes = simulation.config["time"], simulation.box, simulation.modes
        span, ours = (0.0, time_["end"] - time_["start"]), Ours(simulation, method)
        P = simulation.equations.take(span[0], simulation.integrator.u)["P"].copy()
        plain = Plain(P, simulation.equations.v, simulation.equations.s, box.length[0])
        reference = ours.solve(*span, 1e-13, "8vr")[0]
        settled = {"plain": reach(plain, span, reference, error), "nuflux_mpi": reach(ours, span, reference, error)}
        seconds = {"plain": [settled["plain"][3]], "nuflux_mpi": [settled["nuflux_mpi"][3]]}
        for _ in range(times - 1):  # in turn, so that a noisy machine is the same for both
            seconds["plain"].append(plain.solve(*span, settled["plain"][0])[2])
            seconds["nuflux_mpi"].append(ours.solve(*span, settled["nuflux_mpi"][0])[2])
    best = {who: min(values) for who, values in seconds.items()}
    print(f"{title}, error {error:.0e} ({len(modes)} modes)")
    for who, (rtol, found, count, _) in settled.items():
        print(f"  {who:11s} rtol {rtol:.1e}  error {found:.1e}  {count:6d} right-hand sides  {best[who]:8.2f} s")
    print(f"  ratio {best['plain'] / best['nuflux_mpi']:.1f}", flush=True)
    return best["plain"] / best["nuflux_mpi"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", metavar="problem", help=f"{', '.join(PROBLEMS)}; default: the first two")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the fastest counts")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.problems if name not in PROBLEMS]
    if unknown:
        parser.error(f"problem must be one of {', '.join(PROBLEMS)}, not {unknown[0]}")
    for name in arguments.problems or ("two_beam", "multi_angle"):
        compare(name, arguments.method, arguments.times)


if __name__ == "__main__":
    main()
