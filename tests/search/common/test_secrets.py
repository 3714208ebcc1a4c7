"""Passwords are struck out wherever they stand; what holds none is left as it is."""

from __future__ import annotations

import shlex

import pytest

from search.common.secrets import command_without_secrets, without_secrets

PASSWORDS = [
    "secret",
    "it's",
    'a"b',
    "a b",
    "p@ss",
    "a/b",
    "a:b",
    "a?b=c",
    "a#b&c",
    "%40x",
    "$(x)`",
]


@pytest.mark.parametrize("password", PASSWORDS)
def test_whatever_a_password_holds(password: str) -> None:
    url = f"postgresql+psycopg://me:{password}@host:5432/db?sslmode=require"
    shown = "postgresql+psycopg://me:***@host:5432/db?sslmode=require"
    assert without_secrets(url) == shown
    command = ["python", "-m", "search.run", "--storage", url, "--study-name", "it's mine"]
    assert shlex.split(command_without_secrets(command)) == [*command[:4], shown, *command[5:]]
    joined = [*command[:3], f"--storage={url}", "-q"]
    assert shlex.split(command_without_secrets(joined))[3] == f"--storage={shown}"


@pytest.mark.parametrize(
    "key",
    [
        *("password", "PassWord", "passwd", "pwd", "sslpassword", "client_secret", "token"),
        *("token_1", "sig", "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "account_key"),
    ],
)
def test_a_query_may_hold_a_password_too(key: str) -> None:
    url = f"postgresql://host/db?user=me&{key}=it's;a=secret&ssl=1"
    assert without_secrets(url) == f"postgresql://host/db?user=me&{key}=***&ssl=1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host:port/db", "postgresql://user:***@host:port/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://us@er:secret@host/db", "postgresql://us@er:***@host/db"),
        ("user:se@cret@host", "user:***@host"),
        ("redis://:secret@[::1]:6379/0", "redis://:***@[::1]:6379/0"),
        (
            "mssql+pyodbc:///?odbc_connect=SERVER%3Dx%3BPWD%3Dsecret%3B&a=1",
            "mssql+pyodbc:///?odbc_connect=SERVER%3Dx%3BPWD%3D***&a=1",
        ),
    ],
)
def test_other_places_of_a_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///results/studies.db",
        "sqlite:////tmp/token=1/a@b:c.db",
        "results/study.log",
        "postgresql://me@host:5432/db?sslmode=require",
        "http://example.org/a@b",
        "--storage=sqlite:///a.db",
        "label_smoothing=0.1",
        "s3://bucket/x?region=eu&endpoint_override=http://host&sigma=1",
    ],
)
def test_what_holds_no_password_is_left(url: str) -> None:
    assert without_secrets(url) == url


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("run --storage 'x://:pw@h' --name a@b", "run --storage 'x://:***@h' --name a@b"),
        ("run --storage x://me:it's@h", "run --storage x://me:***@h"),
        ("run --study-name lr:0.1@wide", "run --study-name lr:0.1@wide"),
    ],
)
def test_a_command_that_was_recorded(command: str, shown: str) -> None:
    assert command_without_secrets(command) == shown
