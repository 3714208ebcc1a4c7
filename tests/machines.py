"""Machines of a test's own on this one: each has its network, processes, shared memory and /tmp.

They hang on one switch, on which ``Network.host`` is this machine. What is killed is gone at once
with all that ran on it, as where power fails. Linux, and root.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

SHARED = Path("/mnt")  # on each machine: the folder that all of them see
SWITCH = "searchnet"
SUBNET = "10.77.0"
HOST = 254
# A cluster that lets nobody in without it: nodes and drivers have it in their environment.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}

# The shared folder may lie in /tmp, which each machine has of its own: so it is bound first.
SET_UP = f"""
mount --bind "$1" {SHARED} && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm &&
hostname "$0" && ip link set lo up && echo ready && exec sleep infinity
"""


class Machine:
    """One that runs nothing yet, and sees ``shared`` of this machine's folders as ``SHARED``."""

    def __init__(self, number: int, shared: Path):
        shared.mkdir(exist_ok=True)
        self.shared = shared
        self.name = f"machine{number}"
        self.address = f"{SUBNET}.{number}"
        self._link = f"{SWITCH}{number}"
        spaces = ["--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        ends_with_us = ["setpriv", "--pdeathsig", "KILL"]  # also where the test is killed
        command = [*ends_with_us, "unshare", *spaces, "sh", "-c", SET_UP, self.name, str(shared)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._outer = subprocess.Popen(command, text=True, **pipes)
        assert self._outer.stdout is not None
        assert self._outer.stdout.readline() == "ready\n"
        (init,) = psutil.Process(self._outer.pid).children()
        self._init = init.pid  # with it all others die
        _ip(
            "link",
            "add",
            self._link,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            f"{init.pid}",
        )
        _ip("link", "set", self._link, "master", SWITCH, "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0").wait()
        self.run("ip", "link", "set", "eth0", "up").wait()

    def run(self, *command: str, folder: Path | str = "/") -> subprocess.Popen[bytes]:
        """``command`` begun in ``folder``; it ends with the machine."""
        enter = ["nsenter", "-t", f"{self._init}", "-n", "-m", "-u", "-p", f"--wdns={folder}"]
        return subprocess.Popen([*enter, *command], env=os.environ | TOKEN)

    def ray(self, *arguments: str) -> None:
        """``ray start`` with one trial's room, so that two of a study's go to two machines."""
        ray = str(Path(sys.executable).with_name("ray"))
        small = ["--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats"]
        command = [ray, "start", "--node-ip-address", self.address, *small, *arguments]
        assert self.run(*command).wait() == 0

    def kill(self) -> None:
        """As where power fails: no process of it says good-bye."""
        if self._outer.returncode is None:
            psutil.Process(self._init).kill()
            self._outer.communicate()

    def cut_off(self) -> None:
        """Nothing comes in or out, and nobody is told."""
        _ip("link", "set", self._link, "down")

    def connect(self) -> None:
        _ip("link", "set", self._link, "up")


class Network:
    """A switch, and the machines on it; ``shared`` is the folder that all of them see."""

    host = f"{SUBNET}.{HOST}"
    mask = f"{SUBNET}.0/24"

    def __init__(self, shared: Path):
        self._shared = shared
        self.machines: list[Machine] = []

    def machine(self, shared: Path | None = None) -> Machine:
        """A new one; with a ``shared`` of its own it shares nothing."""
        made = Machine(1 + len(self.machines), shared or self._shared)
        self.machines.append(made)
        return made


@contextmanager
def network(shared: Path) -> Iterator[Network]:
    """Skips the test where this process may not make one."""
    if os.geteuid() or not (shutil.which("ip") and shutil.which("nsenter")):
        pytest.skip("machines of a test's own need root, iproute2 and util-linux")
    if Path("/tmp") in (*Path(__file__).resolve().parents, *Path(sys.executable).parents):
        pytest.skip("this checkout or its Python lies in /tmp, which each machine has of its own")
    with _one_at_a_time():
        _remove_links()  # of a test that was killed
        _ip("link", "add", SWITCH, "type", "bridge")
        made = Network(shared)
        try:
            _ip("address", "add", f"{Network.host}/24", "dev", SWITCH)
            _ip("link", "set", SWITCH, "up")
            yield made
        finally:
            for machine in made.machines:
                machine.kill()
            _remove_links()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Tests run side by side, and this machine has one switch of that name."""
    with open(Path(tempfile.gettempdir()) / f"{SWITCH}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, or its process has ended
        yield


def _remove_links() -> None:
    """A dead machine's would go by itself, but later."""
    for link in Path("/sys/class/net").glob(f"{SWITCH}*"):
        subprocess.run(["ip", "link", "delete", link.name], capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
