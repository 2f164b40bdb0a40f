"""What the machine grants: control groups of both versions in trees made up here, real ones where permitted, ulimit."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.runtime import environment, limits

GB = 10**9
V1_NONE = "9223372036854771712"


def tree(root, mountinfo, cgroup, files, meminfo=24 * GB):
    """A root directory with the files of /proc and /sys that are looked at; files: {path: content}."""
    files = {
        "proc/meminfo": f"MemTotal: 99 kB\nMemAvailable:   {meminfo // 1024} kB\n",
        "proc/self/status": "Name:\tpython\nVmSize:\t  500000 kB\nVmRSS:\t  200000 kB\nVmData:\t 300000 kB\n",
        "proc/self/mountinfo": mountinfo,
        "proc/self/cgroup": cgroup,
    } | files
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(str(content))
    return root


V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
MEMORY_V2 = "sys/fs/cgroup/{}memory.{}"


def group_v2(path, limit, usage, cache=0):
    names = {"max": limit, "current": usage, "stat": f"anon 5\nfile 9\ninactive_file {cache}\nactive_file 7\n"}
    return {MEMORY_V2.format(path, name): value for name, value in names.items()}


def group_v1(path, limit, usage, cache=0):
    names = {"limit_in_bytes": limit, "usage_in_bytes": usage, "stat": f"inactive_file 1\ntotal_inactive_file {cache}\n"}
    return {f"sys/fs/cgroup/memory/{path}memory.{name}": value for name, value in names.items()}


def test_without_limits_the_machine_counts(tmp_path):
    root = tree(tmp_path, V2, "0::/user.slice\n", {"sys/fs/cgroup/user.slice/memory.max": "max\n"})
    assert limits.available_memory(root) == pytest.approx(24 * GB, abs=1024)
    assert [limit.words for limit in limits.memory_limits(root)] == ["memory of the machine"]


def test_nothing_is_known_without_proc(tmp_path):
    assert limits.available_memory(tmp_path) == math.inf and limits.resident_memory(tmp_path) == 0


def test_the_tightest_group_above_counts_in_version_2(tmp_path):
    files = (
        group_v2("slurm/job/", 4 * GB, 1 * GB) | group_v2("slurm/job/step/", "max", 1 * GB) | group_v2("slurm/", 9 * GB, 8 * GB)
    )
    root = tree(tmp_path, V2, "0::/slurm/job/step\n", files)
    assert limits.available_memory(root) == 1 * GB
    least = min(limits.memory_limits(root))
    assert str(tmp_path / "sys/fs/cgroup/slurm") in least.words and "9 GB" in least.words


def test_the_tightest_group_above_counts_in_version_1(tmp_path):
    files = group_v1("job/step/", V1_NONE, 1 * GB) | group_v1("job/", 2 * GB, GB // 2) | group_v1("", V1_NONE, 9 * GB)
    root = tree(tmp_path, V1 + V2, "4:memory:/job/step\n1:cpu,cpuacct:/\n0::/\n", files)
    assert limits.available_memory(root) == 1.5 * GB


def test_file_cache_that_can_be_dropped_is_free(tmp_path):
    root = tree(tmp_path, V2, "0::/a\n", group_v2("a/", 2 * GB, 2 * GB, cache=GB))
    assert limits.available_memory(root) == 1 * GB


@pytest.mark.parametrize("path", ["/docker/abc", "/docker/abc/sub", "/../../docker/abc", "/"])
def test_a_container_sees_the_tree_from_its_own_group_on(tmp_path, path):
    mount = V2.replace(" / /sys", " /docker/abc /sys") if path.startswith("/docker") else V2
    root = tree(tmp_path, mount, f"0::{path}\n", group_v2("", GB, GB // 4))
    assert limits.available_memory(root) == 0.75 * GB


@pytest.mark.parametrize("text", ["", "nonsense\n", "1 2 3 - cgroup2\n", "- - -\n"])
def test_what_is_not_understood_is_no_limit(tmp_path, text):
    root = tree(tmp_path, text, text, group_v2("", "many", "few"))
    assert limits.available_memory(root) == pytest.approx(24 * GB, abs=1024)


def test_a_limit_that_processes_share_must_hold_all_of_them():
    shared, own = limits.Limit(10.0, "group", ("group", 1)), limits.Limit(7.0, "ulimit -v", None)
    lacking, more, limit, where = limits.tightest([(6.0, [shared, own]), (6.0, [shared, own])])
    assert (lacking, more, limit, where) == (2.0, 12.0, shared, "on one node")
    other = limits.Limit(10.0, "group", ("group", 2))
    assert limits.tightest([(6.0, [shared]), (6.0, [other])])[0] == -4.0  # a group of its own for each process
    assert limits.tightest([(8.0, [own])])[0::2] == (1.0, own)
    assert limits.tightest([(8.0, [])])[0] == -math.inf


@pytest.mark.mpi
def test_a_run_beyond_a_limit_is_refused_on_all_ranks(comm, monkeypatch):
    few = limits.Limit(1.5 * GB, "limit 2 GB of the batch system or container, /x", ("group", 0, 5))
    monkeypatch.setattr(limits, "memory_limits", lambda: [few] if comm.rank == 0 else [limits.Limit(99 * GB, "machine", None)])
    monkeypatch.setattr(limits, "resident_memory", lambda: 0.25 * GB)
    limits.check_memory(GB, comm)  # 0.75 GB more on rank 0
    with pytest.raises(InputError, match=r"1.75 GB on one node and 1.5 GB are available there \(limit 2 GB of the batch"):
        limits.check_memory(2 * GB, comm)


def test_out_of_memory_is_one_sentence():
    import numpy as np

    try:
        np.empty(2**55)
    except MemoryError as error:
        sentence = limits.out_of_memory(error)
    assert "not enough memory (Unable to allocate" in sentence and "`check` tells" in sentence and "\n" not in sentence
    assert limits.out_of_memory(ImportError("libx.so: failed to map segment from shared object"))
    assert not limits.out_of_memory(ImportError("no such module")) and not limits.out_of_memory(ValueError("x"))


NO_MEMORY = """
from nuflux_mpi.runtime import environment
environment.install_excepthook()
from mpi4py import MPI
import numpy
if MPI.COMM_WORLD.rank == MPI.COMM_WORLD.size - 1:
    numpy.empty(2**55)
