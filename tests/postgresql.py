"""A real PostgreSQL, for as long as a test lasts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest


class Server:
    """A PostgreSQL of the test's own, run by an ordinary user, on the loopback or at another
    ``address`` of this machine, where it trusts whoever comes from ``clients``."""

    def __init__(
        self,
        programs: Path,
        folder: Path,
        user: str | None,
        address: str = "127.0.0.1",
        clients: str = "127.0.0.1/32",
    ):
        self._programs, self._folder, self._user = programs, folder, user
        self._address = address
        with closing(socket.socket()) as free:
            free.bind((address, 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://tester@{address}:{self._port}/postgres"
        self._run("initdb", "-U", "tester", "-A", "trust", "-D", str(folder / "data"))
        with open(folder / "data" / "pg_hba.conf", "a") as rules:
            rules.write(f"host all all {clients} trust\n")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
        )

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses={self._address} -k {self._folder}"
        where = ["-D", str(self._folder / "data"), "-l", str(self._folder / "log")]
        self._run("pg_ctl", *where, "-w", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", how, "stop")


def find_programs() -> Path | None:
    """Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def own_server(*where: str) -> Iterator[Server]:
    """With its address and its clients, if not the loopback. Skips the test where PostgreSQL or
    its driver is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be run by root
    if user:
        shutil.chown(folder, user)
    server = Server(programs, folder, user, *where)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)
