"""What a run will need, from its config alone: blocks per rank, memory, messages, file sizes. Starts no MPI."""

import math

import numpy as np

from . import modes
from .box import blocks, most_ranks, plan
from .config import mode_count
from .levels import LEVELS, settings
from .errors import InputError

# Stages of the TSRK methods. PETSc keeps two vectors per stage and three more (measured with PETSc 3.18: 11, 17, 19,
# 21, 23, 29 vectors for the methods in this order).
STAGES = {"3bs": 4, "5dp": 7, "5bs": 8, "6vr": 9, "7vr": 10, "8vr": 13}
# Transform: lines at the points, in Fourier space, and on their way between ranks; one more for phases and fields.
WORK_STATES = 4
# One process with Python, numpy, numba, PETSc and HDF5 loaded, before it holds any field (Debian 12).
PROCESS_BYTES = 150e6


def report(resolved, ranks):
    """Text about a run of a resolved config on so many ranks; every line is an estimate before anything is allocated.

    InputError if the run cannot work: too many ranks for the box, a distribution without lepton number in one of its
    directions, an initial file that does not fit.
    """
    if ranks < 1:
        raise InputError(f"--ranks must be at least 1, not {ranks}.")
    directions = modes.build(resolved["modes"])
    _check_file(resolved)
    points, count = resolved["box"]["points"], len(directions)
    lines = lines_of(resolved)
    cut = plan(points, lines, ranks)
    local = cut.points_per_rank
    rows, state = rows_per_rank(cut, count), state_bytes(cut, count)
    memory = memory_per_rank(resolved, ranks)
    snapshots, series_rows, spectra = output_times(resolved)
    fields, series = file_sizes(resolved)

    how = "slabs" if not cut.factored else f"{cut.N1} x {cut.N2} points, columns dealt to the ranks"
    text = [
        f"{resolved['name']}: {resolved['title']}",
        f"  modes           {directions}",
        f"  state           {lines} lines of {points} points, level \"{resolved['equations']['level']}\"",
        f"  cut             {ranks} ranks, {how}",
        f"  points per rank {_range(local)}, imbalance {_imbalance(local)}",
        f"  rows per rank   {_range(rows)} of {cut.N2 if cut.factored else points} points in Fourier space, "
        f"imbalance {_imbalance(rows)}",
        f"  balanced ranks  {_counts(balanced_ranks(points, count, lines))}; at most {most_ranks(points, lines)}",
        f"  memory per rank {_size(memory)}, of which {_size(PROCESS_BYTES)} are the program; all ranks "
        f"{_size(memory * ranks)}",
        f"  exchange        {_size(exchange_bytes(cut, count, lines))} sent by each rank per right-hand side",
        f"  fields.h5       {_size(fields)}, {snapshots} snapshots",
        f"  series.h5       {_size(series)}, {series_rows} rows, {spectra} power spectra",
    ]
    if ranks > 1 and local.min() < 16:
        text.append("  note            fewer than 16 points on some ranks: messages will cost more than arithmetic")
    if state.sum() / 8 >= 2**31:
        text.append("  note            2^31 or more unknowns: PETSc must be built with 64-bit indices")
    return "\n".join(text)


def lines_of(resolved):
    """Number of real functions of space in the state."""
    return LEVELS[resolved["equations"]["level"]].lines(mode_count(resolved["modes"]), settings(resolved))


def rows_per_rank(cut, count):
    """Rows that each rank holds in Fourier space, shape (ranks,): polarization dealt upward, energies downward."""
    polarization = blocks(3 * count * cut.pairs_per_line, cut.ranks)[0]
    energies = blocks((cut.lines - 3 * count) * cut.pairs_per_line, cut.ranks)[0]
    return polarization + energies[::-1]


def state_bytes(cut, count):
    """Size of each rank's part of the state vector in bytes, shape (ranks,)."""
    waves = cut.N2 if cut.factored else cut.points // 2 + 1
    return 16 * waves * rows_per_rank(cut, count)


def memory_per_rank(resolved, ranks):
    """Bytes on the fullest rank: the integrator's vectors, the transform's arrays, the program itself."""
    cut = plan(resolved["box"]["points"], lines_of(resolved), ranks)
    state = state_bytes(cut, mode_count(resolved["modes"])).max()
    vectors = 2 * STAGES[resolved["time"]["method"]] + 3
    return PROCESS_BYTES + state * (vectors + WORK_STATES)


def exchange_bytes(cut, count, lines):
    """Bytes that the fullest rank sends to others per right-hand side.

    One exchange back (polarization) and one forward (all lines); level "energy" adds both for the moments' gradient.
    """
    gradient = 12 if lines > 3 * count else 0
    numbers = 2 * cut.pairs_per_line / cut.N1 if cut.factored else 1  # per point: half the residues, complex
    return 8 * numbers * (3 * count + lines + gradient) * cut.points_per_rank.max() * (1 - 1 / cut.ranks)


def output_times(resolved):
    """Numbers of snapshots, of series rows and of power spectra; start and end included."""
    time, output = resolved["time"], resolved["output"]
    duration = time["end"] - time["start"]

    def number(every):
        return math.ceil(duration / every - 1e-9) + 1  # an end that is a multiple but for rounding counts once

    fields = number(output["fields_every"]) if output["fields_every"] else 2
    spectra = number(output["spectrum_every"]) if output["spectrum_every"] else 0
    return fields, number(output["series_every"]), spectra


def file_sizes(resolved):
    """Bytes of fields.h5 and series.h5; series grow by whole chunks of at most 1024 rows and 1 MB."""
    points, count = resolved["box"]["points"], mode_count(resolved["modes"])
    snapshots, rows, spectra = output_times(resolved)
    per_row = 20 + 5 * count  # some twenty scalars; mean P, K and flavor content of each mode
    chunk = max(1, min(1024, 2**17 // points))
    numbers = per_row * 1024 * math.ceil(rows / 1024) + points * chunk * math.ceil(spectra / chunk)
    return 8 * lines_of(resolved) * points * snapshots, 8 * numbers


def balanced_ranks(points, count, lines, most=1024):
    """Numbers of ranks, up to `most`, that share points and rows equally."""
    found = []
    for ranks in range(1, min(most, most_ranks(points, lines)) + 1):
        cut = plan(points, lines, ranks)
        if np.ptp(cut.points_per_rank) == 0 and np.ptp(rows_per_rank(cut, count)) == 0:
            found.append(ranks)
    return found


def _check_file(resolved):
    """The initial file's shape, which its own header tells."""
    if resolved["initial"]["kind"] != "file":
        return
    import h5py

    path, shape = resolved["initial"]["path"], (mode_count(resolved["modes"]), 3, resolved["box"]["points"])
    try:
        with h5py.File(path, "r") as file:
            found = file["P"].shape
    except (OSError, KeyError, AttributeError):
        raise InputError(f"initial.path: {path} is not an HDF5 file with a dataset P.") from None
    if found != shape:
        raise InputError(f"initial.path: dataset P in {path} must have the shape {shape}, modes x 3 x points, "
                         f"not {found}.")


def _range(numbers):
    return f"{numbers.min()}" if np.ptp(numbers) == 0 else f"{numbers.min()} to {numbers.max()}"


def _imbalance(numbers):
    return f"{100 * (numbers.max() / numbers.mean() - 1):.0f} %"


def _counts(numbers):
    shown = numbers if len(numbers) <= 12 else numbers[:5] + ["..."] + numbers[-6:]
    return ", ".join(map(str, shown))


def _size(number):
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
