"""A study's files, on a disk and at a URL: the same is asked of both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.common import file_store
from search.common.errors import UserError
from search.common.file_store import MANY, RemoteFolder, StudyFiles, files_of
from search.common.layout import StudyFolder, origin_of
from search.common.locations import default_storage, fetched, results_folder, where


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a URL names; commands know it by a mirror in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "there"


@pytest.fixture(params=["a disk", "a URL"])
def folder(request: pytest.FixtureRequest, there: Path, tmp_path: Path) -> StudyFolder:
    given = tmp_path / "results" if request.param == "a disk" else f"file://{there}"
    return StudyFolder(results_folder(given), "study #1")


@pytest.fixture
def files(folder: StudyFolder) -> StudyFiles:
    return files_of(folder)


def test_what_is_written_is_read(folder: StudyFolder, files: StudyFiles) -> None:
    files.write(folder.token, b"first")
    files.write(folder.token, b"second")
    assert files.read(folder.token) == b"second"
    with pytest.raises(FileNotFoundError):
        files.read(folder.history(3))


def test_a_copy_leaves_the_file_and_a_move_does_not(folder: StudyFolder, files: StudyFiles) -> None:
    files.write(folder.history(0), b"rows")
    files.copy(folder.history(0), folder.history(1))
    files.move(folder.history(0), folder.history(2))
    assert files.read(folder.history(1)) == files.read(folder.history(2)) == b"rows"
    with pytest.raises(FileNotFoundError):
        files.read(folder.history(0))
    with pytest.raises(FileNotFoundError):
        files.copy(folder.history(0), folder.history(3))


@pytest.mark.parametrize("count", [2, MANY + 1])
def test_sizes_are_those_of_the_folders_asked_for(
    count: int, folder: StudyFolder, files: StudyFiles
) -> None:
    for number in range(count + 1):
        files.write(folder.trial(number) / "best.pt", b"x" * number)
    wanted = [folder.trial(number) for number in range(count)]
    assert files.sizes([*wanted, folder.trial(99)]) == {
        trial / "best.pt": number for number, trial in enumerate(wanted)
    }
    assert sorted(files.weights()) == list(range(count + 1))


def test_what_is_removed_is_gone_and_may_be_removed_twice(
    folder: StudyFolder, files: StudyFiles
) -> None:
    files.write(folder.history(0), b"rows")
    for _ in range(2):
        files.remove(folder.history(0))
        assert files.sizes([folder.trial(0)]) == {}


def test_what_reports_read_lies_here_after_a_refresh(
    folder: StudyFolder, files: StudyFiles
) -> None:
    files.write(folder.history(0), b"one row\n")
    files.write(folder.history(1), b"one row\n")
    files.write(folder.lr_range, b"a test\n")
    files.refresh()
    files.write(folder.history(0), b"one row\nand another\n")
    files.remove(folder.history(1))
    files.refresh()
    assert folder.history(0).read_bytes() == b"one row\nand another\n"
    assert not folder.history(1).exists()
    assert folder.lr_range.read_bytes() == b"a test\n"


# -- at a URL alone ------------------------------------------------------------------------------


def test_checkpoints_stay_where_they_are(there: Path) -> None:
    folder = StudyFolder(results_folder(f"file://{there}"), "study")
    files_of(folder).write(folder.trial(0) / "best.pt", b"large")
    files_of(folder).refresh()
    assert not (folder.trial(0) / "best.pt").exists()
    assert (there / "study" / "trials" / "00000" / "best.pt").read_bytes() == b"large"


def test_the_log_of_the_driver_at_work_is_not_replaced_by_an_older_one(there: Path) -> None:
    folder = StudyFolder(results_folder(f"file://{there}"), "study")
    folder.log.parent.mkdir(parents=True)
    folder.log.write_text("first\n")
    files_of(folder).publish(folder.log)
    folder.log.write_text("first\nsecond\n")
    files_of(folder).refresh()
    assert folder.log.read_text() == "first\nsecond\n"
    assert (there / "study" / "search.log").read_text() == "first\n"


def test_commands_lead_back_to_the_url(there: Path) -> None:
    url = f"file://{there}"
    mirror = results_folder(url)
    assert origin_of(mirror) == url
    assert where("mysql://host/db", mirror) == (f" --storage mysql://host/db --results-dir {url}")
    assert StudyFolder(mirror, "study").address == f"{url}/study"


def test_another_url_has_another_mirror(there: Path) -> None:
    urls = [f"file://{there}", f"file://{there}/b", f"file://{there}-b"]
    assert len({results_folder(url) for url in urls}) == 3
    assert results_folder(urls[0]) == results_folder(urls[0])


def test_no_sqlite_file_lies_at_a_url(there: Path) -> None:
    with pytest.raises(UserError, match=r"--results-dir file:.* needs a database server"):
        default_storage(results_folder(f"file://{there}"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:se/cret@bucket/x", r"must not hold a password, got 's3://key:\*\*\*@bucket/x'"),
        ("nonsense://bucket/x", "nonsense://bucket/x"),
        ("s3://bucket/x?no_such=1", "no_such"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_one_line(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        results_folder(url)
    assert "\n" not in str(caught.value)
    assert "se/cret" not in str(caught.value)


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(UserError, match="check bucket, endpoint and credentials"):
        results_folder(f"file://{tmp_path}/a%20file/results", write=True)


def test_a_probe_leaves_nothing(there: Path) -> None:
    results_folder(f"file://{there}", write=True)
    assert os.listdir(there) == []


def test_a_checkpoint_is_copied_from_its_url(there: Path) -> None:
    (there / "study" / "trials" / "00003").mkdir(parents=True)
    (there / "study" / "trials" / "00003" / "best.pt").write_bytes(b"weights")
    url = f"file://{there}/study/trials/00003"
    for given in (url, f"{url}/best.pt"):
        assert (fetched(given) / "best.pt").read_bytes() == b"weights"
    assert fetched("results/a study/best.pt") == Path("results/a study/best.pt")
    with pytest.raises(UserError, match=r"no such checkpoint: .*00004"):
        fetched(f"file://{there}/study/trials/00004")


# -- patience --------------------------------------------------------------------------------------


class Failing:
    """Raises ``errors``, one a call, then answers."""

    def __init__(self, *errors: OSError):
        self.errors = list(errors)

    def __call__(self, remote: RemoteFolder, name: str) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        return b"there"


NETWORK = OSError("AWS Error NETWORK_CONNECTION during GetObject operation")


def test_a_lost_connection_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "SECONDS_BETWEEN_TRIES", 0.0)
    failing = Failing(NETWORK, NETWORK)
    monkeypatch.setattr(RemoteFolder, "_read", lambda remote, name: failing(remote, name))
    waits: list[int] = []
    remote = RemoteFolder("file:///x", on_wait=lambda: waits.append(1))
    assert remote.read("name") == b"there"
    assert len(waits) == 2


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("none"),
        OSError(28, "No space left on device"),
        OSError("AWS Error ACCESS_DENIED during GetObject operation"),
        OSError("AWS Error NO_SUCH_BUCKET during GetObject operation"),
    ],
)
def test_what_will_not_pass_is_not_waited_for(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(error, error)
    monkeypatch.setattr(RemoteFolder, "_read", lambda remote, name: failing(remote, name))
    remote = RemoteFolder("file:///x", on_wait=lambda: pytest.fail("it waits"))
    with pytest.raises(OSError, match=str(error.strerror or error)[:12]):
        remote.read("name")


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "SECONDS_BETWEEN_TRIES", 0.0)
    failing = Failing(NETWORK)
    monkeypatch.setattr(RemoteFolder, "_read", lambda remote, name: failing(remote, name))
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        RemoteFolder("file:///x", patience=0).read("name")
