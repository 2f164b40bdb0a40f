"""What the machine really grants: memory and cores, whoever limits them.

The machine's own numbers (/proc/meminfo, /proc/cpuinfo) are not what a job gets: batch systems, containers and shells set
limits of their own, and whoever oversteps one is killed without a word. Bytes throughout. Nothing here needs MPI but
`check_memory`.
"""

import functools
import math
import mmap
import os
import resource
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError

NO_LIMIT = 2**62  # cgroup v1 says "none" by the largest number of whole pages, 9223372036854771712
PETSC_ERR_MEM = 55
ALGEBRA = 2**28  # bytes of addresses: NumPy's libraries, and OpenBLAS's buffer of 32 or 128 MiB
UNLOADED = ("failed to map segment from shared object", "Cannot allocate memory", "cannot allocate memory")


class Limit(NamedTuple):
    """One thing that bounds the memory of this process."""

    available: float  # bytes that are left of it
    words: str  # what it is, for a sentence
    shared: tuple | None  # processes with the same value have it in common; None: it is this process's alone


def memory_limits(root="/"):
    """All limits of this process's memory (list of Limit). `root`: where /proc and /sys are looked for."""
    found = [*_machine(Path(root)), *_cgroups(Path(root)), *_resource_limits(Path(root))]
    return [limit for limit in found if limit.available < NO_LIMIT]


def available_memory(root="/"):
    """Bytes that this process can still take, alone on its node; infinity where the system does not tell."""
    return min((limit.available for limit in memory_limits(root)), default=math.inf)


def check_memory(needed, comm):
    """Refuse a run that needs `needed` bytes on each rank where less is available. Collective.

    InputError, on all ranks alike, with the limit that lacks most. What a process holds already is not asked for twice.
    """
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    gathered = node.allgather((max(0.0, needed - resident_memory()), memory_limits()))
    node.Free()
    lacking, more, limit, where = max([tightest(gathered), *comm.allgather(tightest(gathered))], key=lambda found: found[0])
    if lacking > 0:
        raise InputError(
            f"the run needs about {more / 1e9:.3g} GB {where} and {max(0, limit.available) / 1e9:.3g} GB are available there "
            f'({limit.words}): use more nodes, fewer points, or a method with fewer vectors (time.method = "3bs"); `check` '
            "tells the sizes beforehand"
        )


def tightest(processes):
    """(bytes that lack, bytes needed, Limit, where): the limit that lacks most. Negative where there is room.

    processes: of each process of a node the bytes that it will take and its limits. A limit that several share must hold
    what they take together.
    """
    together, smallest = defaultdict(float), {}
    worst = (-math.inf, 0.0, Limit(math.inf, "", None), "on one node")
    for more, limits in processes:
        for limit in limits:
            if limit.shared is None:
                worst = max(worst, (more - limit.available, more, limit, "in one process"), key=lambda found: found[0])
            else:
                together[limit.shared] += more
                smallest[limit.shared] = min(smallest.get(limit.shared, limit), limit)
    for shared, limit in smallest.items():
        found = (together[shared] - limit.available, together[shared], limit, "on one node")
        worst = max(worst, found, key=lambda found: found[0])
    return worst


@functools.cache
def claim_algebra():
    """Have BLAS take its buffer now, where the shell limits memory; MemoryError if there is no room for it. Local.

    OpenBLAS asks for a buffer at the first product of matrices, and asks again and again for ever if it gets none: a process
    would then hang at full power, deaf to signals. Once it has the buffer it keeps it. Best called before NumPy is loaded.
    """
    if not _limited_by_the_shell():
        return
    require_room(ALGEBRA, "linear algebra")
    from .environment import use_one_thread

    use_one_thread()  # each thread of OpenBLAS would take as much
    import numpy as np

    square = np.eye(64)
    np.matmul(square, square)


def require_room(nbytes, purpose):
    """MemoryError if this process may not take `nbytes` more for `purpose` (words), in which libraries do not fail but crash."""
    if not _limited_by_the_shell():
        return
    try:
        mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise MemoryError(f"no {nbytes / 1e6:.0f} MB for {purpose}") from None


def _limited_by_the_shell():
    return any(resource.getrlimit(name)[0] != resource.RLIM_INFINITY for name in (resource.RLIMIT_AS, resource.RLIMIT_DATA))


