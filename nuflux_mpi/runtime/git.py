"""The commit of the checkout that the code runs from: asked of git, or read from git's own files where it does not say."""

import os
import re
import subprocess
import sys
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # SHA-1 or SHA-256
_LONGEST_CHAIN = 5  # of references that name references


def commit(top=None):
    """(commit hash, dirty flag) of the checkout in the directory `top`, default the one that holds this package.

    ("", None) where it is no checkout. The flag is None where nobody can tell. git is started only while MPI is not running:
    a fork inside an MPI process is not safe everywhere. Git also keeps silent where it is not installed and in a checkout
    that belongs to somebody else ("dubious ownership"). The hash is then read from its files.
    """
    top = Path(top) if top else Path(__file__).resolve().parents[2]
    if not os.path.lexists(top / ".git"):
        return "", None
    told = _ask(top) if "mpi4py.MPI" not in sys.modules else None
    return told or (_from_files(top), None)


def _ask(top):
    """What git says, or None where it says nothing."""
    # GIT_DIR and its like, as a hook of git sets them, would name another repository, and so would a directory above.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {"GIT_CEILING_DIRECTORIES": str(top.parent), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        head, status = (
            subprocess.run(
                ["git", "-C", str(top), *words],
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=True,
            )
            .stdout.decode(errors="replace")
            .strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (head, bool(status)) if _HASH.fullmatch(head) else None


def _from_files(top):
    """The hash in git's files, "" where it cannot be found there (as in a repository with reftables)."""
    try:
        own = _directory(top / ".git")
        common = own / _first_line(own / "commondir") if (own / "commondir").is_file() else own
        text = _first_line(own / "HEAD")
        for _ in range(_LONGEST_CHAIN):
            if not text.startswith("ref:"):
                return text if _HASH.fullmatch(text) else ""
            text = _reference(text[4:].strip(), own, common)
    except (OSError, ValueError):
        pass
    return ""


def _directory(git):
    """Git's directory: .git itself, or the one that .git names if it is a file, as in a worktree or a submodule."""
    if git.is_dir():
        return git
    line = _first_line(git)
    if not line.startswith("gitdir:"):
        raise ValueError(f"{git} names no directory")
    return git.parent / line[len("gitdir:") :].strip()


def _reference(name, own, common):
    """What a reference such as refs/heads/main holds: in a file of its own, else in packed-refs."""
    for place in (own, common):
        if (place / name).is_file():
            return _first_line(place / name)
    for line in (common / "packed-refs").read_text(encoding="utf-8", errors="replace").splitlines():
        digits, _, named = line.partition(" ")
        if named == name:
            return digits
    raise ValueError(f"{name} is nowhere")


def _first_line(path):
    return path.read_text(encoding="utf-8", errors="surrogateescape").partition("\n")[0].strip()
