"""Only pages of the dashboard itself speak to it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.dashboard import make_dashboard
from search.reporting.same_origin import SameOrigin, allowed_hosts
from search.storage.storage import open_storage
from tests.search.reporting import studies

Ask = Callable[..., int]


def one_study(folder: Path) -> Any:
    """A storage that has it."""
    url = f"sqlite:///{folder}/studies.db"
    studies.our_study(storage=url).add_trial(studies.trial(0, [1.0]))
    return open_storage(url)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return one_study(tmp_path_factory.mktemp("studies"))


@contextmanager
def serving(storage: Any, folder: Path, host: str = "127.0.0.1") -> Iterator[Any]:
    server = make_dashboard(storage, folder, host, 0, ["proxy.example"])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def status(server: Any, host: str, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(host, server.server_port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@contextmanager
def asking(storage: Any, folder: Path) -> Iterator[Ask]:
    """The status of a request; PORT in a header is the server's."""
    with serving(storage, folder) as server:

        def asked(method: str, path: str, **headers: str) -> int:
            port = str(server.server_port)
            filled = {name: value.replace("PORT", port) for name, value in headers.items()}
            return status(server, "127.0.0.1", method, path, filled)

        yield asked


@pytest.fixture(scope="module")
def ask(storage: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with asking(storage, tmp_path_factory.mktemp("results")) as asked:
        yield asked


@pytest.mark.parametrize(
    "host",
    ["evil.example:PORT", "evil.example", "127.0.0.1.evil.example:PORT", "", "[", "10.0.0.1"],
)
def test_a_foreign_host_is_refused(ask: Ask, host: str) -> None:
    assert ask("GET", "/api/studies", Host=host) == 403
    assert ask("DELETE", "/api/studies/1", Host=host, Origin=f"http://{host}") == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST", "[::1]:PORT", "proxy.example"]
)
def test_the_hosts_own_names_are_served(ask: Ask, host: str) -> None:
    assert ask("GET", "/api/studies", Host=host) == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost:PORT", "http://["],
)
def test_a_foreign_origin_changes_nothing(ask: Ask, origin: str, storage: Any) -> None:
    assert ask("DELETE", "/api/studies/1", Host="127.0.0.1:PORT", Origin=origin) == 403
    assert ask("GET", "/api/studies", Host="127.0.0.1:PORT", Origin=origin) == 403
    assert optuna.get_all_study_names(storage) == ["study"]


def test_what_does_not_say_where_it_comes_from_changes_nothing(ask: Ask, storage: Any) -> None:
    assert ask("DELETE", "/api/studies/1", Host="127.0.0.1:PORT") == 403
    assert optuna.get_all_study_names(storage) == ["study"]


def test_the_dashboards_own_pages_may_delete(tmp_path: Path) -> None:
    own = {"Host": "127.0.0.1:PORT", "Origin": "http://127.0.0.1:PORT"}
    storage = one_study(tmp_path)
    with asking(storage, tmp_path) as ask:
        assert ask("DELETE", "/api/studies/1", **own) == 204
    assert optuna.get_all_study_names(storage) == []


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as there:
            there.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_it_listens_on_ipv6_too(storage: Any, tmp_path: Path) -> None:
    with serving(storage, tmp_path, "::1") as server:
        host = {"Host": f"[::1]:{server.server_port}"}
        assert status(server, "::1", "GET", "/api/studies", host) == 200


def test_a_server_on_all_addresses_has_each_of_them_and_the_machines_name() -> None:
    names, any_address = allowed_hosts("0.0.0.0")
    guard = SameOrigin(lambda environ, start: [b"ok"], names, any_address)
    assert {socket.gethostname(), "localhost"} <= names
    for host, served in (("192.168.1.5:80", True), ("[fe80::1]", True), ("evil.example", False)):
        environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": host}
        found = list(guard(environ, lambda *_: None))
        assert (found == [b"ok"]) == served


def test_a_server_on_one_address_of_the_network_has_that_one_alone() -> None:
    assert allowed_hosts("192.168.1.5") == ({"192.168.1.5"}, False)
