"""Files written whole or not at all."""

import os

import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.storage import atomic
from nuflux_mpi.storage.atomic import sync, write_whole


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "run.toml"
    write_whole(path, "first\n")
    write_whole(path, "ψ\n")
    assert path.read_bytes() == "ψ\n".encode() and [file.name for file in tmp_path.iterdir()] == ["run.toml"]
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "a long beginning " * 1000 + "\udcff")
    assert path.read_text(encoding="utf-8") == "ψ\n"


def test_sync_reaches_files_and_directories(tmp_path, monkeypatch):
    path, synced = tmp_path / "fields.h5", []
    path.touch()
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    for place in (path, tmp_path):
        sync(place)
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_links_laid_beforehand_lead_nowhere(tmp_path, monkeypatch):
    """Where the name of the file aside is known all the same, it is not written through a link, and not over a file."""
    victim, path = tmp_path / "victim", tmp_path / "run.toml"
    victim.write_text("precious")
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda n: "0" * 2 * n)
    new = atomic.aside(path)
    for lay in (new.symlink_to, new.hardlink_to):
        lay(victim)
        with pytest.raises(FileExistsError):
            atomic.create(new, b"other")
        new.unlink()
    path.symlink_to(victim)  # the name itself may be a link: it is replaced
    write_whole(path, "text")
    assert victim.read_text() == "precious" and path.read_text() == "text" and not path.is_symlink()


def test_names_aside_are_never_the_same(tmp_path):
    assert len({atomic.aside(tmp_path / "a") for _ in range(100)}) == 100


def test_a_directory_is_tried(tmp_path):
    atomic.try_to_write(tmp_path, 1000)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        atomic.try_to_write(tmp_path / "none", 1000)


def test_only_plain_files_are_opened(tmp_path):
    (tmp_path / "file").write_text("text ä", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    assert atomic.read_plain(tmp_path / "link") == "text ä"
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/null", "."):
        with pytest.raises(OSError, match="no plain file|directory"):
            atomic.read_plain(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        atomic.open_plain(tmp_path / "none")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: path.mkdir(), "a directory"),
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("gone"), "a link that leads"),
        (lambda path: path.symlink_to("."), "a link to a directory"),
        (lambda path: path.symlink_to("/dev/null"), "a link to a device"),
        (lambda path: path.symlink_to(path), "not to be looked at"),
    ],
)
def test_what_is_no_plain_file_is_named(make, words, tmp_path):
    make(tmp_path / "run.log")
    with pytest.raises(InputError, match=f"--out: .*run.log is {words}.*; remove it"):
        atomic.check_plain(tmp_path, ("run.toml", "run.log"))
    atomic.check_plain(tmp_path, ("run.toml",))
    (tmp_path / "target").touch()
    (tmp_path / "run.toml").symlink_to("target")
    atomic.check_plain(tmp_path, ("run.toml",))
