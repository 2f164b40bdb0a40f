"""Which files of a run can be continued: those that hold what the checkpoint knows of them, and belong to its run.

A file of another run is refused, and nothing is touched. A damaged one is set aside, and the run goes on in a new one. A
file that the system does not let us open is neither: that is said, and nothing is done. Call everything on one rank.
"""

import json
import os
import secrets
import shutil
import time as clock
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileProblem, InputError
from ..physics.terms import Stored
from ..runtime import child
from ..storage import hdf5
from ..storage.atomic import sync
from . import probe

_REWRITTEN = 2**28  # bytes up to which a file is copied, and so rid of damage that does not show in what it holds
_SLOWEST, _PATIENCE = 20e6, 60.0  # bytes per second of a slow disk, and seconds that a child may take besides
_COPY = ".resumed"
_NO_CONFIG = (KeyError, TypeError, AttributeError, ValueError)  # what reading a text that is no config may raise
_LONG = 20.0  # seconds of checking that are worth a line


@dataclass
class Known:
    """A file that can be continued: numbers of records by axis, content sums by dataset, when its run began."""

    rows: dict
    sums: dict
    created: str


def continued(directory, memory, config):
    """What of the files that a checkpoint remembers can go on. -> ({name: Known}, sentences)

    memory: that of the checkpoint, a RunMemory; config: the run's, as TOML text. InputError for a file of another run,
    FileProblem for one that may not be opened.
    """
    begin, kept = clock.monotonic(), {}
    for name in memory.rows:
        openable(directory / name, os.O_RDWR)
    answers, said = _examined(directory, memory, copy=True)
    try:
        for name, answer in answers.items():
            refuse_stranger(directory / name, answer, memory, config)
        for name, answer in answers.items():
            path = directory / name
            if answer["problem"]:
                said.append(set_aside(path, answer["problem"]))
            else:
                _take(path, answer["copy"] if answer["copied"] else "")
                kept[name] = Known(memory.rows[name], answer["sums"], memory.created)
    finally:
        _remove(answers)
    said += [f"{name} is gone: a new one begins here" for name in memory.rows if name not in answers]
    seconds = clock.monotonic() - begin
    if seconds > _LONG:
        size = sum((directory / name).stat().st_size for name in kept)
        said.append(f"checked {size / 1e9:.3g} GB of results in {seconds:.0f} s")
    return kept, said


def _remove(answers):
    """The copies that have not taken the place of their files."""
    for copy in [answer["copy"] for answer in answers.values() if answer["copy"]]:
        Path(copy).unlink(missing_ok=True)


def check_finished(directory, memory, config):
    """FileProblem if a file of a finished run does not hold what the run wrote. -> sentences"""
    for name in memory.rows:
        openable(directory / name, os.O_RDONLY)
    answers, said = _examined(directory, memory, copy=False)
    for name, answer in answers.items():
        refuse_stranger(directory / name, answer, memory, config)
        if answer["problem"]:
            raise FileProblem(
                f"{directory / name} is damaged ({answer['problem']}), and the run is finished: --overwrite computes it again"
            )
    return said


def openable(path, how):
    """FileProblem if a file is there and the system does not let us open it. Nothing follows from that for its content."""
    try:
        if not path.is_file() and path.exists():
            raise FileProblem(f"{path} is no file: put it elsewhere")
        os.close(os.open(path, how))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise FileProblem(f"{path} cannot be opened ({error.strerror}): nothing has been changed") from None


def _examined(directory, memory, copy):
    """({name: answer of `probe`} for the files that are there, sentences)."""
    requests = {}
    for name, rows in memory.rows.items():
        path = directory / name
        if not path.exists():
            continue
        known = memory.files.get(name)
        requests[name] = {
            "path": os.path.abspath(path),
            "rows": rows,
            "sums": known and known.sums,
            "forms": known and known.forms,
            "stored": dict(Stored()),
            "named": known and known.named,
            "attributes": known.attributes if known and not copy else None,
            "copy": _copies(path) if copy else "",
            # What a kill in the middle of a write may have left missing, a record, is no larger than the file.
            "room": 2**24 + 2 * path.stat().st_size,
        }
    sizes = {name: (directory / name).stat().st_size for name in requests}
    patience = _PATIENCE + max(sizes.values(), default=0) / _SLOWEST
    said = []
    try:
        answers = _ask(list(requests.values()), patience)
    except child.Unavailable as reason:
        said.append(f"the files are checked in this process, which a damaged one may crash: no other starts ({reason})")
        answers = [probe.examine(request) for request in requests.values()]
    answers = {name: answer | {"copy": requests[name]["copy"]} for name, answer in zip(requests, answers)}
    for name, size in sizes.items():
        if answers[name]["problem"] and (directory / name).stat().st_size != size:
            os.truncate(directory / name, size)  # the child had made it longer, to look into it
        if answers[name]["system"]:
            _remove(answers)
            raise FileProblem(f"{directory / name} cannot be read ({answers[name]['system']}): nothing has been changed")
    return answers, said


