"""What terms cost: right-hand sides with vacuum mixing and matter beside that without them, and three flavors beside two.

`tools/bench.py --terms` prints the table. Ratios are medians of ratios of neighbouring measurements, so that they hold on a
noisy machine; "again" is the same without terms in other places of the memory, and tells how far a ratio is to be trusted. Three
flavors stand beside two flavors of as many lines, per line: the more lines there are, the less of them the caches hold.
"""

import time

import numpy as np

SECTIONS = {
    "vacuum": {"vacuum": {"omega": 0.7, "theta": 0.3}},
    "uniform matter": {"matter": {"lambda": 0.7}},
    "profile": {"matter": {"kind": "cosine", "lambda": 0.7, "amplitude": 0.4, "velocity": 0.2}},
}
SECTIONS["vacuum and profile"] = SECTIONS["vacuum"] | SECTIONS["profile"]
MIXING_OF_THREE = {"omega": [0.02, 0.7], "theta": [0.6, 0.15, 0.8], "delta": 1.2}


def config(modes, points, level, flavors=2, **sections):
    """Beams in as many directions, neutrinos and antineutrinos in turn, one number of points or one per axis."""
    axes, angle = np.size(points), np.pi * (np.arange(modes) + 0.5) / modes
    velocity = np.zeros((modes, axes))
    velocity[:, 0], velocity[:, -1] = np.sin(2 * angle), np.cos(angle if axes == 1 else 2 * angle)
    return {
        "flavor": {"number": flavors},
        "box": {"length": [100.0] * axes if axes > 1 else 100.0, "points": list(points) if axes > 1 else points},
        "modes": {
            "velocity": velocity.tolist() if axes > 1 else velocity[:, 0].tolist(),
            "sign": [1, -1] * (modes // 2) + [1] * (modes % 2),
            "density": np.linspace(0.5, 1.0, modes).tolist(),
        },
        "initial": {"n_max": 0, "variance": 0.0},
        "equations": {"level": level},
        "time": {"end": 1.0},
    } | sections


def right_hand_side(comm, raw):
    """(callable without arguments, lines of the state). Collective."""
    from nuflux_mpi import config as configuration
    from nuflux_mpi.physics import initial
    from nuflux_mpi.physics.levels import Setup
    from nuflux_mpi.run import prepare

    setup = Setup.of(configuration.resolve(raw))
    prepare.load_loops(setup, comm)
    box = prepare.box_of(setup, comm)
    equations = setup.build(box)
    picture, t = equations.picture, iter(np.linspace(0.0, 1.0, 10**6))
    u, du = np.zeros(picture.size), np.zeros(picture.size)
    P = initial.polarization(setup.config, setup.modes, box)
    equations.start(0.0, u, P, initial.density(P, setup.modes, box))
    return lambda: picture.rhs(next(t), u, du), setup.declared.lines


def cases(modes, points, level):
    """({name: config}, {name: that beside which it stands})."""
    found = {"none": config(modes, points, level), "again": config(modes, points, level)}
    found |= {name: config(modes, points, level, **sections) for name, sections in SECTIONS.items()}
    beside = dict.fromkeys(found, "none")
    all_of_three = SECTIONS["profile"] | {"vacuum": MIXING_OF_THREE}
    as_many = round(modes * (9 / 4 if level == "energy" else 8 / 3))
    found["two flavors, more modes"] = config(as_many, points, level)
    found["three flavors"] = config(modes, points, level, flavors=3)
    found["three flavors, all terms"] = config(modes, points, level, flavors=3, **all_of_three)
    beside |= {
        "two flavors, more modes": "none",
        "three flavors": "two flavors, more modes",
        "three flavors, all terms": "three flavors",
    }
    return found, beside


def measured(comm, modes, points, level, repeat=31, clock=time.perf_counter):
    """{name: (microseconds, ratio per line of the state to what it stands beside, the name of that)}. Collective."""
    found, beside = cases(modes, points, level)
    sides = {name: right_hand_side(comm, raw) for name, raw in found.items()}
    calls = max(10, int(1e6 / (sides["none"][1] * np.prod(points))))  # the first of them finds the caches full of the others

    def seconds(name):
        function, _ = sides[name]
        comm.Barrier()
        begun = clock()
        for _ in range(calls):
            function()
        comm.Barrier()
        return (clock() - begun) / calls

    for function, _ in sides.values():
        function()
    samples: dict[str, list] = {name: [] for name in sides}
    for _ in range(repeat):
        for name, other in beside.items():
            first, there, last = seconds(other), seconds(name), seconds(other)
            samples[name].append((there, 2 * there / (first + last) * sides[other][1] / sides[name][1]))
    medians = {name: np.median(some, axis=0) for name, some in samples.items()}
    return {name: (1e6 * float(median[0]), float(median[1]), beside[name]) for name, median in medians.items()}


def table(found, modes, points, level):
    """The table of `measured` as text."""
    rows = [f"{modes} modes, {points} points, level {level}: a right-hand side, and what it costs per line beside another"]
    return "\n".join(
        rows + [f"  {name:26s}{time:10.0f} us{ratio:8.3f} {other}" for name, (time, ratio, other) in found.items()]
    )
