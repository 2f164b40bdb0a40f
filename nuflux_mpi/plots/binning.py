"""Many numbers for few pixels: means over bins for maps, the lowest and highest of a bin for curves, edges of cells.

Leaving rows out instead would alias: a wave shorter than the stride would come out as a long one. Nothing here draws.
"""

import numpy as np

MOST_BINS = 1200  # along a direction of a colour map; more would not be seen
_READ_AT_ONCE = 2**23  # numbers


def starts(count, most=MOST_BINS):
    """Where each of at most `most` bins of equally many of `count` rows begins; the last may hold fewer."""
    return np.arange(0, count, max(1, -(-count // most)))


def averaged(values, most=MOST_BINS, axis=0):
    """Means over bins of consecutive entries along `axis`; the values themselves where they are few enough."""
    first = starts(values.shape[axis], most)
    if len(first) == values.shape[axis]:
        return values
    counts = np.diff(np.append(first, values.shape[axis]))
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.add.reduceat(values, first, axis=axis) / counts.reshape(shape)


def edges(centres, most=MOST_BINS):
    """Edges of the bins of ascending `centres`: in the middle between two of them, and as far beyond the first and last."""
    centres = np.asarray(centres, dtype=float)
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    whole = np.concatenate(([2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]))
    return np.append(whole[:-1][starts(len(centres), most)], whole[-1])


def periodic(values, axis=-1):
    """Values with the first entry along `axis` once more behind the last: a map then reaches both ends of the box."""
    return np.concatenate((values, np.take(values, [0], axis=axis)), axis=axis)


def ring(points, length):
    """The positions of `periodic` values along one axis of a box."""
    return np.append(points, points[0] + length)


def space_time(stored, index, most=MOST_BINS):
    """Means of a stored field over bins of its times and of its last axis, (time bins, space bins).

    stored: (time, ..., space), read part by part; index: of all axes between.
    """
    count, points = stored.shape[0], stored.shape[-1]
    first = starts(count, most)
    step = first[1] - first[0] if len(first) > 1 else count
    together = step * max(1, _READ_AT_ONCE // max(1, points * step))
    parts = [
        averaged(
            averaged(np.asarray(stored[(slice(row, row + together), *index)]), most, axis=1),
            -(-min(together, count - row) // step),
        )
        for row in range(0, count, together)
    ]
    return np.concatenate(parts)


def envelope(x, y, most=MOST_BINS):
    """A curve with at most four points a bin that covers the same pixels: first, lowest, highest and last of each bin.

    x, y: (points,), y masked or NaN where nothing is known. Short curves come back unchanged.
    """
    x, values = np.asarray(x), np.ma.masked_invalid(y)
    if len(x) <= 4 * most:
        return x, y
    kept = []
    for part in np.split(np.arange(len(x)), starts(len(x), most)[1:]):
        known = part[~np.ma.getmaskarray(values)[part]]
        if known.size:
            kept += [part[0], known[np.argmin(values.data[known])], known[np.argmax(values.data[known])], part[-1]]
        else:
            kept += [part[0]]
    kept = np.unique(kept)
    return x[kept], values[kept]
