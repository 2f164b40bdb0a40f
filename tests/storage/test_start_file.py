"""Start files: whatever HDF5 and netCDF allow in place of a plain dataset is read as it is meant, or refused in a sentence."""

import hashlib
import json
import os
import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.runtime import child
from nuflux_mpi.storage import start_file, start_probe

SHAPE = (2, 3, 8)
P = np.arange(48.0).reshape(SHAPE) / 64 - 0.25  # numbers that float16 holds exactly
UP = 2.0**20  # makes whole numbers of them


def write(path, make, **options):
    with h5py.File(path, "w", **options) as file:
        make(file)
    return path


def looked(path, values=True):
    """What the probe answers, in this process."""
    return start_probe.answer_for(str(path), {"wanted": [["P", [SHAPE]]], "values": values})


def read(path):
    found = start_file.find(path, ("P",), "initial.path", shapes=[SHAPE])
    return start_file.whole(found, "P")


# ---- what is read ---------------------------------------------------------------------------------------------------


def plain(file):
    file["P"] = P


def soft_link(file):
    file["inner/data"], file["P"] = P, h5py.SoftLink("other/data")
    file["other"] = h5py.SoftLink("/inner")


def of_type(name):
    def make(file):
        file["P"] = P.astype(name)

    return make


def whole_numbers(name):
    def make(file):
        file["P"] = (P * 64).astype(name)
        file["P"].attrs["scale_factor"] = 1 / 64

    return make


