"""Times of a run: when output is due, and what doubles can tell apart.

A run counts its time from time.start, where doubles are finest; time.start is added where a time is written or said. So
only what is written feels how far from 0 a run starts, and here is checked that it can still be told apart.
"""

import math

# Steps shorter than so many spacings of doubles at the time they lead to are not honest: time itself would be off by one
# part in a thousand of a step.
SPACINGS = 512
# A step this much shorter than the longest one has nothing to do with the rates of the problem any more.
PART_OF_LONGEST = 1e-13
OUTPUTS = ("series_every", "fields_every", "spectrum_every", "phase_space_every")
MOST_TIMES = 10**6  # output times of one kind: more is a misprint, and a list of them would fill the memory
SAME = 1e-9  # times and places nearer than this are one, relative to the extent of their axis; output times are met to rounding


def shortest_step(t, longest):
    """Default of time.dt_min at the time t since the start, where the longest step so far was `longest`."""
    return max(SPACINGS * math.ulp(t), PART_OF_LONGEST * longest)


def schedule(start, end, cadences):
    """Output times in order with what is due: (time since the start, time, {names}).

    Multiples of each cadence from `start`, and both ends. cadences: name -> interval. An interval of 0 asks for nothing, but
    for snapshots (not "spectrum") it means the two ends. Times of different cadences that agree to rounding are one time.
    """
    due, duration = {}, end - start
    for name, every in cadences.items():
        if every:
            count = math.floor(duration / every * (1 + 1e-12))
            steps = [i * every for i in range(count + 1)]
        elif name != "spectrum":
            steps = [0.0]
        else:
            continue
        steps = [t if abs(t - duration) > 1e-9 * min(every, duration) else duration for t in steps]
        for t in steps + [duration]:
            due.setdefault(round(t / duration * 1e12), [t, set()])[1].add(name)
    return [(t, start + t if t < duration else end, names) for _, (t, names) in sorted(due.items())]


def near(axis, value):
    """Which entries of an axis (array) are `value`, a number or an array of the axis' length, but for rounding."""
    import numpy as np

    axis = np.asarray(axis, dtype=float)
    largest = max(np.abs(axis).max(initial=0.0), np.abs(value).max(initial=0.0))
    return np.abs(axis - value) <= SAME * np.ptp(axis) + 16 * np.spacing(largest) if len(axis) else np.zeros(0, dtype=bool)


def problems(time, output):
    """What is wrong with the sections [time] and [output] of a resolved config, one sentence for each key."""
    start, end, duration = time["start"], time["end"], time["end"] - time["start"]
    if end <= start:
        return [f"time.end must be later than time.start = {start:g}, not {end:g}."]
    return [*_steps(time, duration), *_outputs(output, duration, max(math.ulp(start), math.ulp(end)))]


def _steps(time, duration):
    least = math.ulp(duration)
    for name in ("dt_initial", "dt_min", "dt_max"):
        if time[name] is not None and time[name] < least:
            yield (
                f"time.{name} must be at least {least:.2g}, the spacing of doubles at the end of the run, not "
                f"{time[name]:g}: a step that short does not advance the time."
            )
    if time["dt_min"] is not None:
        for name in ("dt_initial", "dt_max"):
            if time[name] is not None and time[name] < time["dt_min"]:
                yield f"time.{name} must not be below time.dt_min = {time['dt_min']:g}, not {time[name]:g}."
    elif time["dt_max"] is not None and least <= time["dt_max"] < SPACINGS * least:
        yield (
            f"time.dt_max must be at least {SPACINGS * least:.2g}, {SPACINGS} times the spacing of doubles at the end of "
            f"the run, unless time.dt_min is given, not {time['dt_max']:g}."
        )


def _outputs(output, duration, spacing):
    for name in OUTPUTS:
        every = output[name]
        if every and duration > MOST_TIMES * every:
            yield (
                f"output.{name} must be at least {duration / MOST_TIMES:g}, a millionth of the run's duration, not {every:g}."
            )
    every, name = min((min(output[name], duration), name) for name in OUTPUTS if output[name])
    if every < 4 * spacing:
        yield (
            f"time.start must be nearer to 0: doubles at the times of the run are {spacing:.2g} apart, and outputs "
            f"{every:.2g} apart (output.{name}) could not be told from each other; nothing else depends on time.start."
        )
