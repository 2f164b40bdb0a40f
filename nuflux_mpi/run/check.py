"""What a run will need, from its config alone: blocks per rank, memory, messages, file sizes. Starts no MPI."""

import math

import numpy as np

from ..analysis import crossings, linear_problem, unseeded
from ..box.box import Box
from ..box.plan import blocks, most_ranks, plan
from ..errors import InputError
from ..kernels.compiling import find
from ..physics.diagnostics import Diagnostics, shell_wavenumbers
from ..physics.flavor_content import detailed
from ..physics.levels import Setup
from ..runtime import limits
from ..storage import start_file
from ..storage.section import per_axis
from ..time.integrator import stored_vectors, vectors
from ..time.methods import SPLITTINGS
from . import forecast

# Lines at the points, and where there are several nodes blocks on their way: with what is small, a right-hand side holds 1.2
# to 3.5 states (docs/performance.md). Beside these, fields to be written, and pages of other ranks that are mapped here.
WORK_STATES = 4
# One process with Python, numpy, numba, PETSc and HDF5 loaded, before it holds any field (Debian 12).
PROCESS_BYTES = 258e6


def report(resolved, ranks, nodes=1, out=None):
    """Text about a run of a resolved config on so many ranks; every line is an estimate before anything is allocated.

    nodes: on which the ranks are spread evenly; out: run directory that it would have, by default below runs/.
    InputError if the run cannot work: too many ranks for the box, a distribution without lepton number in one of its
    directions, an initial file that does not fit.
    """
    find()  # numba may refuse a variable of the environment, as it would in the run
    if ranks < 1:
        raise InputError(f"--ranks must be at least 1, not {ranks}.")
    if not 1 <= nodes <= ranks:
        raise InputError(f"--nodes must be from 1 to the number of ranks, {ranks}, not {nodes}.")
    setup = Setup.of(resolved)
    _check_file(setup)
    points, segments, lines = resolved.box.points, setup.declared.segments, setup.declared.lines
    cut = plan(points, lines, ranks)
    local = cut.points_per_rank
    rows = rows_per_rank(cut, segments)
    grid = " x ".join(map(str, per_axis(points)))
    return "\n".join(
        [
            f"{resolved.name}: {resolved.title}",
            f"  modes           {setup.modes}",
            *crossings.lines(resolved, setup.modes, 18),
            f'  state           {lines} lines of {grid} points, level "{resolved.equations.level}"',
            f"  cut             {ranks} ranks, {cut}",
            f"  points per rank {_range(local)}, imbalance {_imbalance(local)}",
            f"  rows per rank   {_range(rows)} of {cut.N2} points in Fourier space, imbalance {_imbalance(rows)}",
            f"  balanced ranks  {_counts(balanced_ranks(points, segments))}; at most {most_ranks(points, lines)}",
            *_resources(setup, cut, nodes),
            *_files(setup, cut, out),
            *_remarks(resolved, cut, segments),
        ]
    )


def _resources(setup, cut, nodes):
    """Lines about memory, exchange and time."""
    holds, ranks = setup.declared, cut.ranks
    memory = memory_per_rank(setup, ranks)
    back = holds.lines if setup.method in SPLITTINGS else None
    sent = exchange_bytes(cut, holds.segments, gradient_lines(setup), holds.flux_lines, back)
    numbers = holds.lines * math.prod(setup.config.box.shape)
    text = [
        f"  memory per rank {_size(memory)}, of which {_size(PROCESS_BYTES)} are the program; all ranks {_size(memory * ranks)}"
    ]
    each = math.ceil(ranks / nodes)
    if nodes > 1:
        text.append(f"  memory per node {_size(memory * each)} for {each} ranks")
    lacking, more, limit, where = limits.tightest([(memory, limits.memory_limits())] * each)
    if lacking > 0:
        text.append(
            f"  note            this machine cannot run {each} of the ranks: {_size(more)} {where}, "
            f"{_size(max(0, limit.available))} available ({limit.words})"
        )
    text.append(
        f"  exchange        {_size(sent)} from each rank to others per right-hand side: by memory on a node, else messages"
    )
    rows, written = max(output_times(setup.config)), sum(file_sizes(setup).values())
    return [*text, f"  run time        {forecast.run_time(setup, numbers, ranks, nodes, sent, rows, written)}"]


