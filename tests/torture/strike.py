"""Faults injected into real runs: does each run end in time, in words, with nothing lost?

    python tests/torture faults --faults 66 --seed 1        each kind of fault in turn, a table; exit code 1 if one failed
    python tests/torture faults --only exception --faults 5
    python tests/torture faults --faults 66 --seed 1 --table docs/reliability.md

Each fault strikes a run of its own under mpirun, on 1 to 4 ranks, when the run has come a random part of its way. Then

- the run ends within 10 s, or goes on undisturbed where that is promised, and leaves no process behind;
- exit code and words are those of docs/reliability.md: one sentence, and a traceback only for a defect, once;
- `python -m nuflux_mpi info` and `results.Run` read the directory, and the series have the rows of an undisturbed run,
  none twice and none missing;
- `--resume auto`, on the same or on other numbers of ranks, repeated until the exit code is 0, goes on from the last
  checkpoint and ends with the numbers of an undisturbed run: on the same ranks with --deterministic bit for bit, else P
  to 1e-9.

A fault is reproduced by its seed and number (`--seed S --first N --faults 1`), but for the scheduling of the machine.
Needs mpirun and a Linux /proc. A full disk needs the right to mount a tmpfs; without it that kind is left out, and said
so. Exit codes of runs that are killed are those of Open MPI's mpirun.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import KINDS
from job import CASES
from trial import ASPECTS, References, inject


def table(outcomes):
    """Markdown, one line per kind of fault and one for all."""
    lines = [
        "| fault | number | ended in time | slowest | exit code | words as promised | readable | resumed, equal |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for name in [*KINDS, None]:
        mine = [outcome for outcome in outcomes if name in (None, outcome.kind)]
        if mine:
            ended, words, readable, resumed = (sum(not outcome.problems[what] for outcome in mine) for what in ASPECTS)
            slowest = max(outcome.seconds for outcome in mine)
            slowest = "goes on" if name and KINDS[name].goes_on else f"{slowest:.1f} s"
            codes = ", ".join(map(str, sorted({o.code for o in mine if o.code is not None}))) if name else ""
            meaning = KINDS[name].meaning if name else "all"
            lines.append(f"| {meaning} | {len(mine)} | {ended} | {slowest} | {codes} | {words} | {readable} | {resumed} |")
    return "\n".join(lines)


def report(number, outcome):
    """A line about one fault, and what was wrong."""
    print(
        f"{number:4d} {outcome.kind:<20} {outcome.ranks} rank(s)  exit {outcome.code}  {outcome.seconds:4.1f} s  "
        f"resumed {outcome.resumes}x  {'FAILED' if outcome.failed() else 'ok'}",
        flush=True,
    )
    for what, sentences in outcome.problems.items():
        for sentence in sentences:
            print(f"     {what}: {sentence}", flush=True)


HEADING = "## Faults injected"
ABOUT = """`{command}` starts short runs of two beams, at level `energy` with `5dp` and at level
`momentum` with `adams`, on 1 to 4 ranks under Open MPI, and strikes each when it has come a random part of its way, some
that are killed already in their start. (These runs take seconds: one whose wall time is to end, and one in whose directory
a second is started, are held with SIGSTOP meanwhile.) Counted are the runs of which all this is true:

- *ended in time*: no process is left 10 s after the fault (the slowest is given), and a run that is refused ends within
  10 s and twice an undisturbed start.
- *words as promised*: exit code and output are those of the tables above.
- *readable*: `info` and `results.Run` read the directory, and series and fields have the first rows of an undisturbed
  run, none twice, none missing.
- *resumed, equal*: `--resume auto`, on the same or on other numbers of ranks, went on from the last checkpoint that was
  written (from the one before if that was spoiled) and ended with the numbers of an undisturbed run: bit for bit
  on the same ranks with `--deterministic`, otherwise P to 1e-9.
"""


def put_table(path, text):
    """Write the section with the table into a page, in place of what it held before."""
    page = path.read_text() if path.exists() else f"# Reliability\n\n{HEADING}\n"
    if HEADING not in page:
        page = f"{page.rstrip()}\n\n{HEADING}\n"
    before, after = page.split(HEADING, 1)
    rest = after.find("\n## ")
    path.write_text(f"{before}{HEADING}\n\n{text}\n{after[rest:] if rest >= 0 else ''}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=len(KINDS), metavar="N", help="default: one of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first fault")
    parser.add_argument("--only", choices=KINDS, action="append", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4], metavar="N", help="to choose from")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at the same time")
    parser.add_argument("--case", choices=CASES, action="append", help="only this case")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table into this Markdown page")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new directory, and keep it")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends what it has started, too

    reasons = {name: KINDS[name].missing() for name in arguments.only or KINDS}
    kinds = [KINDS[name] for name, reason in reasons.items() if not reason]
    left_out = "\n".join(f"left out: {KINDS[name].meaning} ({reason})" for name, reason in reasons.items() if reason)
    if left_out:
        print(left_out, flush=True)
    if not kinds:
        return 0
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    scratch = arguments.keep or Path(tempfile.mkdtemp(prefix="torture-"))
    scratch = scratch.resolve()
    references, outcomes = References(scratch, arguments.case or list(CASES), arguments.ranks), []
    pool = ThreadPoolExecutor(arguments.jobs)
    try:
        numbers = range(arguments.first, arguments.first + arguments.faults)
        for number, outcome in zip(
            numbers,
            pool.map(lambda number: inject(kinds[number % len(kinds)], arguments.seed, number, references, scratch), numbers),
        ):
            outcomes.append(outcome)
            report(number, outcome)
    finally:
        pool.shutdown(cancel_futures=True)
    failed = any(outcome.failed() for outcome in outcomes)
    print(table(outcomes))
    if arguments.table:
        command = f"python tests/torture faults --faults {arguments.faults} --seed {arguments.seed}"
        put_table(arguments.table, "\n".join((ABOUT.format(command=command), table(outcomes), left_out)).rstrip())
    if failed:
        print(f"failed runs are in {scratch}")
    elif not arguments.keep:
        shutil.rmtree(scratch)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