def out_of_memory(error):
    """The sentence for memory that could not be had, NumPy's, Python's, PETSc's or the loader's; "" for other exceptions."""
    loading = isinstance(error, (ImportError, OSError)) and any(words in str(error) for words in UNLOADED)
    if not (isinstance(error, MemoryError) or loading or getattr(error, "ierr", 0) == PETSC_ERR_MEM):
        return ""
    least = min(memory_limits(), default=None)
    left = f"; {max(0.0, least.available) / 1e9:.3g} GB are left ({least.words})" if least else ""
    return f"there is not enough memory ({str(error) or 'out of memory'}{left}): `check` tells what a run needs".replace(
        "\n", " "
    )


def resident_memory(root="/"):
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    return _status(Path(root)).get("VmRSS", 0)


def _status(root):
    """Sizes of this process in bytes by their names in /proc/self/status."""
    sizes = {}
    for line in _text(root / "proc/self/status").splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            sizes[name] = 1024 * int(rest.split()[0])
    return sizes


def _text(path):
    """The content of a file of the system, "" where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path):
    """The number in a file of the system; infinity for "max", for what means none, and where there is none."""
    text = _text(path).strip()
    return float(text) if text.isdigit() and int(text) < NO_LIMIT else math.inf


def _machine(root):
    """What the machine as a whole can give out without swapping."""
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield Limit(1024.0 * int(line.split()[1]), "memory of the machine", ("machine",))


def _resource_limits(root):
    """Limits of this process alone, as ulimit sets them."""
    sizes = _status(root)
    for name, used, words in ((resource.RLIMIT_AS, "VmSize", "ulimit -v"), (resource.RLIMIT_DATA, "VmData", "ulimit -d")):
        limit = resource.getrlimit(name)[0]
        if limit != resource.RLIM_INFINITY and used in sizes:
            yield Limit(float(limit - sizes[used]), f"{words} {limit // 1024}", None)


# --- control groups --------------------------------------------------------------------------------------------------


def groups(controller, root):
    """Directories of this process's control groups that may limit `controller`, from its own to the highest, and version.

    Of versions 1 and 2, which may be there at once, as (Path, 1 or 2). A container sees the tree from its own group on: what
    is mounted then begins with that group's path.
    """
    mounts = {}
    for line in _text(root / "proc/self/mountinfo").splitlines():
        first, _, second = line.partition(" - ")
        fields, kind = first.split(), second.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            mounts[2] = fields[3], fields[4]
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            mounts[1] = fields[3], fields[4]
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 2 if number == "0" and not controllers else 1 if controller in controllers.split(",") else 0
        if version not in mounts:
            continue
        above, place = mounts[version]
        if above != "/" and (path + "/").startswith(above + "/"):
            path = path[len(above) :]
        highest = root / place.lstrip("/")
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for length in range(len(parts), -1, -1):
            group = highest.joinpath(*parts[:length])
            if group.is_dir():
                yield group, version


def _cgroups(root):
    """What is left of the limit of each control group above this process; file cache that can be dropped is left."""
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    for group, version in groups("memory", root):
        of_limit, of_usage, of_cache = names[version]
        limit, usage = _number(group / of_limit), _number(group / of_usage)
        if math.inf in (limit, usage):
            continue
        cache = 0
        for line in _text(group / "memory.stat").splitlines():
            name, _, number = line.partition(" ")
            if name == of_cache and number.strip().isdigit():
                cache = int(number)
        yield Limit(
            limit - max(0.0, usage - cache),
            f"limit {limit / 1e9:.3g} GB of the batch system or container, {group}",
            ("group", group.stat().st_dev, group.stat().st_ino),
        )


# --- cores -----------------------------------------------------------------------------------------------------------


def cores(root="/"):
    """Number of physical cores that this process may fill (int): its affinity without hyperthreads, within its quota.

    mpirun counts the same way, and a second thread of a core gains nothing here. A quota of control groups (cpu.max) is
    rounded up.
    """
    root = Path(root)
    allowed = sorted(os.sched_getaffinity(0))
    found = set()
    for cpu in allowed:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        package, core = _text(topology / "physical_package_id").strip(), _text(topology / "core_id").strip()
        found.add((package, core) if core else cpu)
    return max(1, min(len(found), *(math.ceil(quota) for quota in _quotas(root)), len(found)))


def _quotas(root):
    """Processor seconds per second of each control group that limits them."""
    for group, version in groups("cpu", root):
        if version == 2:
            quota, _, period = _text(group / "cpu.max").strip().partition(" ")
        else:
            quota = _text(group / "cpu.cfs_quota_us").strip()
            period = _text(group / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)
