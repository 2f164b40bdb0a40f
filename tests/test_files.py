"""Files written whole or not at all."""

import os

import pytest

from nuflux_mpi.files import sync, write_whole


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