def odd_float(file):
    """24 bits, as other programs write them; NumPy has no such type."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(23, 15, 8, 0, 15)
    kind.set_size(3)
    kind.set_precision(24)
    kind.set_ebias(127)
    space = h5py.h5s.create_simple(SHAPE)
    dataset = h5py.h5d.create(file.id, b"P", kind, space)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, P)


def packed(file):
    file["P"] = ((P - 3) * 128).astype("i2")
    file["P"].attrs.update({"scale_factor": np.float32(1 / 128), "add_offset": [3.0], "_FillValue": np.int16(-32767)})


def stored(**options):
    def make(file):
        file.create_dataset("P", data=P, **options)

    return make


@pytest.mark.parametrize(
    "make",
    [
        plain,
        soft_link,
        of_type("f2"),
        of_type("f4"),
        of_type(">f4"),
        of_type(">f8"),
        of_type(np.longdouble),
        whole_numbers("i1"),
        whole_numbers(">i4"),
        whole_numbers("i8"),
        odd_float,
        packed,
        stored(chunks=(1, 2, 3)),
        stored(chunks=True, compression="gzip"),
        stored(chunks=True, compression="lzf", shuffle=True, fletcher32=True),
        stored(maxshape=(None, 3, None)),
    ],
    ids=str,
)
def test_what_is_read(make, tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path / "s.h5", make)), P)


def test_a_file_behind_a_user_block_is_read(tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path / "s.h5", plain, userblock_size=1024)), P)


def test_a_file_of_the_newest_format_is_read(tmp_path):
    np.testing.assert_array_equal(read(write(tmp_path / "s.h5", plain, libver="latest")), P)


def test_a_file_in_the_way_of_netcdf_is_read(tmp_path):
    def make(file):
        for name, n in zip(("mode", "component", "z"), SHAPE):
            file[name] = np.arange(float(n))
            file[name].make_scale(name)
        file.create_dataset("P", data=P, fillvalue=9.969209968386869e36)
        file["P"].attrs["_FillValue"] = [9.969209968386869e36]
        for i, name in enumerate(("mode", "component", "z")):
            file["P"].dims[i].attach_scale(file[name])

    np.testing.assert_array_equal(read(write(tmp_path / "s.nc", make)), P)


def test_the_file_is_on_record(tmp_path):
    path = write(tmp_path / "s.h5", plain)
    read(path)
    config = {"equations": {"level": "energy"}, "modes": {}, "initial": {"path": str(path)}}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert start_file.provenance(config) == f"initial.path: sha256 {digest}, {path.stat().st_size} bytes, {path}"


# ---- what is refused ------------------------------------------------------------------------------------------------


def to_nowhere(file):
    file["P"] = h5py.SoftLink("/nothing")


def through_a_dataset(file):
    file["x"], file["P"] = P, h5py.SoftLink("/x/P")


def in_a_circle(file):
    file["P"], file["Q"] = h5py.SoftLink("/Q"), h5py.SoftLink("/P")


def to_another_file(file):
    file["P"] = h5py.ExternalLink("other.h5", "/P")


def by_way_of_another_file(file):
    file["group"], file["P"] = h5py.ExternalLink("other.h5", "/"), h5py.SoftLink("/group/P")


def group(file):
    file.create_group("P")


def named_type(file):
    file["P"] = np.dtype("f8")


def nothing(file):
    file["P"] = h5py.Empty("f8")


def single(file):
    file["P"] = 1.0


def raw_storage(file):
    file.create_dataset("P", SHAPE, "f8", external=[("/etc/passwd", 0, 384)])


def virtual(file):
    layout = h5py.VirtualLayout(SHAPE, "f8")
    layout[...] = h5py.VirtualSource("gone.h5", "P", SHAPE)
    file.create_virtual_dataset("P", layout)


def virtual_within(file):
    file["x"] = P
    layout = h5py.VirtualLayout(SHAPE, "f8")
    layout[...] = h5py.VirtualSource(".", "x", SHAPE)
    file.create_virtual_dataset("P", layout)


def with_value(value, at=(1, 2, 7)):
    def make(file):
        array = P.copy()
        array[at] = value
        file["P"] = array

    return make


def with_attribute(name, value):
    def make(file):
        file["P"] = P
        file["P"].attrs[name] = value

    return make


def marked_in_more_digits(mark, **others):
    """float32 numbers, the first of which is missing, with an attribute in float64 that says so."""

    def make(file):
        array = P.astype("f4")
        array[0, 0, 0] = mark
        file["P"] = array
        file["P"].attrs.update({"missing_value": np.float64(mark)} | others)

    return make


def of_values(values):
    def make(file):
        file["P"] = values

    return make


def half_written(file):
    file.create_dataset("P", SHAPE, "f8", chunks=(1, 3, 8))[0] = P[0]


def half_written_with_a_fill_value(file):
    file.create_dataset("P", SHAPE, "f8", fillvalue=0.5)[0] = P[0]


def never_written(file):
    file.create_dataset("P", SHAPE, "f8")


def filtered(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(SHAPE)
    properties.set_filter(32004, h5py.h5z.FLAG_OPTIONAL, (1,))  # LZ4, which is no part of HDF5
    space = h5py.h5s.create_simple(SHAPE)
    h5py.h5d.create(file.id, b"P", h5py.h5t.NATIVE_DOUBLE, space, properties)


def enumeration(file):
    file.create_dataset("P", SHAPE, h5py.enum_dtype({"A": 0, "B": 1}, "i4"))


def vlen(file):
    file.create_dataset("P", SHAPE, h5py.vlen_dtype("f8"))


def in_each(file):
    file.create_dataset("P", (2, 3), np.dtype(("f8", (8,))))


REFUSED = [
    (to_nowhere, "leads nowhere"),
    (through_a_dataset, "leads nowhere"),
    (in_a_circle, "round in a circle"),
    (to_another_file, "link into another file"),
    (by_way_of_another_file, "link into another file"),
    (group, "is a group, not a dataset"),
    (named_type, "named type"),
    (nothing, "no shape and no numbers"),
    (single, "is a single number"),
    (raw_storage, "external storage"),
    (virtual, "is a virtual dataset"),
    (virtual_within, "is a virtual dataset"),
    (with_value(np.nan), r"holds nan at \[1, 2, 7\], which is not finite"),
    (with_value(-np.inf, (0, 0, 0)), r"-inf at \[0, 0, 0\]"),
    (with_value(1e31), "holds 1e\\+31 at .* up to 1e\\+30"),
    (with_value(-1e200), "up to 1e\\+30"),
    (of_values(P * 1e-40), "its largest must be at least 1e-30"),
    (of_values(P + 1j), "complex numbers"),
    (of_values(P > 0), "true and false"),
    (of_values(P.astype("S8")), "strings"),
    (of_values(np.zeros(SHAPE, [("x", "f8"), ("y", "f8")])), "compound records"),
    (enumeration, "an enum"),
    (vlen, "lists of various lengths"),
    (in_each, "arrays in each entry"),
    (of_values(P[:, :, :7]), r"has the shape \(2, 3, 7\), and the config asks for \(2, 3, 8\)\.?$"),
    (of_values(P.T), r"did you mean np.transpose\(array, \(2, 1, 0\)\)\?"),
    (of_values(np.swapaxes(P, 0, 1)), r"\(1, 0, 2\)"),
    (of_values(P[None]), r"did you mean one time of it, array\[-1\]\?"),
    (of_values(P[..., None]), r"did you mean array.reshape\(2, 3, 8\)\?"),
    (with_attribute("_FillValue", P[0, 0, 3]), r"missing number \(_FillValue\)"),
    (with_attribute("missing_value", [-999.0, P[1, 1, 1]]), r"at \[1, 1, 1\], which stands for a missing number"),
    (with_attribute("valid_max", 0.25), "outside its valid range"),
    (with_attribute("valid_range", [0.0, 9.0]), "outside its valid"),
    (marked_in_more_digits(1e20), r"at \[0, 0, 0\], which stands for a missing"),
    (marked_in_more_digits(-9.9), r"missing_value"),
    (with_attribute("scale_factor", 0.0), "scale_factor of 0"),
    (with_attribute("scale_factor", h5py.Empty("f8")), "scale_factor of 0 numbers"),
    (with_attribute("scale_factor", "two"), "scale_factor that is no number"),
    (with_attribute("scale_factor", np.nan), "scale_factor that is not finite"),
    (with_attribute("add_offset", [1.0, 2.0]), "add_offset of 2 numbers"),
    (with_attribute("_Unsigned", "true"), "_Unsigned"),
    (with_attribute("scale_factor", 1e40), "up to 1e\\+30"),
    (half_written, "1 of its 2 pieces"),
    (never_written, "never written"),
    (half_written_with_a_fill_value, "the fill value"),
    (filtered, "the filter 32004"),
    (lambda file: None, r"holds no dataset P \(it holds: nothing\)"),
    (lambda file: file.create_group("p"), r"it holds: p\)"),
]


@pytest.mark.parametrize("make, words", REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_refused(make, words, tmp_path):
    import re

    write(tmp_path / "other.h5", plain)
    path = write(tmp_path / "s.h5", make)
    answer = looked(path)
    assert re.search(words, answer["problem"]), answer
    if make is to_nowhere:  # and the same by way of the process of its own, as a sentence
        with pytest.raises(
            InputError, match=f"^initial.path: {path} holds no dataset P: the link of this name leads nowhere\\.$"
        ):
            read(path)


def write_bytes(content):
    def make(path):
        path.write_bytes(content)

    return make


def unix_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def cut_off(path):
    write(path, plain)
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "a pipe, a socket or a device"),
        (unix_socket, "a pipe, a socket or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket or a device"),
        (lambda path: path.symlink_to(path), "Too many levels|cannot be read"),
        (lambda path: path.symlink_to("gone"), "no such file"),
        (write_bytes(b""), "is empty"),
        (write_bytes(b"v G\n0 1\n"), "no HDF5 file"),
        (write_bytes(b"CDF\x01rest"), "nccopy"),
        (write_bytes(b"\x93NUMPY\x01\0"), r"write it with h5py, file\[.P.\] = array"),
        (write_bytes(b"PK\x03\x04"), "zip archive"),
        (cut_off, "cut off"),
    ],
    ids=str,
)
def test_what_is_no_start_file(make, words, tmp_path):
    make(tmp_path / "s.h5")
    with pytest.raises(InputError, match=f"^initial.path: .*({words})"):
        read(tmp_path / "s.h5")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_refused(tmp_path):
    write(tmp_path / "s.h5", plain).chmod(0)
    with pytest.raises(InputError, match="cannot be read .*ermission"):
        read(tmp_path / "s.h5")


def test_a_file_that_is_being_written_is_refused(tmp_path):
    path = tmp_path / "s.h5"
    script = "import h5py, sys; f = h5py.File(sys.argv[1], 'w'); f['P'] = 1.0; f.flush(); print('ready', flush=True); input()"
    environment = os.environ | {"HDF5_USE_FILE_LOCKING": "TRUE"}
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(InputError, match="is being written"):
            read(path)
        writer.communicate("\n")


def test_a_file_that_changes_after_the_look_is_refused(tmp_path):
    path = write(tmp_path / "s.h5", plain)
    found = start_file.find(path, ("P",), "initial.path", shapes=[SHAPE])
    with h5py.File(path, "r+") as file:
        file["P"][0, 0, 0] = 7.0
    os.utime(path, ns=(0, found.state[1] + 1))
    with pytest.raises(InputError, match="has changed while it was read"):
        start_file.whole(found, "P")


def test_shapes_are_looked_at_without_the_numbers(tmp_path):
    path = write(tmp_path / "s.h5", with_value(np.nan))
    assert looked(path, values=False)["datasets"]["P"]["shape"] == SHAPE
    assert "not finite" in looked(path)["problem"]


def test_large_datasets_are_looked_at_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(start_probe, "PIECE", 5)
    for make in (plain, stored(chunks=(1, 2, 3))):
        assert "problem" not in looked(write(tmp_path / "s.h5", make))
    assert "at [1, 2, 7]" in looked(write(tmp_path / "s.h5", with_value(np.nan)))["problem"]


# ---- damage ---------------------------------------------------------------------------------------------------------


def test_a_child_that_dies_is_told_in_a_sentence(tmp_path, monkeypatch):
    path = write(tmp_path / "s.h5", plain)
    monkeypatch.setattr(child, "ask", lambda *arguments: (_ for _ in ()).throw(child.Crashed("signal 11")))
    with pytest.raises(InputError, match="is damaged: HDF5 breaks off while reading it .signal 11."):
        read(path)


def test_without_a_child_the_look_is_taken_here(tmp_path, monkeypatch):
    monkeypatch.setattr(child.sys, "executable", str(tmp_path / "no_python"))
    np.testing.assert_array_equal(read(write(tmp_path / "s.h5", plain)), P)


def test_children_end_in_words(monkeypatch):
    with pytest.raises(child.Crashed, match="No module named nuflux_mpi.no_such"):
        child.ask("no_such", [], 60.0)
    with pytest.raises(child.Crashed, match="no answer within 0 s"):
        child.ask("start_probe", [], 1e-3)


# Looks at every file named on its command line, each in a fork of its own; one JSON line each.
_LOOKER = """
import json, os, signal, sys
from nuflux_mpi.runtime import child; from nuflux_mpi.storage import start_probe
child.begin()
import h5py, numpy as np
request = {"wanted": [["P", [[2, 3, 8]]]], "values": True}
for path in sys.argv[1:]:
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        answer = start_probe.answer_for(path, request)
        if "problem" not in answer:
            with h5py.File(path, "r", locking=False) as file:
                answer["P"] = file[answer["datasets"]["P"]["where"]][...].astype(float).tolist()
        os.write(there, json.dumps(answer).encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        text = pipe.read()
    status = os.waitpid(pid, 0)[1]
    print(json.dumps({"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(text)), flush=True)
"""


@pytest.mark.parametrize("libver, exact", [("latest", True), ("earliest", False)])
def test_random_damage_gives_a_sentence_or_the_right_numbers(libver, exact, tmp_path):
    """With checksums of data and metadata (the newest format) nothing wrong passes; in old files what is left is a number.

    Both cuts and flips, of one to 32 bits. A look that crashes, or takes too long, is a sentence as well: see above.
    """
    whole = write(tmp_path / "s.h5", stored(chunks=(1, 3, 8), fletcher32=True), libver=libver).read_bytes()
    generator, paths = np.random.default_rng(7), []
    for i in range(150):
        damaged = bytearray(whole)
        if i % 5 == 0:
            del damaged[generator.integers(1, len(whole)) :]
        for _ in range(generator.choice([1, 1, 4, 32]) if i % 5 else 0):
            damaged[generator.integers(len(damaged))] ^= 1 << generator.integers(8)
        paths.append(tmp_path / f"{i}.h5")
        paths[-1].write_bytes(damaged)
    done = subprocess.run([sys.executable, "-c", _LOOKER, *paths], capture_output=True, text=True, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(paths)
    refused = right = 0
    for path, answer in zip(paths, answers):
        if "signal" in answer or "problem" in answer:
            refused += 1
            assert "\n" not in answer.get("problem", "")
        else:
            same = np.array_equal(answer["P"], P)
            assert same or not exact, path
            assert np.all(np.abs(answer["P"]) <= start_probe.LARGEST)
            right += same
    assert refused > 20 and (not exact or refused + right == len(paths))


# ---- by every way into a run ------------------------------------------------------------------------------------------


CONFIG = """
[box]
length = 6.283185307179586
points = 8
[modes]
velocity = [1.0, -1.0]
[initial]
kind = "file"
path = "s.h5"
[time]
end = 1.0
"""


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_run_is_refused_in_one_sentence(ranks, tmp_path, run_cli):
    write(tmp_path / "s.h5", to_nowhere)
    (tmp_path / "case.toml").write_text(CONFIG)
    for command in (["run", "case.toml", "--out", "a"], *([] if ranks else [["check", "case.toml"], ["linear", "case.toml"]])):
        done = run_cli(command, ranks=ranks, cwd=tmp_path)
        told = f"nuflux_mpi: initial.path: {tmp_path / 's.h5'} holds no dataset P: the link of this name leads nowhere."
        said = [line for line in done.stderr.splitlines() if line.startswith("nuflux_mpi: ")]
        assert done.returncode == 2 and [line for line in said if "compiling the loops" not in line] == [
            told
        ]  # said the first time
        assert not (tmp_path / "a").exists()


@pytest.mark.mpi
def test_ranks_read_their_own_points_of_a_packed_file(comm, shared_tmp_path):
    from nuflux_mpi.box.box import Box

    path = shared_tmp_path / "s.h5"
    if comm.rank == 0:
        write(path, packed)
    comm.Barrier()
    box = Box(1.0, 8, 6, comm)
    np.testing.assert_array_equal(box.read(path, "P", (2, 3), "initial.path"), P[..., box.indices()[0]])