def _files(setup, cut, out):
    """Lines about the files, and what is free for them."""
    method, sizes = setup.method, file_sizes(setup)
    snapshots, series_rows, spectra = output_times(setup.config)
    checkpoint, kept = checkpoint_bytes(cut, setup.declared.segments, method), stored_vectors(method)
    text = [
        f"  fields.h5       {_size(sizes['fields.h5'])}, {snapshots} snapshots",
        f"  series.h5       {_size(sizes['series.h5'])}, {series_rows} rows, {spectra} power spectra",
        f"  checkpoint.h5   {_size(checkpoint)}, {kept} vector{'s' * (kept > 1)} of the state's size with {method}; "
        "there must be room for three",
    ]
    if "phase_space.h5" in sizes:
        text.append(f"  phase_space.h5  {_size(sizes['phase_space.h5'])}")
    said, fits = forecast.room(sum(sizes.values()) + forecast.CHECKPOINTS * checkpoint, out or "runs")
    text.append(f"  disk            {said}")
    large = forecast.large_files(setup.config, sizes, checkpoint, kept, snapshots)
    return text + [f"  warning         {sentence}" for sentence in ["that does not fit on the disk"] * (not fits) + large]


def _remarks(resolved, cut, segments):
    """Lines about what a user may want to change."""
    text = []
    if cut.ranks > 1 and cut.points_per_rank.min() < 16:
        text.append("  note            fewer than 16 points on some ranks: messages will cost more than arithmetic")
    if state_bytes(cut, segments).sum() / 8 >= 2**31:
        text.append("  note            2^31 or more unknowns: PETSc must be built with 64-bit indices")
    if turned := linear_problem.moving_start(resolved):
        text.append(f"  note            linear theory does not apply: {turned}")
    found = unseeded.of_config(resolved)
    return text + [f"  warning         {found}"] * bool(found)


def large_files(setup, ranks):
    """Sentences about files that are larger than one expects, with what to set instead."""
    holds, method, config = setup.declared, setup.method, setup.config
    checkpoint = checkpoint_bytes(plan(config.box.points, holds.lines, ranks), holds.segments, method)
    return forecast.large_files(config, file_sizes(setup), checkpoint, stored_vectors(method), output_times(config)[0])


def checkpoint_bytes(cut, segments, method):
    """Size of a checkpoint."""
    return stored_vectors(method) * state_bytes(cut, segments).sum()


def rows_per_rank(cut, segments) -> np.ndarray:
    """Rows that each rank holds in Fourier space, shape (ranks,): segments dealt upward and downward in turn."""
    dealt = [blocks(segment * cut.pairs_per_line, cut.ranks)[0] for segment in segments]
    return np.sum([rows[::-1] if i % 2 else rows for i, rows in enumerate(dealt)], axis=0)


def state_bytes(cut, segments):
    """Size of each rank's part of the state vector in bytes, shape (ranks,)."""
    waves = cut.N2 if cut.inner else cut.points // 2 + 1
    return 16 * waves * rows_per_rank(cut, segments)


def memory_per_rank(setup, ranks):
    """Bytes on the fullest rank: the integrator's vectors, the transforms' arrays, the program itself.

    tools/memory.py compares it with what runs take.
    """
    holds, axes = setup.declared, setup.declared.axes
    cut = plan(setup.config.box.points, holds.lines, ranks)
    state = state_bytes(cut, holds.segments).max()
    kept = vectors(setup.method)
    gradients = holds.beside
    if setup.method in SPLITTINGS:
        gradients += holds.flow_gradient + holds.flow_arrays  # the gradient's own lines, the series of the moments
    lines = Diagnostics.lines(setup.modes) + Box.gradient_lines(gradients, axes)
    beside = 8 * cut.points_per_rank.max() * (WORK_STATES * lines + holds.arrays)
    fluxes = holds.flux_lines / holds.lines
    return PROCESS_BYTES + state * (kept + WORK_STATES + 2 * fluxes + holds.passing_states) + beside


def gradient_lines(setup):
    """Lines whose gradient each right-hand side takes: those of the moments, D_0 and one for each axis.

    A flow of a splitting takes that of their series.
    """
    return setup.declared.flow_gradient if setup.method in SPLITTINGS else setup.declared.gradient


def exchange_bytes(cut, segments, gradient_lines, flux_lines=0, back=None):
    """Bytes that the fullest rank sends to others per right-hand side or flow, to a few per cent where blocks are uneven.

    One exchange back (`back` lines, default the first segment) and one forward (all lines and their fluxes); both again for
    the lines of the moments' gradient, which travel as real numbers where only their derivative along z needs them to.
    """
    back = segments[0] if back is None else back
    numbers = 2 * cut.pairs_per_line / math.prod(cut.inner)  # per point: half the inner waves, complex
    numbers = numbers if cut.inner else 1
    of_gradient = 1 if cut.across else numbers
    lines = numbers * (back + sum(segments) + flux_lines) + of_gradient * 2 * gradient_lines
    return 8 * lines * cut.points_per_rank.max() * (1 - 1 / cut.ranks)


