"""A study in Redis, as an Optuna journal, by a stand-in for the server and its package."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import optuna
import pytest

from search.common.errors import StorageError, UserError
from search.storage.storage import open_storage, watched

URL = "redis://:secret@host:6379/0"


class RedisError(Exception):
    pass


class Server(dict[str, Any]):
    """Keys and values; ``down``: it does not answer."""

    down = False

    def get(self, key: str) -> Any:
        if self.down:
            raise RedisError("Connection refused")
        return super().get(key)

    def setnx(self, key: str, value: Any) -> None:
        self.setdefault(key, value)

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def eval(self, script: str, keys: int, prefix: str, log: str) -> None:
        number = self[f"{prefix}:log_number"] = int(self[f"{prefix}:log_number"]) + 1
        self[f"{prefix}:log:{number}"] = log


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    package, errors = ModuleType("redis"), ModuleType("redis.exceptions")
    client = SimpleNamespace(from_url=lambda url: server)
    monkeypatch.setattr(package, "Redis", client, raising=False)
    monkeypatch.setattr(errors, "RedisError", RedisError, raising=False)
    monkeypatch.setitem(sys.modules, "redis", package)
    monkeypatch.setitem(sys.modules, "redis.exceptions", errors)
    module = sys.modules["optuna.storages.journal._redis"]
    monkeypatch.setattr(module, "redis", package, raising=False)
    monkeypatch.setattr(module, "_imports", SimpleNamespace(check=lambda: None))
    return server


def test_a_study_goes_on_in_redis(server: Server) -> None:
    first = optuna.create_study(study_name="study", storage=open_storage(URL))
    first.tell(first.ask(), 1.0)
    assert server
    again = optuna.load_study(study_name="study", storage=open_storage(URL, create=False))
    assert [trial.value for trial in again.get_trials()] == [1.0]


def test_a_server_that_does_not_answer_is_one_line(server: Server) -> None:
    server.down = True
    with pytest.raises(UserError) as caught:
        open_storage(URL)
    text = "cannot open the storage 'redis://:***@host:6379/0': Connection refused; check"
    assert str(caught.value).startswith(text)


def test_a_server_that_stops_is_one_line(server: Server) -> None:
    study = optuna.create_study(storage=open_storage(URL))
    server.down = True
    with pytest.raises(StorageError, match="stopped working: Connection refused"), watched(URL):
        study.get_trials()


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UserError) as caught:
        open_storage(URL)
    assert "needs a database driver that is not installed" in str(caught.value)
    assert "redis" in str(caught.value)
    assert "secret" not in str(caught.value)
