"""Results that are no numbers end a run: they are never written where a number is promised."""

import numpy as np

from ..errors import NumericalFailure
from ..runtime.collective import any_rank


def check_row(t, row, promised=None):
    """NumericalFailure if a row of series has an entry that is infinite or not a number. The same on all ranks.

    promised: masks of the entries that must be finite by name, where not all of them must.
    """
    promised = promised or {}
    bad = [name for name, value in row.items() if np.any(~np.isfinite(value) & promised.get(name, True))]
    if bad:
        raise NumericalFailure(f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite at t = {t:.10g}")


def check_fields(t, fields, comm):
    """The same for local fields by name. Collective."""
    # Two passes and no array of flags: not-a-number spreads to the smallest and the largest.
    bad = [name for name, field in fields.items() if field.size and not np.isfinite([field.min(), field.max()]).all()]
    if any_rank(comm, bool(bad)):
        named = ", ".join(bad or fields)
        raise NumericalFailure(f"a field ({named}) is not finite at t = {t:.10g}")