MPI.COMM_WORLD.Barrier()
"""


@pytest.mark.parametrize("ranks", [None, 2])
def test_an_allocation_that_fails_ends_all_ranks_in_a_sentence(ranks):
    command = [*(["mpirun", "-n", str(ranks)] if ranks else []), sys.executable, "-c", NO_MEMORY]
    done = subprocess.run(
        command, env=environment.mpirun_environment(), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert done.stderr.count("nuflux_mpi: there is not enough memory") == 1 and "Traceback" not in done.stderr, done.stderr


def limited(run_cli, tmp_path, kilobytes, points):
    """`run` in a shell after ulimit -v."""
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({kilobytes} * 1024,) * 2)\n"
        "from nuflux_mpi.cli.commands import main\n"
        f"sys.exit(main(['run', 'two_beam', '--out', {str(tmp_path / 'out')!r}, '--set', 'box.points={points}', "
        "'--set', 'time.end=0.1']))"
    )
    env = {name: value for name, value in environment.mpirun_environment().items()} | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("kilobytes, points, codes", [(300000, 1024, {1, 2}), (1500000, 4194304, {2})])
def test_a_limit_of_the_shell_is_a_sentence(run_cli, tmp_path, kilobytes, points, codes):
    """Too little to load the program, or just not with every build of its packages, and too little for the run."""
    done = limited(run_cli, tmp_path, kilobytes, points)
    assert "Traceback" not in done.stderr and "ulimit -v" in done.stderr, done.stderr
    assert done.returncode in codes and not (tmp_path / "out").exists()


def writable_group():
    """A new control group of this process's own with a limit of memory (Path, name of the limit), or why there is none."""
    for group, version in limits.groups("memory", Path("/")):
        new = group / f"nuflux-test-{os.getpid()}"
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        try:
            new.mkdir()
            (new / name).write_text("900000000")
            return new, ""
        except OSError as error:
            if new.is_dir():
                new.rmdir()
            why = f"{group}: {error.strerror}"
            continue
    return None, locals().get("why", "no control group of memory")


