"""Nobody else speaks to the dashboard: foreign ``Host`` and ``Origin`` headers are refused.

Optuna Dashboard checks neither and has no login, so any web page could delete studies: under a
name of its own that it points at this machine (DNS rebinding), or by sending a form here.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

Application = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]


class SameOrigin:
    """A WSGI application that lets ``app`` see only requests to one of ``hosts``, from pages of
    the same address; what changes something must say where it comes from.

    ``any_address`` allows every numeric address too: no other page can have one of those.
    """

    def __init__(self, app: Application, hosts: Iterable[str], any_address: bool = False):
        self._app = app
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._any_address = any_address

    def __call__(self, environ: Mapping[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start)
        body = f"{refusal}\n".encode("utf-8", "replace")
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ]
        start("403 Forbidden", headers)
        return [body]

    def _refusal(self, environ: Mapping[str, Any]) -> str | None:
        host = environ.get("HTTP_HOST", "")
        if not self._is_allowed(hostname(host)):
            return f"Host {host!r} is not this dashboard's; allow it with --allowed-host"
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            safe = environ["REQUEST_METHOD"] in SAFE_METHODS
            return None if safe else "what changes a study must come with an Origin header"
        if _netloc(origin) != host.lower():
            return f"Origin {origin!r} is another page than this dashboard's"
        return None

    def _is_allowed(self, name: str) -> bool:
        return name in self._hosts or (self._any_address and address(name) is not None)


def allowed_hosts(host: str) -> tuple[set[str], bool]:
    """Return the names by which a server bound to ``host`` is reached, and whether every numeric
    address is one of them: it is where the server listens at all of its machine's."""
    bound = address(host)
    everywhere = bound is not None and bound.is_unspecified
    names = {host}
    if everywhere or host == "localhost" or (bound is not None and bound.is_loopback):
        names |= set(LOOPBACK_NAMES)
    if everywhere:
        names |= {socket.gethostname(), socket.getfqdn()}
    return names, everywhere


def hostname(header: str) -> str:
    """Return the host of an address, such as ``::1`` of ``[::1]:8080``; empty for what is no
    host."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return ``host`` as a numeric address; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
