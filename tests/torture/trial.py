"""One fault from the start of a run to the verdict: its end, its words, its files, and what it becomes when it is resumed."""

import contextlib
import random
import re
import shutil
import threading
import time
from dataclasses import dataclass, field

from faults import CANNOT_WRITE
from job import CASES, PATIENCE, Job, saved_times
from processes import carry_out, python

from nuflux_mpi.errors import InputError
from nuflux_mpi.results.reader import Run

LIMIT = 10.0  # seconds from the fault to the end of the last process
TOLERANCE = 1e-9  # of P on other ranks: a few hundred steps at rtol 1e-10, whose rounding grows by exp(4) at most
ASPECTS = ("ended", "words", "readable", "resumed")  # what can be wrong


@dataclass
class Outcome:
    """What became of one fault: seconds to the end, exit code, number of resumptions, sentences for what was wrong."""

    kind: str
    ranks: int = 0
    seconds: float = 0.0
    code: int | None = None
    resumes: int = 0
    problems: dict = field(default_factory=lambda: {what: [] for what in ASPECTS})

    def failed(self):
        return any(self.problems.values())


class References:
    """Undisturbed runs of `cases` on `ranks`, each made when first asked for.

    Called with a case and a number of ranks: (directory, seconds until the first checkpoint, seconds from there).
    """

    def __init__(self, scratch, cases, ranks):
        self.cases, self.ranks = cases, ranks
        self._scratch, self._made, self._lock = scratch, {}, threading.Lock()
        for name, text in CASES.items():
            (scratch / f"{name}.toml").write_text(text)

    def case(self, name):
        return self._scratch / f"{name}.toml"

    def __call__(self, name, ranks):
        with self._lock:
            if (name, ranks) not in self._made:
                self._made[name, ranks] = self._make(name, ranks)
        return self._made[name, ranks]

    def _compile(self, name):
        """A first short run: the one that compiles the kernels may differ in the last bits from those that find them."""
        job = Job(self._scratch / f"first-{name}", self.case(name), 1, "--set", "time.end=0.1")
        try:
            job.end(time.time(), PATIENCE)
        finally:
            job.kill()

    def _make(self, name, ranks):
        if not any(made == name for made, _ in self._made):
            self._compile(name)
        directory = self._scratch / f"reference-{name}-{ranks}"
        job = Job(directory, self.case(name), ranks, "--deterministic")
        try:
            job.wait(lambda: saved_times(directory))
            started = time.time()
            code, _, _ = job.end(started, PATIENCE)
        finally:
            job.kill()
        if code:
            raise RuntimeError(f"the undisturbed run of {name} on {ranks} ranks ended with {code}:\n{job.said()}")
        return directory, started - job.began, time.time() - started


