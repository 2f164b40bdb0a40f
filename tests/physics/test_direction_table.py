"""Tables of lepton number from files: the same modes as the same numbers in the config, and the same refusals."""

import h5py
import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import modes

V, G = [-1.0, 0.1, 0.5, 1.0], [0.25, 1e-3, -0.3, 1.5]
INLINE = {"kind": "angular", "number": 8, "distribution": "table", "v": V, "G": G}
FILED = {"kind": "angular", "number": 8, "distribution": "table", "path": "eln.txt"}


def case(section):
    return {"box": {"length": 100, "points": 64}, "initial": {"n_max": 10}, "time": {"end": 20}, "modes": section}


def lines(separator, head=""):
    return head + "".join(f"{v!r}{separator}{g!r}\n" for v, g in zip(V, G))


@pytest.mark.parametrize(
    "content",
    [
        lines(" "),
        lines(","),
        lines(" ;\t"),
        lines(",", "v,G\n"),
        lines(" ", "# v  G\n\n"),
        lines("\t", "\ufeff").replace("\n", "\r\n"),
        lines(" ").replace("1.5", "1.5 # forward"),
        lines(",", '"v","G"\n').replace("\n", ",\n"),
    ],
)
def test_a_text_gives_the_same_modes_as_its_numbers(content, tmp_path):
    (tmp_path / "eln.txt").write_text(content, encoding="utf-8", newline="")
    resolved, inline = (config.resolve(case(section), base_dir=tmp_path) for section in (FILED, INLINE))
    assert resolved == inline and resolved["modes"]["path"] is None
    np.testing.assert_array_equal(modes.build(resolved["modes"]).n, modes.build(inline["modes"]).n)
    (tmp_path / "eln.txt").unlink()
    assert config.resolve(resolved) == inline


def test_hdf5_does_as_well_and_so_does_a_path_that_is_set(tmp_path):
    with h5py.File(tmp_path / "eln.h5", "w") as file:
        file["v"], file["G"] = V, G
    resolved = config.resolve(case(FILED), ["modes.path=eln.h5"], base_dir=tmp_path)
    assert resolved == config.resolve(case(INLINE), base_dir=tmp_path)


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "no line of numbers"),
        ("-1 1 3\n", "line 1 of eln.txt must have two numbers"),
        ("-1 1\n1 x\n", 'line 2 .* not "1 x"'),
        ("G v\n1 -1\n", "must be v, G"),
        ("1 1\n-1 2\n", "modes.v must be at least two velocities in ascending order"),
        ("-1 1\n2 1\n", r"modes.v\[1\] must be a finite number >= -1 and <= 1, not 2.0"),
        ("-1 nan\n1 1\n", r"modes.G\[0\] must be"),
        ("-1 1e31\n1 1\n", r"modes.G\[0\] must be a finite number from 1e-30 to 1e"),
        (b"\xff\xfe", "neither text nor HDF5"),
        ("-1 1\n" * 300000, "longer than"),
    ],
)
def test_what_is_no_table_is_refused(content, words, tmp_path):
    (tmp_path / "eln.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words):
        config.resolve(case(FILED), base_dir=tmp_path)


def test_a_path_beside_numbers_or_to_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="modes.path and modes.v exclude each other"):
        config.resolve(case(FILED | {"v": V}), base_dir=tmp_path)
    with pytest.raises(InputError, match="config: modes.path: no such file .*eln.txt"):
        config.resolve(case(FILED), base_dir=tmp_path)
    with h5py.File(tmp_path / "eln.txt", "w") as file:
        file["v"], file["G"] = V, G[:-1]
    with pytest.raises(InputError, match="lists of the same length"):
        config.resolve(case(FILED), base_dir=tmp_path)