def _ask(requests, patience):
    """The answers of `probe`; where the file ended the process that read it, that is the answer. child.Unavailable."""
    try:
        return child.ask("results.probe", [json.dumps(requests)], patience * max(1, len(requests)))
    except child.Crashed as crash:
        if not requests:  # it is not the files
            raise child.Unavailable(str(crash)) from None
        if len(requests) == 1:
            _ask([], _PATIENCE)
            return [{"problem": f"reading it ends with: {crash}", "system": "", "copied": False}]
    return [answer for request in requests for answer in _ask([request], patience)]


def _copies(path):
    """Where the copy of a file is to be, "" if it is too large for one or the disk too full; old ones are removed."""
    path = path.resolve()  # a link to another disk stays one
    for left in path.parent.glob(f".{path.name}.*{_COPY}"):  # by a kill
        left.unlink(missing_ok=True)
    size, space = path.stat().st_size, os.statvfs(path.parent)
    fits = size <= _REWRITTEN and 2 * size + 2**20 < space.f_bavail * space.f_frsize
    return os.fspath(path.with_name(f".{path.name}.{secrets.token_hex(8)}{_COPY}")) if fits else ""


def _take(path, copy):
    """Put the copy of a file in its place, or, without one, guard the file as it is."""
    try:
        if copy:
            shutil.copymode(path, copy)
            sync(copy)
            os.replace(copy, path.resolve())
        else:
            hdf5.keep_whole(path)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written ({error.strerror or error})") from None


def refuse_stranger(path, answer, memory, config):
    """InputError if a file is another run's by the answer of `probe`; one that holds what this run wrote is this run's."""
    if not answer["problem"] and memory.files:
        return
    if memory.run_id:
        foreign = "config_toml" in answer and answer.get("run_id") != memory.run_id
    else:  # of version 0.1, which knew no names of runs
        foreign = _other_physics(answer.get("config_toml"), config)
    if foreign:
        raise InputError(
            f"--resume: {path} belongs to another run than the checkpoint beside it, and nothing has been "
            "changed: put it elsewhere, and the run goes on with a new one"
        )


def _other_physics(text, other):
    """Whether two configs, as TOML text, describe different problems; not where one cannot be read."""
    try:
        return bool(_differences(text, other))
    except _NO_CONFIG:
        return False


def _differences(text, other):
    from .run_directory import differences

    return differences(tomllib.loads(text), tomllib.loads(other))


def set_aside(path, problem):
    """Give a damaged file another name. -> a sentence about it"""
    number, aside = 1, path.with_suffix(".damaged.h5")
    while aside.exists():
        number += 1
        aside = path.with_suffix(f".damaged-{number}.h5")
    try:
        path.replace(aside)
    except OSError as error:
        raise FileProblem(f"{path} is damaged ({problem}) and cannot be renamed ({error.strerror})") from None
    return f"{path.name} is damaged ({problem}): it is now {aside.name}, and a new one begins here"


def keep_config(directory, text):
    """Make room for run.toml with the config `text`: one of another problem, or none at all, is set aside. -> sentences"""
    path = directory / "run.toml"
    openable(path, os.O_RDONLY)
    try:
        found = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    except OSError as error:
        raise FileProblem(f"{path} cannot be read ({error.strerror}): nothing has been changed") from None
    if not found.strip() or _same_problem(found, text):
        return []
    number, aside = 1, path.with_name("run.other.toml")
    while aside.exists():
        number += 1
        aside = path.with_name(f"run.other-{number}.toml")
    path.replace(aside)
    return [f"run.toml is not that of this run: it is now {aside.name}, and a new one is written"]


def _same_problem(text, other):
    try:
        return not _differences(text, other)
    except _NO_CONFIG:
        return False
