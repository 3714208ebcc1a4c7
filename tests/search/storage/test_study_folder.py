"""A study knows its folder by a token: moved it is the same, on another disk it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.storage.study_folder import check_folder, claim_folder

SERVER = "postgresql://host/db"


def folder_at(results: Path) -> StudyFolder:
    return StudyFolder(results, "study")


def claimed(results: Path) -> tuple[str, str]:
    """What the record of a new study in ``results`` says."""
    folder = folder_at(results)
    return str(folder.path.resolve()), claim_folder(folder, SERVER, "", "")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_a_new_study_gives_its_folder_a_token_of_its_own(results: Path, tmp_path: Path) -> None:
    _, token = claimed(results)
    assert len(token) == 32
    assert folder_at(results).token.read_text() == token
    assert claimed(tmp_path / "other")[1] != token


def test_the_same_folder_goes_on(results: Path) -> None:
    record = claimed(results)
    assert claim_folder(folder_at(results), SERVER, *record) == record[1]


def test_a_moved_folder_goes_on(results: Path, tmp_path: Path) -> None:
    record = claimed(results)
    results.rename(tmp_path / "moved")
    assert claim_folder(folder_at(tmp_path / "moved"), SERVER, *record) == record[1]


def test_a_folder_seen_under_two_paths_goes_on(results: Path, tmp_path: Path) -> None:
    """As a shared disk may be mounted at another place of each machine."""
    record = claimed(results)
    tmp_path.joinpath("mounted").symlink_to(results)
    check_folder(folder_at(tmp_path / "mounted"), SERVER, *record)


@pytest.mark.parametrize("made", ["nothing", "the folder", "another token"])
def test_the_same_path_on_another_machine_is_refused(
    results: Path, tmp_path: Path, made: str
) -> None:
    record = claimed(results)
    results.rename(tmp_path / "the other machine's")
    folder = folder_at(results)
    if made != "nothing":
        folder.drivers.mkdir(parents=True)
    if made == "another token":
        folder.token.write_text("0123")
    before = sorted(results.rglob("*"))
    with pytest.raises(UserError) as caught:
        claim_folder(folder, SERVER, *record)
    text = str(caught.value)
    assert f"keeps its trials in {str(folder.path)!r} on another machine or disk" in text
    assert f"share that folder, then give --results-dir {str(results)!r}" in text
    assert "\n" not in text
    assert sorted(results.rglob("*")) == before


def test_another_folder_of_this_machine_is_refused_with_the_way(
    results: Path, tmp_path: Path
) -> None:
    record = claimed(results)
    with pytest.raises(UserError, match=r"not in .*elsewhere.*; give --results-dir .*/results'"):
        check_folder(folder_at(tmp_path / "elsewhere"), SERVER, *record)
    assert not tmp_path.joinpath("elsewhere").exists()


def test_a_crash_before_the_record_is_made_up_for(results: Path) -> None:
    _, token = claimed(results)
    assert claim_folder(folder_at(results), SERVER, "", "") == token


def test_a_torn_token_is_written_again(results: Path) -> None:
    claimed(results)
    folder_at(results).token.write_text("")
    assert claimed(results)[1] == folder_at(results).token.read_text() != ""


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("name", ["sqlite:///{}/studies.db", "{}/studies.log"])
def test_a_folder_deleted_beside_a_database_of_this_machine_is_made_again(
    results: Path, tmp_path: Path, moved: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = claimed(results)
    shutil.rmtree(results)
    folder = folder_at(tmp_path / "moved" if moved else results)
    url = name.format(tmp_path)
    assert claim_folder(folder, url, *record) == record[1] == folder.token.read_text()
    monkeypatch.setattr("search.storage.storage.is_local", lambda path: False)
    shutil.rmtree(folder.path)
    with pytest.raises(UserError, match="on another machine or disk"):
        claim_folder(folder, url, *record)


def test_another_studys_folder_is_refused_beside_any_database(
    results: Path, tmp_path: Path
) -> None:
    record = claimed(results)
    results.rename(tmp_path / "moved")
    claimed(results)
    with pytest.raises(UserError, match="on another machine or disk"):
        check_folder(folder_at(results), f"sqlite:///{tmp_path}/studies.db", *record)


# -- studies of the first release, which had none ----------------------------------------------


@pytest.mark.parametrize("moved", [False, True])
def test_a_study_without_a_token_gets_one(results: Path, tmp_path: Path, moved: bool) -> None:
    recorded = str((tmp_path / "gone" if moved else folder_at(results).path).resolve())
    token = claim_folder(folder_at(results), SERVER, recorded, "")
    assert folder_at(results).token.read_text() == token


def test_a_study_without_a_token_in_another_folder_is_refused(
    results: Path, tmp_path: Path
) -> None:
    recorded = tmp_path / "first" / "study"
    recorded.mkdir(parents=True)
    with pytest.raises(UserError, match=r"give --results-dir .*first'"):
        claim_folder(folder_at(results), SERVER, str(recorded), "")
    assert not results.exists()