def test_a_real_control_group_is_kept_to(tmp_path):
    group, why_not = writable_group()
    if group is None:
        pytest.skip(f"no control group can be made here ({why_not})")
    code = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
    run = (
        "import sys; from nuflux_mpi.cli.commands import main\n"
        f"sys.exit(main(['run', 'two_beam', '--out', {str(tmp_path / 'out')!r}, '--set', 'box.points=4194304']))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code + run],
            env=environment.mpirun_environment(),
            text=True,
            capture_output=True,
            timeout=240,
        )
        assert done.returncode == 2, done.stderr
        assert "limit 0.9 GB of the batch system or container" in done.stderr and str(group) in done.stderr
    finally:
        remove(group)


def remove(group, seconds=20.0):
    """Remove a control group; the kernel takes a moment to count a process out that has ended."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


# --- cores -----------------------------------------------------------------------------------------------------------


def topology(cores_of):
    """Files of /sys for processors, {number: (package, core)}."""
    return {
        f"sys/devices/system/cpu/cpu{cpu}/topology/{name}": value
        for cpu, pair in cores_of.items()
        for name, value in zip(("physical_package_id", "core_id"), pair)
    }


def test_cores_are_counted_without_hyperthreads(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 5})
    root = tree(tmp_path, V2, "0::/\n", topology({0: (0, 0), 1: (0, 1), 2: (1, 0), 5: (0, 1)}))
    assert limits.cores(root) == 3  # 5 is the second thread of 1
    assert limits.cores(tmp_path / "nothing") == 4


@pytest.mark.parametrize(
    "quota, expected", [("max 100000", 4), ("150000 100000", 2), ("10000 100000", 1), ("900000 100000", 4)]
)
def test_a_quota_of_processor_time_counts(tmp_path, monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    root = tree(tmp_path / "2", V2, "0::/a/b\n", {"sys/fs/cgroup/a/b/pids.max": "max", "sys/fs/cgroup/a/cpu.max": quota})
    assert limits.cores(root) == expected
    number, period = quota.replace("max", "-1").split()
    files = {"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": number, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": period}
    assert limits.cores(tree(tmp_path / "1", V1, "1:cpu,cpuacct:/a\n", files)) == expected


def test_tools_start_as_many_ranks_as_there_are_cores():
    root = Path(limits.__file__).parents[2]
    script = f"root={root}; python={sys.executable}; . {root}/tools/env.sh >/dev/null; physical_cores"
    env = os.environ | {"NUFLUX_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    shell = subprocess.run(["bash", "-c", script, f"{root}/tools/run.sh"], env=env, capture_output=True, text=True)
    assert shell.stdout.strip() == str(limits.cores()), shell.stderr


HUNGRY = """
import mmap, resource, sys
from nuflux_mpi.runtime import environment; from nuflux_mpi.runtime import limits
environment.install_excepthook()
size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize:"))
limit = 1024 * size + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
limits.claim_algebra()
import numpy
taken = []
try:
    while True:
        taken.append(mmap.mmap(-1, 2**20))
except OSError:
    pass
print(float(numpy.trace(numpy.ones((9, 9)) @ numpy.ones((9, 9)))))
"""


@pytest.mark.parametrize("granted, code", [(2**27, 1), (2**29, 0)])
def test_blas_does_not_wait_for_ever_for_memory(granted, code):
    """OpenBLAS asks for its buffer again and again: it has it before others take the rest, or there is a sentence."""
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY, str(granted)],
        env=environment.mpirun_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert (done.stdout == "81.0\n") if code == 0 else ("not enough memory (no 268 MB for linear algebra" in done.stderr)


def test_room_is_asked_for_only_where_the_shell_limits_it(monkeypatch):
    monkeypatch.setattr(limits, "_limited_by_the_shell", lambda: False)
    limits.require_room(2**60, "anything")
    monkeypatch.setattr(limits, "_limited_by_the_shell", lambda: True)
    limits.require_room(2**20, "little")
    with pytest.raises(MemoryError, match="no 1152921504607 MB for too much"):
        limits.require_room(2**60, "too much")
    assert "(out of memory" in limits.out_of_memory(MemoryError())
