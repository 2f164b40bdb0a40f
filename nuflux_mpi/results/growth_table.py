"""growth.csv: the growth rates of a run's waves, measured and by linear theory, with their verdict."""

import csv
import io
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..storage.atomic import open_plain, write_whole

FILE = "growth.csv"
COLUMNS = ("k", "measured", "start", "end", "bend", "driven", "step_error", "shift", "theory")


def write(columns, path, verdict):
    """Write {name: values} as CSV, the verdict in a comment line; numbers read back as they were. The file is there whole or not."""
    text = io.StringIO()
    text.write(f"# {verdict}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in zip(*columns.values()):
        table.writerow([str(value) if isinstance(value, str) else repr(float(value)) for value in row])
    write_whole(path, text.getvalue())


def read(path):
    """({name: array} for the names of COLUMNS, with `pair`, the pairs of three flavors, verdict) that `write` wrote. InputError if they are damaged."""
    try:
        with io.TextIOWrapper(open_plain(path), newline="", encoding="utf-8") as file:
            verdict = file.readline().removeprefix("# ").rstrip("\n")
            rows = list(csv.DictReader(file))
        later = [row | {"shift": row.get("shift", 0.0)} for row in rows]  # version 0.1 did not know it
        columns = {name: np.array([float(row[name]) for row in later]) for name in COLUMNS}
        if any("pair" in row for row in rows):
            columns["pair"] = np.array([row["pair"] for row in rows])
        return columns, verdict
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{Path(path)} cannot be read: {error}.") from None