class Trial:
    """One fault: a run, the fault, its end, its resumption."""

    def __init__(self, kind, rng, references, parent, hurry=1.0):
        self.rng, self.references, self.parent, self.hurry = rng, references, parent, hurry
        self.case, self.ranks = rng.choice(references.cases), rng.choice(references.ranks)
        self.deterministic = rng.random() < 0.75
        self.same_ranks = rng.random() < 0.5
        self.reference, self.startup, self.duration = references(self.case, self.ranks)
        self.outcome = Outcome(kind.name, self.ranks)
        self.clean = contextlib.ExitStack()
        self.resume_with = ("--resume", "auto")
        parent.mkdir()
        self.fault = kind(self)
        self.directory = self.fault.directory(parent)

    def expect(self, what, condition, sentence):
        if not condition:
            self.outcome.problems[what].append(sentence)

    def start(self, *options, ranks=None, **program):
        """A run in the directory of this fault, with some ten checkpoints on its way."""
        options += ("--set", f"output.checkpoint_every={max(self.duration / 10, 0.03):.2f}")
        options += ("--deterministic",) * self.deterministic
        job = Job(self.directory, self.references.case(self.case), ranks or self.ranks, *options, **program)
        self.clean.callback(job.kill)
        return job

    def run(self):
        """-> the Outcome, or None if the run was over before the fault could strike."""
        with self.clean:
            job = self.fault.start()
            if not self.fault.reach(job):
                job.end(time.time(), PATIENCE)
                return None
            struck = time.time()
            try:
                self.fault.strike(job)
            except ProcessLookupError:  # it has just ended
                job.end(time.time(), PATIENCE)
                return None
            if not self._judge_end(job, struck):
                return None
            self._judge_directory()
            saved = saved_times(self.directory)
            self.fault.aftermath()
            self.fault.relieve()
            self._resume(saved[: len(saved) - self.fault.lost()] if self.fault.lost() < len(saved) else [])
        return self.outcome

    def _judge_end(self, job, struck):
        """Whether the fault did strike before the run was over."""
        fault, outcome = self.fault, self.outcome
        limit = PATIENCE if fault.goes_on else LIMIT
        outcome.code, seconds, in_time = job.end(fault.since(struck), limit)
        said = job.said()
        if fault.missed(outcome.code, said):
            return False
        outcome.seconds = 0.0 if fault.goes_on else max(0.0, seconds)
        self.expect("ended", in_time, f"ended {seconds:.1f} s after the fault")
        self.expect("words", outcome.code in fault.codes, f"exit code {outcome.code}:\n{said}")
        tracebacks = said.count("Traceback")
        self.expect("words", tracebacks == fault.tracebacks, f"{tracebacks} tracebacks:\n{said}")
        if fault.words:
            # Ranks that meet the same full disk each say so.
            found = len(re.findall(fault.words, said, re.MULTILINE))
            self.expect(
                "words",
                1 <= found <= (self.ranks if fault.words == CANNOT_WRITE else 1),
                f"{found} times {fault.words}:\n{said}",
            )
        return True

    def _judge_directory(self):
        """Is the directory readable, and has it the first rows of the undisturbed run?"""
        done = carry_out(python(["-m", "nuflux_mpi", "info", self.directory]), PATIENCE)
        if not saved_times(self.directory):  # killed before it had begun: nothing there, which is said in a sentence
            in_words = done.returncode in (0, 2) and "Traceback" not in done.stderr
            self.expect("readable", in_words, f"info:\n{done.stderr}")
            return
        self.expect("readable", done.returncode == 0, f"info ended with {done.returncode}:\n{done.stderr}")
        try:
            run, whole = Run(self.directory), Run(self.reference)
            for part in ("series", "fields"):
                time_, expected = getattr(run, part)["time"][:], getattr(whole, part)["time"][:]
                self.expect("readable", list(time_) == list(expected[: len(time_)]), f"{part}: times {time_}")
        except InputError as error:
            self.expect("readable", False, str(error))

    def _resume(self, saved):
        """Until it is done; from the last of the `saved` times on."""
        code, ranks, all_ranks = None, self.ranks, {self.ranks}
        while code != 0 and self.outcome.resumes < 5:
            ranks = self.ranks if self.same_ranks else self.rng.choice(self.references.ranks)
            all_ranks.add(ranks)
            job = self.start(*self.resume_with, ranks=ranks)
            code, _, _ = job.end(time.time(), PATIENCE)
            said = job.said()
            self.outcome.resumes += 1
            if code not in (0, 3):
                self.expect("resumed", False, f"resuming ended with {code}:\n{said}")
                return
            begun = re.search(r"t = (\S+) \.\. ", said)
            if saved and begun:
                self.expect(
                    "resumed",
                    float(begun[1]) >= saved[-1] * (1 - 1e-5),
                    f"went on from t = {begun[1]}, and not from {saved[-1]}:\n{said}",
                )
        self.expect("resumed", code == 0, f"not done after {self.outcome.resumes} times")
        bits = self.deterministic and len(all_ranks) == 1
        for sentence in differences(Run(self.reference), Run(self.directory), bits):
            self.expect("resumed", False, sentence)

    def expect_refused(self, *options, words):
        """A run started in the directory with `options` now ends with exit code 2 and one sentence with `words`."""
        job = self.start(*options)
        code, seconds, _ = job.end(job.began, PATIENCE)
        said = job.said()
        sentences = re.findall(rf"^nuflux_mpi: .*{words}.*$", said, re.MULTILINE)
        self.expect(
            "words",
            code == 2 and len(sentences) == 1 and "Traceback" not in said,
            f"{' '.join(options)} was to be refused, and ended with {code}:\n{said}",
        )
        latest = LIMIT + 2.0 * self.startup  # most of it is the start, which may be slower than the undisturbed one
        self.expect("ended", seconds <= latest, f"refused after {seconds:.1f} s")


def differences(whole, run, bits):
    """In words, what is not the same in two runs: bit for bit, or within `TOLERANCE`."""
    import numpy as np

    for part in ("series", "fields"):
        ours, theirs = getattr(run, part), getattr(whole, part)
        if list(ours["time"][:]) != list(theirs["time"][:]):
            yield f"{part} has times {ours['time'][:]}"
        elif bits:
            names = [name for name in theirs if name != "wall_time"]
            differ = [
                name
                for name in names
                if name not in ours or not np.array_equal(ours[name][...], theirs[name][...], equal_nan=True)
            ]
            if differ:
                yield f"{part} differs in {', '.join(differ)}"
        elif part == "fields":
            worst = np.abs(ours["P"][...] - theirs["P"][...]).max()
            if not worst <= TOLERANCE:
                yield f"P differs by {worst:.1e}"


def inject(kind, seed, number, references, scratch):
    """One fault of the class `kind`. -> its Outcome. After a run that was over too soon another is struck sooner."""
    for attempt in range(4):
        rng, parent = random.Random(f"{seed} {number} {attempt}"), scratch / f"{number}-{kind.name}-{attempt}"
        outcome = Trial(kind, rng, references, parent, hurry=0.5**attempt).run()
        if outcome:
            if not outcome.failed():
                shutil.rmtree(parent)
            return outcome
    missed = Outcome(kind.name)
    missed.problems["ended"].append("every run was over before the fault could strike")
    return missed
