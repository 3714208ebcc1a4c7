"""python -m search.dashboard: Optuna Dashboard on the studies, with notes, plots and files."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from search.common.errors import UserError, one_line, run_main
from search.common.layout import DEFAULT_RESULTS, artifacts_dir, default_storage
from search.run import OneLineParser

LOOPBACK = "127.0.0.1"
PORT = 8080
NICENESS = 10  # trials on the same machine come first


def make_parser() -> argparse.ArgumentParser:
    """Flags as ``search.run`` and ``optuna-dashboard`` have them."""
    parser = OneLineParser(
        prog="python -m search.dashboard",
        description="Show the studies of a storage in a browser; searches may be running.",
    )
    add = parser.add_argument
    add(
        "--storage",
        default=os.environ.get("OPTUNA_STORAGE"),
        metavar="URL",
        help="Optuna storage (env OPTUNA_STORAGE; default: sqlite:///results/studies.db)",
    )
    add("--results-dir", default=str(DEFAULT_RESULTS), help="default: results")
    add("--host", default=LOOPBACK, help="default: 127.0.0.1, which only this machine reaches")
    add("--port", type=int, default=PORT, help=f"default: {PORT}; 0: any that is free")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serves until Ctrl-C. Exit code 2: wrong input, in one line."""
    args = make_parser().parse_args(argv)
    results_dir = Path(args.results_dir)
    from search.storage.storage import open_storage

    storage = open_storage(args.storage or default_storage(results_dir), create=False)
    server, publisher = make_dashboard(storage, results_dir, args.host, args.port)
    print(f"dashboard: http://{_shown(args.host)}:{server.server_port}/  (Ctrl-C ends it)")
    if not _is_loopback(args.host):
        print("warning: whoever reaches this address can change and delete studies")
    sys.stdout.flush()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    publisher.start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
        publisher.stop()
    return 0


def make_dashboard(storage: Any, results_dir: Path, host: str, port: int) -> tuple[Any, Any]:
    """The server, bound to its address, and the publisher, neither started."""
    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    from search.dashboard_sync.sync import Publisher

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
    app = optuna_dashboard.wsgi(storage, artifact_store=store)
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_QuietHandler)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port}: {one_line(error.strerror or error)}; "
            "choose another with --port"
        ) from None
    return server, Publisher(storage, results_dir, store)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A line per request would bury what matters."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(run_main(main))
