"""Two hosts on one machine, for what crosses a network: network namespaces, joined by a bridge.

Each host has a network and a name of its own, and one address; files, processes and memory are the machine's. So MPI
takes ranks of different hosts for ranks of different nodes. It needs root and iproute2, and Open MPI as the launcher.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

from processes import carry_out

from nuflux_mpi.cli import doctor

AGENT = """#!/bin/sh
# mpirun starts its daemon on a host by this, as it would by ssh: HOST COMMAND...
host=$1
shift
case $host in {addresses} esac
exec ip netns exec "$space" unshare -u sh -c 'hostname "$0"; shift 0; exec sh -c "$*"' "$space" "$@"
"""


class Hosts:
    """Two hosts that are up; `names` of their namespaces, `addresses` of their networks."""

    def __init__(self, directory):
        number = os.getpid() % 10000
        self.names = [f"nfx{number}a", f"nfx{number}b"]
        self.bridge = f"nfx{number}"
        network = f"10.{200 + number % 50}.{number // 50 % 250}"
        self.addresses = [f"{network}.2", f"{network}.3"]
        self._gateway, self.agent = f"{network}.1", directory / "agent.sh"

    def set_up(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self._gateway}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for name, address in zip(self.names, self.addresses):
            ip("netns", "add", name)
            ip("link", "add", f"{name}0", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{name}0", "master", self.bridge, "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        cases = " ".join(f"{address}) space={name};;" for name, address in zip(self.names, self.addresses))
        self.agent.write_text(AGENT.format(addresses=cases))
        self.agent.chmod(0o755)

    def tear_down(self):
        for name in self.names:
            held = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
            for process in held:  # ranks of a lost host, which nobody else can end
                subprocess.run(["kill", "-9", process], capture_output=True)
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

    def cut_off(self, host):
        """Take the network of one of the hosts (0 or 1) down, for good."""
        ip("link", "set", f"{self.names[host]}0", "down")

    def command(self, ranks, *arguments):
        """mpirun (list) of the program's command line with `ranks`, a number for each host."""
        where = ",".join(f"{address}:{count}" for address, count in zip(self.addresses, ranks) if count)
        options = {
            "plm_rsh_agent": self.agent,
            "oob_tcp_if_include": f"{self.bridge},eth0",
            "btl_tcp_if_include": "eth0",
            "btl": "tcp,self,vader",
            "plm_rsh_no_tree_spawn": "1",
            # mpirun itself asks the other host for a sign of life every few seconds, and not after minutes only.
            "oob_tcp_keepalive_time": "5",
            "oob_tcp_keepalive_intvl": "5",
            "oob_tcp_keepalive_probes": "3",
        }
        mca = [word for name, value in options.items() for word in ("--mca", name, str(value))]
        return [
            "mpirun",
            "-n",
            str(sum(ranks)),
            "--host",
            where,
            *mca,
            "--bind-to",
            "none",
            "-x",
            "PYTHONPATH",
            "-x",
            "PATH",
            "-x",
            "OMP_NUM_THREADS",
            sys.executable,
            "-m",
            "nuflux_mpi",
            *map(str, arguments),
        ]

    def run(self, ranks, *arguments, timeout=240):
        """The completed command; see `command`."""
        return carry_out(self.command(ranks, *arguments), timeout)


def ip(*words):
    """Call iproute2. OSError with what it says if it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def why_not():
    """Why there cannot be two hosts here (str), "" if there can."""
    missing = [name for name in ("ip", "unshare", "hostname", "mpirun") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not on PATH"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    return "" if doctor.is_open_mpi(shutil.which("mpirun")) else "made for Open MPI's mpirun"


@contextmanager
def two_hosts(directory):
    """Hosts that are taken down in the end; files that they need are put into `directory`. OSError where not permitted."""
    hosts = Hosts(directory)
    try:
        hosts.set_up()
        yield hosts
    finally:
        hosts.tear_down()
