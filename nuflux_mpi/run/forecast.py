"""How long a run will take and whether its files fit: estimates from a config, before anything is allocated. No MPI.

Time is right-hand sides times the cost of one. Their number follows from the frequencies that the steps must follow, the
cost from transforms of NumPy that are timed here for a moment; both are good to a factor of about two, and given as ranges.
"""

import math
import shutil
import time
from pathlib import Path

import numpy as np

from ..physics import initial
from ..physics.seeding import highest_harmonics
from ..storage.section import per_axis
from ..time.methods import SPLITTINGS

# Right-hand sides in a unit of time over the largest frequency, at rtol = 1e-10: what some twenty runs of the shipped cases
# took lies between. Methods of order 12 take rtol^(-1/12) more. Runge-Kutta pairs need so many times as many, and in an interval
# between outputs at least those of one step, or of a few.
PER_PERIOD, ORDER, RUNGE_KUTTA, STAGES = (2.0, 13.0), 12, 3.0, (6, 30)
FEWEST = 100  # a method of many steps starts with short ones
# Cost of the time loop per number of the state over that of a transform forth and back by NumPy, and what calls cost [s].
LOOP, CALLS = (0.8, 3.0), (5e-5, 2e-4)
# Ranks of a node wait for each other; between nodes a message and its bytes take (docs/performance.md).
WAIT, MESSAGE, BANDWIDTH, EXCHANGES = 5e-6, 1e-6, 0.4e9, 4
START, ROW, DISK = (1.0, 5.0), (1e-3, 1e-2), (1e9, 1e8)  # of the program [s], of an output time [s], of files [B/s]
SAMPLE = 0.02  # seconds of timing
HUGE = 20e9  # bytes of one kind of file that are worth a word
CHECKPOINTS = 3  # that must fit: the newest, the one before, the one being written


# ---- time ------------------------------------------------------------------------------------------------------------


def right_hand_sides(setup):
    """(fewest, most) evaluations of a run, or None: for splittings, and where the densities are those of a start file."""
    resolved, method, directions = setup.config, setup.method, setup.modes
    section = resolved.initial
    if method in SPLITTINGS or section.kind == "file" and directions.n is None:
        return None
    size = directions.n if directions.n is not None else initial.background(resolved, directions)
    times = resolved.time
    duration = times.end - times.start
    periods = (np.sum(np.abs(size)) + _highest_wave_number(resolved)) * duration
    counts = [each * periods * (times.rtol / 1e-10) ** (-1 / ORDER) for each in PER_PERIOD]
    if method != "adams":
        series = duration / resolved.output.series_every
        counts = [max(RUNGE_KUTTA * count, stages * series) for count, stages in zip(counts, STAGES)]
    return tuple(max(FEWEST, count) for count in counts)


def _highest_wave_number(resolved):
    """Of the initial state [mu]: coherence that moves along with it varies at that rate; 0 for a start file."""
    section, length = resolved.initial, resolved.box.lengths

    def size(n):
        return max(2 * math.pi * abs(number) / L for number, L in zip(per_axis(n), length))

    kind = section.kind
    if kind in ("seeds", "power-law"):
        return size(list(highest_harmonics(section, length)))
    if kind == "fourier":
        return max(size(wave["n"]) for wave in section.waves)
    if kind == "rotation":
        return max(size(turn["n"]) for turn in section.turns)
    if kind == "profile":
        return size(section.n) + 3 / section.width
    return size(section.n) if kind == "eigenmode" else 0.0


def transform_seconds(points):
    """Seconds per number for a transform forth and back of lines of so many points, timed for a moment."""
    lines = np.zeros((16, max(2, min(points, 4096))))
    best, end = math.inf, time.perf_counter() + SAMPLE
    while time.perf_counter() < end:
        begun = time.perf_counter()
        np.fft.irfft(np.fft.rfft(lines, axis=1), lines.shape[1], axis=1)
        best = min(best, time.perf_counter() - begun)
    return best / lines.size


