"""How a box is cut over the ranks: a :class:`Plan`, found by `plan`. Pure functions of numbers, no communication."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..runtime.shapes import PerRank


def blocks(total: int, ranks: int) -> tuple[PerRank, PerRank]:
    """Sizes and starts of `total` items dealt to `ranks` in contiguous blocks that differ by one item at most."""
    quotient, remainder = divmod(total, ranks)
    sizes = np.full(ranks, quotient, dtype=int)
    sizes[:remainder] += 1
    return sizes, np.concatenate(([0], np.cumsum(sizes)[:-1]))


class Plan(NamedTuple):
    """How a box is cut: z has ``points = N1 * N2`` points, and the columns ``b`` of the N1 x N2 matrix are dealt to the ranks.

    across: points along the other axes of the box, which are whole on every rank; ``N1 = 1`` where there are any.
    """

    points: int
    lines: int
    ranks: int
    N1: int
    across: tuple = ()

    @property
    def N2(self) -> int:
        return self.points // self.N1

    @property
    def total(self) -> int:
        """Points of the whole box."""
        return self.points * math.prod(self.across)

    @property
    def inner(self) -> tuple[int, ...]:
        """Points along the axes that are transformed before the exchange: the other axes, or the rows of a factored z."""
        return (self.N1,) if self.factored else self.across

    @property
    def inner_waves(self) -> tuple[int, ...]:
        """Waves kept along each of these axes: half of the last one suffices, the others are conjugates."""
        return (*self.inner[:-1], self.inner[-1] // 2 + 1) if self.inner else ()

    @property
    def pairs_per_line(self) -> int:
        """Number of inner waves kept of each real line: wave-number residues ``c``, or waves along the other axes."""
        return math.prod(self.inner_waves)

    @property
    def points_per_rank(self) -> PerRank:
        """Points on each rank, shape (ranks,)."""
        return math.prod(self.across) * self.N1 * blocks(self.N2, self.ranks)[0]

    @property
    def factored(self) -> bool:
        return self.N1 > 1

    def __str__(self):
        if self.factored:
            return f"{self.N1} x {self.N2} points, columns dealt to the ranks"
        return "slabs" if not self.across else "slabs of z"


@cache
def _divisors(points):
    small = [i for i in range(1, int(points**0.5) + 1) if points % i == 0]
    return sorted(set(small + [points // i for i in small]))


# A cut is accepted when at least this part of the ranks has waves to work on; every rank has points in any case.
_BUSY = 0.75


def _candidates(points, lines, ranks):
    """All plans for a box of so many points, an integer or one per axis: with several axes there is one."""
    *across, points = np.atleast_1d(points).tolist()
    factors = [1] if across else _divisors(points)
    return [Plan(points, lines, ranks, N1, tuple(across)) for N1 in factors]


def _busy_ranks(candidate):
    """Ranks with rows in wave space; 0 where some rank would be without points."""
    busy = min(candidate.ranks, candidate.lines * candidate.pairs_per_line)
    return busy if candidate.N2 >= candidate.ranks else 0


def most_ranks(points, lines: int) -> int:
    """The largest number of ranks that `lines` lines of `points` points (an integer, or one per axis) can feed."""
    return max(min(candidate.N2, int(lines * candidate.pairs_per_line / _BUSY)) for candidate in _candidates(points, lines, 1))


def plan(points, lines: int, ranks: int) -> Plan:
    """Cut `points` points (an integer, or one per axis) and `lines` lines for `ranks` ranks.

    In one dimension the smallest ``N1`` is taken that keeps most ranks busy. Pure function, no communication. InputError if
    too many ranks would idle; it names the largest possible number.
    """
    best = max(_candidates(points, lines, ranks), key=lambda candidate: (_busy_ranks(candidate), -candidate.N1))
    if _busy_ranks(best) < _BUSY * ranks:
        remedy = (
            "more points along z, the last axis" if best.across else "more points with many divisors (a power of two is best)"
        )
        raise InputError(
            f"{ranks} ranks are more than this box can feed: {lines} lines (modes x components) of box.points = "
            f"{' x '.join(map(str, (*best.across, best.points)))} points can be cut for at most "
            f"{most_ranks(points, lines)} ranks; use fewer ranks, or {remedy}"
        )
    return best
