"""A real S3 server: what is asked of it, what is refused, and a connection that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from search.common.errors import UserError
from search.common.file_store import MANY, RemoteFolder, files_of
from search.common.layout import StudyFolder
from search.common.locations import results_folder
from tests.s3 import S3Server, own_s3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with own_s3() as made:
        yield made


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_files_are_kept_as_on_a_disk(server: S3Server) -> None:
    folder = StudyFolder(results_folder(server.url("a/b"), write=True), "study #1")
    files = files_of(folder)
    for number in range(MANY + 2):
        files.write(folder.history(number), b"epoch\n" * number)
    files.move(folder.history(0), folder.history(90))
    files.copy(folder.history(1), folder.history(91))
    files.remove(folder.history(2))
    files.remove(folder.history(2))
    few, many = [91, 2], range(MANY + 2)
    for asked, found in ((few, {91: 6}), (many, {n: 6 * n for n in many if n not in (0, 2)})):
        sizes = files.sizes(folder.trial(number) for number in asked)
        assert sizes == {folder.history(number): size for number, size in found.items()}
    files.refresh()
    assert folder.history(91).read_bytes() == b"epoch\n"
    assert sum("/trials/" in key for key in server.keys("a/b")) == MANY + 2
    with pytest.raises(FileNotFoundError):
        files.read(folder.history(2))


def test_a_large_file_comes_back_as_it_went(server: S3Server, tmp_path: Path) -> None:
    """In several parts."""
    content = bytes(range(256)) * 80_000
    (tmp_path / "went").write_bytes(content)
    beats: list[int] = []
    remote = RemoteFolder(server.url("large"), "trial", lambda: beats.append(1))
    remote.send(tmp_path / "went", "checkpoint.pt")
    assert len(beats) > 1
    remote.fetch("checkpoint.pt", tmp_path / "came")
    assert (tmp_path / "came").read_bytes() == content


def test_a_server_that_is_gone_is_waited_for(server: S3Server) -> None:
    """Until it is back: here when it was asked in vain."""
    waits: list[int] = []

    def wait() -> None:
        if not waits:
            server.start()
            server.make_bucket()
        waits.append(1)

    remote = RemoteFolder(server.url("lost"), "trial", wait)
    remote.write("history.csv", b"first")
    server.stop()
    remote.write("history.csv", b"second")
    assert waits
    assert remote.read("history.csv") == b"second"


def refused(url: str) -> str:
    with pytest.raises(UserError) as caught:
        results_folder(url, write=True)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--results-dir {url}: ")
    return str(caught.value)


def test_a_bucket_that_is_not_there_is_refused(server: S3Server) -> None:
    assert "check bucket" in refused(server.url("results", bucket="another"))


def test_a_server_that_is_not_there_is_refused(server: S3Server) -> None:
    url = server.url("results").replace(str(server.port), "9")  # where nobody listens
    assert "check bucket, endpoint and credentials" in refused(url)


def test_wrong_credentials_are_refused(server: S3Server) -> None:
    check_credentials(server, b"0")
    try:
        assert "credentials" in refused(server.url("results"))
    finally:
        check_credentials(server, b"inf")


def check_credentials(server: S3Server, after: bytes) -> None:
    """After so many requests the server looks at them, and knows none."""
    address = f"http://127.0.0.1:{server.port}/moto-api/reset-auth"
    request = Request(address, after, {"Content-Type": "text/plain"}, method="POST")
    with urlopen(request) as answer:
        assert answer.status == 200
