"""Copies of the files that a run starts from, in its directory, so that it can be continued when they are gone.

    <run>/initial.3f2a90cc17b2d4e5.start.h5     of `initial.path`; momentum, full and matter likewise

What refers to the start (densities, changes of |P|, energies gained) is made anew from it when a run is continued, bit for bit.
The name has the first digits of the file's SHA-256, by which a copy that was damaged, or replaced, is known.
"""

import hashlib
import os
from pathlib import Path

from ..errors import InputError
from ..results import checkpoint
from ..runtime.text import one_line
from ..storage import start_file
from ..storage.atomic import aside, create, local, open_plain, sync
from ..storage.config_text import portable_path, system_path

_DIGITS = 16
_PIECE = 2**22  # bytes


def take_up(config, out, resume):
    """(config, sentences): the config with the paths of copies where a run goes on whose files are gone, or others by now.

    out, resume: as of :class:`~nuflux_mpi.run.simulation.Simulation`. Call on one rank. InputError for a file that is not there, and
    has no copy.
    """
    said, directory = [], _continued(config, out, resume)
    for key, path in start_file.named(config).items():
        copy = _copy_of(directory, key) if directory else None
        if copy and not _is_original(system_path(path), _digits(copy)):
            said.append(
                f"{key}: {one_line(system_path(path))} is gone, or not what it was: the start is read from the copy {copy}"
            )
            section = config[_stem(key)].replace(path=portable_path(str(copy.resolve())))
            config = config.replace(**{_stem(key): section})
        else:
            _check_there(path, key, directory)
    return config, said


def _check_there(path, key, directory):
    """InputError if the file of a config is not there; directory: where a copy of it would be, or None."""
    try:
        start_file.check_there(path, key)
    except InputError as error:
        if not directory:
            raise
        raise InputError(
            f"{error} The run in {directory} has no copy of it: put it back, or name its new place with --set {key}=PATH."
        ) from None


def keep(directory, config, fresh=True):
    """Copy the files of a run that begins into its directory, in place of those of a run before; -> sentences. On one rank.

    fresh: whether it begins; one that goes on, of version 0.1 for example, gets the copies that it lacks.
    The run does not need them until it is continued: where they cannot be written it goes on, and a sentence says so.
    """
    said, kept = [], set()
    for key, path in start_file.named(config).items():
        if not fresh and _copy_of(directory, key):
            continue
        source, digest = system_path(path), start_file.digest_of(system_path(path))
        target = directory / f"{_stem(key)}.{digest[:_DIGITS]}.start.h5"
        kept.add(target.name)
        try:
            if not (target.exists() and os.path.samefile(source, target)):
                _copy(source, target, digest, key)
        except OSError as error:
            said.append(
                f"warning: no copy of {one_line(source)} in the run's directory ({error.strerror or error}): to continue the "
                "run, keep the file"
            )
    for old in directory.glob("*.start.h5") if fresh else ():
        if old.name not in kept and _digits(old):
            old.unlink(missing_ok=True)
    return said


def _continued(config, out, resume):
    """Directory of the run that is to be continued, or None."""
    if resume not in ("auto", "never"):
        return Path(local(resume)).parent
    directory = Path(local(out or Path("runs") / config.name))
    return directory if resume == "auto" and out is not None and checkpoint.candidates(directory) else None


def _copy_of(directory, key):
    return next((path for path in sorted(directory.glob(f"{_stem(key)}.*.start.h5")) if _digits(path)), None)


def _stem(key):
    return key.removesuffix(".path")


def _digits(path):
    """Those of the digest in the name of a copy; "" if it is no name of a copy."""
    return start_file.digits_in(path.name)


def _is_original(path, digits):
    """Whether a file is there and is what it was."""
    try:
        with open_plain(path) as file:
            digest = hashlib.sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
    except (OSError, ValueError):
        return False
    return digest.hexdigest().startswith(digits)


def _copy(source, target, wanted, key):
    new, digest = aside(target), hashlib.sha256()
    try:
        create(new)
        with open_plain(source) as file, open(new, "r+b") as copy:
            while piece := file.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
        if digest.hexdigest() != wanted:
            raise InputError(f"{key}: {one_line(source)} is being written: it has changed since it was read.")
        sync(new)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