def seconds_per_evaluation(numbers, points, ranks, nodes, sent):
    """(least, most) seconds of one right-hand side with its part of the loop.

    numbers: real numbers of the state; points: of a line; sent: bytes that a rank sends to all others.
    """
    unit = transform_seconds(points)
    waiting = EXCHANGES * (WAIT * (ranks > 1) + MESSAGE * (nodes - 1))
    between = sent * (1 - 1 / nodes) / max(1 - 1 / ranks, 0.5) / BANDWIDTH
    return tuple(unit * share * numbers / ranks + calls + waiting + between for share, calls in zip(LOOP, CALLS))


def run_time(setup, numbers, ranks, nodes, sent, rows, written):
    """The sentence about the run's time; rows: output times; written: bytes of all files; else as above."""
    counts = right_hand_sides(setup)
    each = seconds_per_evaluation(numbers, setup.config.box.shape[-1], ranks, nodes, sent)
    cost = f"{_span(*each)}, from transforms timed here for {1000 * SAMPLE:.0f} ms"
    cost += "" if nodes == 1 else f" and {BANDWIDTH / 1e9:g} GB/s for each rank between nodes"
    if counts is None:
        return f"not known; right-hand sides take {cost}"
    low, high = (
        count * seconds + start + rows * row + written / speed
        for count, seconds, start, row, speed in zip(counts, each, START, ROW, DISK)
    )
    return (
        f"{_span(low, high)}: {_number(counts[0])} to {_number(counts[1])} right-hand sides of {cost}; "
        f"the rest start and {rows} output times"
    )


def _span(low, high):
    """Two durations in words."""
    return f"{_duration(low)} to {_duration(high)}"


def _duration(seconds):
    for unit, size, limit in (
        ("us", 1e-6, 1e-3),
        ("ms", 1e-3, 1.0),
        ("s", 1.0, 120.0),
        ("min", 60.0, 7200.0),
        ("h", 3600.0, 172800.0),
    ):
        if seconds < limit:
            return f"{_number(seconds / size)} {unit}"
    return f"{_number(seconds / 86400)} days"


def _number(value):
    """Two digits, without an exponent."""
    return f"{float(f'{value:.2g}'):.10g}"


# ---- files -----------------------------------------------------------------------------------------------------------


def large_files(resolved, sizes, checkpoint, vectors, snapshots):
    """Sentences about files that take more than HUGE, with what to set instead.

    sizes: bytes by name, as of `check.file_sizes`; checkpoint: bytes of one; vectors: of the state's size in it; snapshots: in
    fields.h5.
    """
    found, duration = [], resolved.time.duration
    for name, key, count in (("fields.h5", "fields_every", snapshots), ("phase_space.h5", "phase_space_every", None)):
        if sizes.get(name, 0) <= HUGE:
            continue
        text = f"{name} will take {shown(sizes[name])}"
        if resolved.output[key]:
            count = count or math.ceil(duration / resolved.output[key] - 1e-9) + 1
            fitting = int(HUGE / (sizes[name] / count)) - 1
            text += f" in {count} snapshots: set output.{key} = "
            text += (
                f"{_rounded_up(duration / fitting):g} for {shown(HUGE)}"
                if fitting > 1
                else f"0 for the start and the end alone, {shown(2 * sizes[name] / count)}"
            )
        else:
            text += ", the start and the end alone: a smaller box or fewer directions take less"
        found.append(text)
    if CHECKPOINTS * checkpoint > HUGE:
        text = f"{CHECKPOINTS} checkpoints will take {shown(CHECKPOINTS * checkpoint)}"
        if vectors > 1:
            text += f", with time.method = 8vr {shown(CHECKPOINTS * checkpoint / vectors)}"
        found.append(text)
    return found


def _rounded_up(value):
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit * (1 - 1e-12)) * unit


def room(total, directory):
    """(sentence, whether it fits): what all files take beside what is free where they would be written."""
    place = Path(directory).expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return f"{shown(total)} in all; what is free at {place} is not known ({error.strerror})", True
    text = f"{shown(total)} in all with {CHECKPOINTS} checkpoints, {shown(free)} are free at {place}"
    return text, total <= free


def shown(number):
    """Bytes in words."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