def output_times(resolved):
    """Numbers of snapshots, of series rows and of power spectra; start and end included."""
    return (
        _times(resolved, "fields_every", without=2),
        _times(resolved, "series_every", without=0),
        _times(resolved, "spectrum_every", without=0),
    )


def _times(resolved, cadence, without):
    """Number of output times of a cadence, both ends included; `without` is that of a cadence of 0."""
    time, every = resolved.time, resolved.output[cadence]
    if not every:
        return without
    # an end that is a multiple but for rounding counts once
    return math.ceil((time.end - time.start) / every - 1e-9) + 1


def file_sizes(setup):
    """Bytes of each HDF5 file by name."""
    resolved, holds = setup.config, setup.declared
    axes, count = resolved.box.shape, len(setup.modes)
    points = math.prod(axes)
    waves = points if len(axes) == 1 else len(shell_wavenumbers(resolved.box.length, axes))
    snapshots, rows, spectra = output_times(resolved)
    components = setup.modes.algebra.components
    per_row = 20 + (components + 2) * count  # some twenty scalars; mean P, K and flavor content of each mode
    flavors, pairs = setup.modes.flavors, len(setup.modes.algebra.pairs)
    if detailed(setup.modes, setup.terms):  # contents of each mode, and of the two species with their conversion; some scalars
        per_row += flavors * count + 2 * flavors * (1 + flavors) + components + 10
    numbers = 1024 * math.ceil(rows / 1024) * per_row + _grown(waves, spectra)
    if pairs > 1:
        numbers += _grown(pairs * waves, spectra)
    numbers += sum(_grown(math.prod(shape), rows) for shape in holds.stored("series").values())
    fields = 8 * points * snapshots * _numbers_per_point(holds.stored("fields"))
    sizes = {"fields.h5": fields, "series.h5": 8 * numbers}
    state = holds.stored("phase_space")
    if state:
        times = _times(resolved, "phase_space_every", without=2)
        sizes["phase_space.h5"] = 8 * points * times * _numbers_per_point(state)
    return sizes


def _grown(width, rows):
    """Numbers of a series with so many in a row: it grows by whole chunks of at most 1024 rows and 1 MB."""
    chunk = max(1, min(1024, 2**17 // width))
    return width * chunk * math.ceil(rows / chunk)


def _numbers_per_point(leading):
    return sum(math.prod(shape) for shape in leading.values())


def balanced_ranks(points, segments, most=2**14):
    """Numbers of ranks, up to `most`, that share points equally, and rows to the half per cent that `check` shows as 0."""
    found, lines, last = [], sum(segments), per_axis(points)[-1]
    for ranks in range(1, min(most, last, most_ranks(points, lines)) + 1):
        if last % ranks:
            continue
        cut = plan(points, lines, ranks)
        rows = rows_per_rank(cut, segments)
        if np.ptp(cut.points_per_rank) == 0 and rows.max() <= 1.005 * rows.mean():
            found.append(ranks)
    return found


def _check_file(setup):
    """Whether the files that the state at the start comes from hold what they should."""
    resolved = setup.config
    if resolved.equations.level == "full" and resolved.full.distribution == "file":
        path, points = resolved.full.path, resolved.box.points
        wanted = setup.declared.stored("phase_space")["rho"]
        start_file.find(path, ("rho",), "full.path", shapes=[wanted, (*wanted, points)])
    if resolved.equations.level == "momentum":
        from ..physics import phase_space

        momentum = resolved.momentum
        phase_space.distribution(momentum, phase_space.grid(momentum.points, momentum.half_width))
    for term in setup.terms:
        term.look(resolved.box.shape)
    if resolved.initial.kind != "file":
        return
    shape = (len(setup.modes), setup.modes.algebra.components, *resolved.box.shape)
    start_file.find(resolved.initial.path, ("P",), "initial.path", shapes=[shape])


def _range(numbers):
    return f"{numbers.min()}" if np.ptp(numbers) == 0 else f"{numbers.min()} to {numbers.max()}"


def _imbalance(numbers):
    return f"{100 * (numbers.max() / numbers.mean() - 1):.0f} %"


def _counts(numbers):
    shown = numbers if len(numbers) <= 12 else numbers[:5] + ["..."] + numbers[-6:]
    return ", ".join(map(str, shown))


_size = forecast.shown
