"""The commit in the provenance of a run, in every form in which git keeps it, with git's help and without."""

import os
import shutil
import subprocess
import sys

import pytest

from nuflux_mpi.runtime import git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
IDENTITY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "n",
    "GIT_AUTHOR_EMAIL": "e",
    "GIT_COMMITTER_NAME": "n",
    "GIT_COMMITTER_EMAIL": "e",
}


def run(directory, *words):
    return subprocess.run(
        ["git", *words], cwd=directory, env=CLEAN | IDENTITY, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)  # of other tests in this process
    top = tmp_path / "checkout"
    top.mkdir()
    run(top, "init", "-q")
    (top / "code.py").write_text("1\n")
    run(top, "add", ".")
    run(top, "commit", "-qm", "one")
    return top


def plain(top):
    return top


def packed(top):
    run(top, "pack-refs", "--all")
    return top


def detached(top):
    run(top, "checkout", "-q", "--detach")
    return top


def worktree(top):
    run(top, "worktree", "add", "-q", "-b", "side", "../side")
    return top.parent / "side"


def packed_worktree(top):
    side = worktree(top)
    run(top, "pack-refs", "--all")
    return side


def moved_in_worktree(top):
    """The branch of the worktree is ahead of what packed-refs says."""
    side = packed_worktree(top)
    (side / "code.py").write_text("2\n")
    run(side, "commit", "-qam", "two")
    return side


def submodule(top):
    outer = top.parent / "outer"
    outer.mkdir()
    run(outer, "init", "-q")
    run(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(top), "inner")
    return outer / "inner"


def reference_to_reference(top):
    run(top, "symbolic-ref", "refs/heads/alias", run(top, "symbolic-ref", "HEAD"))
    (top / ".git" / "HEAD").write_text("ref: refs/heads/alias\n")
    return top


def sha256(top):
    new = top.parent / "sha256"
    new.mkdir()
    run(new, "init", "-q", "--object-format=sha256")
    (new / "code.py").write_text("1\n")
    run(new, "add", ".")
    run(new, "commit", "-qm", "one")
    return new


FORMS = [plain, packed, detached, worktree, packed_worktree, moved_in_worktree, submodule, reference_to_reference, sha256]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_git_and_its_files_say_the_same(form, checkout):
    top = form(checkout)
    head = run(top, "rev-parse", "HEAD")
    assert git._from_files(top) == head
    assert git._ask(top) == (head, False)
    (top / "code.py").write_text("3\n")
    assert git._ask(top) == (head, True)


@pytest.mark.parametrize("why", ["mpi", "no git", "somebody else's"])
def test_where_git_says_nothing_the_hash_is_read_and_dirty_is_unknown(why, checkout, monkeypatch):
    head = run(packed(checkout), "rev-parse", "HEAD")
    if why == "mpi":
        monkeypatch.setitem(sys.modules, "mpi4py.MPI", sys)
    elif why == "no git":
        monkeypatch.setenv("PATH", "")
    else:
        if os.geteuid():
            pytest.skip("only root can give a directory away")
        monkeypatch.delenv("SUDO_UID", raising=False)
        os.chown(checkout, 12345, 12345)
        os.chown(checkout / ".git", 12345, 12345)
        monkeypatch.setenv("HOME", "/nonexistent")
    assert git.commit(checkout) == (head, None)


def test_variables_of_git_name_no_other_repository(checkout, tmp_path, monkeypatch):
    """As in a hook of git, which sets GIT_DIR."""
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert git.commit(checkout) == (run(checkout, "rev-parse", "HEAD"), False)


def test_no_checkout_has_no_commit(checkout):
    inside = checkout / "package"
    inside.mkdir()
    assert git.commit(inside) == ("", None), "the repository around it is another one"
    (inside / ".git").write_text("nonsense")
    assert git.commit(inside) == ("", None)
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/nowhere\n")
    assert git.commit(checkout) == ("", None)
