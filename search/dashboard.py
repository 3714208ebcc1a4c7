"""python -m search.dashboard: Optuna Dashboard on the studies, with notes, plots and files."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from search.common.errors import UserError, one_line, run_main
from search.common.layout import artifacts_dir
from search.common.locations import default_storage, results_folder
from search.reporting.same_origin import SameOrigin, address, allowed_hosts
from search.settings.run_settings import StudySettings
from search.settings.setting import setting

LOOPBACK = "127.0.0.1"
PORT = 8080
NICENESS = 10  # trials on the same machine come first


@dataclass(frozen=True, kw_only=True)
class DashboardSettings(StudySettings):
    """The dashboard's settings: whose studies it shows, and at which address."""

    command = "dashboard"
    description = "Show the studies of a storage in a browser. Works on running studies."

    host: str = setting("by default only this machine reaches it", LOOPBACK)
    allowed_host: tuple[str, ...] = setting(
        "another name by which browsers reach it, as behind a proxy; repeatable",
        (),
        metavar="NAME",
        options={"action": "append"},
    )
    port: int = setting("0: any that is free", PORT)


def main(argv: list[str] | None = None) -> int:
    """Serves until Ctrl-C. Exit code 2: wrong input, in one line."""
    settings = DashboardSettings.parse(argv)
    results_dir = results_folder(settings.results_dir)
    from search.storage.storage import open_storage

    storage = open_storage(settings.storage or default_storage(results_dir), create=False)
    host = settings.host.strip("[]")
    server = make_dashboard(storage, results_dir, host, settings.port, settings.allowed_host)
    print(f"dashboard: http://{_shown(host)}:{server.server_port}/  (Ctrl-C ends it)")
    if not _is_loopback(host):
        print("warning: whoever reaches this address can change and delete studies")
    sys.stdout.flush()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
    return 0


def make_dashboard(
    storage: Any, results_dir: Path, host: str, port: int, allowed: Sequence[str] = ()
) -> Any:
    """Return the server, bound to its address, not started. Browsers reach it by the host's own
    names and those ``allowed``."""
    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    if not 0 <= port <= 65535:
        raise UserError(f"--port must be in [0, 65535], got {port}")
    folder = artifacts_dir(results_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write to {str(folder)!r}: {one_line(error)}; choose another --results-dir"
        ) from None
    store = FileSystemArtifactStore(folder)
    names, any_address = allowed_hosts(host)
    dashboard: Any = optuna_dashboard.wsgi(storage, artifact_store=store)
    app = SameOrigin(dashboard, {*names, *allowed}, any_address)
    kind = _Server6 if ":" in host else _Server
    try:
        return make_server(host, port, app, server_class=kind, handler_class=_QuietHandler)
    except OSError as error:
        raise UserError(
            f"cannot listen on {_shown(host)}:{port}: {one_line(error.strerror or error)}; "
            "choose another with --port"
        ) from None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A line per request would bury what matters."""


def _is_loopback(host: str) -> bool:
    numeric = address(host)
    return host == "localhost" if numeric is None else numeric.is_loopback


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(run_main(main))
