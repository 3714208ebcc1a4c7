"""What a command line comes to: preset, names, totals, resources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from search.common.errors import UserError
from search.settings.load_space import choose_preset
from search.settings.request import Request, make_request
from search.settings.run_settings import RunSettings


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    monkeypatch.chdir(tmp_path)
    for name in ("OPTUNA_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 4)
    return lambda *flags: make_request(RunSettings.parse(["--space", "wrn_sam", *flags]))


def test_defaults_on_a_machine_without_gpu(request_of: Callable[..., Request]) -> None:
    request = request_of()
    assert request.study_name == "wrn_sam-quick"
    assert request.storage == "sqlite:///results/studies.db"
    assert request.folder.path == Path("results/wrn_sam-quick")
    assert request.dataset == "digits"
    resources = request.resources()
    assert (resources.concurrency, resources.threads) == (4, 1)
    left_open = ("n_trials", "sampler", "pruner", "seed", "timeout", "processes")
    assert [getattr(request.settings, name) for name in left_open] == [None] * len(left_open)


def test_the_full_preset_carries_the_spaces_name(request_of: Callable[..., Request]) -> None:
    request = request_of("--preset", "full")
    assert (request.study_name, request.dataset) == ("wrn_sam", "cifar100")
    assert request.config.depth == 34


def test_flags_win(request_of: Callable[..., Request], monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(
        *("--study-name", "mine", "--results-dir", "out", "--n-trials", "7", "--epochs", "3"),
        *("--dataset", "x.npz", "--sampler", "random", "--pruner", "none", "--timeout", "9"),
    )
    assert request.folder.path == Path("out/mine")
    assert request.storage == "sqlite:///out/studies.db"
    assert (request.settings.n_trials, request.config.epochs, request.settings.timeout) == (7, 3, 9)
    assert (request.dataset, request.settings.sampler, request.settings.pruner) == (
        "x.npz",
        "random",
        "none",
    )
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///env.db")
    assert request_of().storage == "sqlite:///env.db"
    assert request_of("--storage", "sqlite:///flag.db").storage == "sqlite:///flag.db"


def test_on_a_cluster_folders_are_whole_and_what_the_nodes_have_is_not_asked_here(
    request_of: Callable[..., Request],
) -> None:
    request = request_of("--ray-address", "auto", "--results-dir", "out", "--concurrency", "64")
    assert request.folder.results_dir == Path.cwd() / "out"
    resources = request.resources()
    assert (resources.ray_address, resources.concurrency, resources.threads) == ("auto", 64, 1)


def test_an_address_is_rays_own_or_none(
    request_of: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert request_of().resources().ray_address == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert request_of().resources().ray_address is None
    with pytest.raises(UserError, match=r"host:port or auto, got ray://head:10001.*on a node"):
        request_of("--ray-address", "ray://head:10001")


def test_what_is_set_no_longer_varies(request_of: Callable[..., Request]) -> None:
    request = request_of("--set", "width=2", "--set", "lr=0.2")
    varies = set(request_of().space.baseline_params())
    assert set(request.space.baseline_params()) == varies - {"width", "lr"}
    assert (request.config.width, request.config.lr) == (2, 0.2)


def test_a_fixed_value_may_lie_outside_the_space(request_of: Callable[..., Request]) -> None:
    assert request_of("--set", "lr=7").config.lr == 7


@pytest.mark.parametrize(
    ("asked", "gpus", "name", "says"),
    [
        ("auto", 0, "quick", "no GPU found; for the report's own scale: --preset full"),
        ("auto", 2, "full", "found 2 GPU(s); for the small one: --preset quick"),
        ("quick", 2, "quick", "from --preset"),
        ("full", 0, "full", "from --preset"),
    ],
)
def test_the_preset_says_why(asked: str, gpus: int, name: str, says: str) -> None:
    chosen, reason = choose_preset(asked, gpus)
    assert chosen == name
    assert says in reason


def test_results_at_a_url_need_a_database_with_locks(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    url = ("--results-dir", f"file://{tmp_path}/there")
    with pytest.raises(UserError, match="needs a database server beside it, which --storage names"):
        request_of(*url)
    for storage in ("sqlite:///studies.db", "studies.log", "redis://host/0"):
        with pytest.raises(UserError, match=f"need a database whose own locks .* got '{storage}'"):
            request_of(*url, "--storage", storage)
    asked = request_of(*url, "--storage", "postgresql+psycopg://host/db")
    assert asked.folder.address == f"file://{tmp_path}/there/{asked.study_name}"
    assert asked.folder.path.is_relative_to(tmp_path / "cache")
