"""What a command line comes to: preset, names, totals, resources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from search.common.errors import UserError
from search.planning import job as job_module
from search.planning import resources as resources_module
from search.planning.job import Job, choose_preset, resolve
from search.planning.resources import choose_resources
from search.run import make_parser


@pytest.fixture
def job_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr(job_module, "gpu_count", lambda: 0)
    monkeypatch.setattr(resources_module, "cpu_count", lambda: 4)
    return lambda *flags: resolve(make_parser().parse_args(["--space", "wrn_sam", *flags]))


def test_defaults_on_a_machine_without_gpu(job_of: Callable[..., Job]) -> None:
    job = job_of()
    assert job.study_name == "wrn_sam-quick"
    assert job.storage == "sqlite:///results/studies.db"
    assert job.folder.path == Path("results/wrn_sam-quick")
    assert (job.dataset, job.sampler, job.pruner) == ("digits", "tpe", "halving")
    assert (job.resources.concurrency, job.resources.threads) == (4, 1)
    assert job.execution.device == "cpu"
    assert job.timeout is None


def test_the_full_preset_carries_the_spaces_name(job_of: Callable[..., Job]) -> None:
    job = job_of("--preset", "full")
    assert (job.study_name, job.dataset) == ("wrn_sam", "cifar100")
    assert job.config.depth == 34


def test_flags_win(job_of: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(
        *("--study-name", "mine", "--results-dir", "out", "--n-trials", "7", "--epochs", "3"),
        *("--dataset", "x.npz", "--sampler", "random", "--pruner", "none", "--timeout", "9"),
    )
    assert job.folder.path == Path("out/mine")
    assert job.storage == "sqlite:///out/studies.db"
    assert (job.n_trials, job.config.epochs, job.timeout) == (7, 3, 9)
    assert (job.dataset, job.sampler, job.pruner) == ("x.npz", "random", "none")
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///env.db")
    assert job_of().storage == "sqlite:///env.db"
    assert job_of("--storage", "sqlite:///flag.db").storage == "sqlite:///flag.db"


def test_what_is_set_no_longer_varies(job_of: Callable[..., Job]) -> None:
    job = job_of("--set", "width=2", "--set", "lr=0.2")
    varies = set(job_of().space.baseline())
    assert set(job.space.baseline()) == varies - {"width", "lr"}
    assert (job.config.width, job.config.lr) == (2, 0.2)


def test_a_fixed_value_may_lie_outside_the_space(job_of: Callable[..., Job]) -> None:
    assert job_of("--set", "lr=7").config.lr == 7


def test_a_grids_total_is_its_size(job_of: Callable[..., Job]) -> None:
    fixed = ("batch_size=64", "lr=0.1", "weight_decay=0", "rho=0.1", "dropout=0")
    flags = [flag for value in fixed for flag in ("--set", value)]
    assert job_of(*flags, "--sampler", "grid").n_trials == 2 * 2  # depth 10, 16; width 1, 2
    assert job_of(*flags, "--sampler", "grid", "--n-trials", "3").n_trials == 3


@pytest.mark.parametrize(
    ("asked", "gpus", "name", "says"),
    [
        ("auto", 0, "quick", "no GPU found; for the report's own scale: --preset full"),
        ("auto", 2, "full", "found 2 GPU(s); for the small one: --preset quick"),
        ("quick", 2, "quick", "as asked"),
        ("full", 0, "full", "as asked"),
    ],
)
def test_the_preset_says_why(asked: str, gpus: int, name: str, says: str) -> None:
    chosen, reason = choose_preset(asked, gpus)
    assert chosen == name
    assert says in reason


@pytest.mark.parametrize(
    ("asked", "gpus", "processes", "expected"),
    [
        ((None, None, None), 0, 1, (4, 1, 0.0)),
        ((1, None, None), 0, 1, (1, 4, 0.0)),
        ((None, 2, None), 0, 1, (2, 2, 0.0)),
        ((None, 8, None), 0, 1, (1, 8, 0.0)),
        ((8, None, None), 0, 1, (8, 1, 0.0)),
        ((3, 5, None), 0, 1, (3, 5, 0.0)),
        ((None, None, None), 2, 1, (2, 2, 1.0)),
        ((None, None, 0.5), 2, 1, (4, 1, 0.5)),
        ((None, None, 0.4), 2, 1, (4, 1, 0.4)),
        ((None, None, 1 / 3), 1, 1, (3, 1, 1 / 3)),
        ((None, None, 2), 2, 1, (1, 4, 2)),
        ((None, None, 0), 2, 1, (4, 1, 0)),
        ((1, None, 1), 2, 1, (1, 4, 1)),
        ((None, None, None), 0, 2, (2, 1, 0.0)),
        ((1, None, None), 0, 2, (1, 2, 0.0)),
        ((None, None, None), 4, 2, (2, 1, 2.0)),
        ((None, None, 0), 4, 2, (2, 1, 0)),
    ],
)
def test_resources_of_four_cores(
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[int | None, int | None, float | None],
    gpus: int,
    processes: int,
    expected: tuple[int, int, float],
) -> None:
    monkeypatch.setattr(resources_module, "cpu_count", lambda: 4)
    chosen = choose_resources(*asked, gpus, processes)
    assert (chosen.concurrency, chosen.threads, chosen.gpus_per_trial) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((None, None, 3.0), "--gpus-per-trial must be at most 2, the GPUs found, got 3.0"),
        ((None, None, 1.5), "--gpus-per-trial must be a whole number above 1, got 1.5"),
        ((3, None, 1.0), "--concurrency must be at most 2, .*1 each, got 3"),
        ((None, None, 1e-9), "--gpus-per-trial must be 0 or at least 0.01, got 1e-09"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    asked: tuple[int | None, int | None, float | None], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        choose_resources(*asked, gpus=2)


def test_each_process_has_a_gpu_of_its_own() -> None:
    with pytest.raises(UserError, match="--gpus-per-trial must be 2, one for each of the --proc"):
        choose_resources(None, None, 1.0, gpus=2, processes=2)


def test_processes_leave_nothing_to_a_probe(job_of: Callable[..., Job]) -> None:
    job = job_of("--processes", "2")
    assert (job.execution.processes, job.resources.processes) == (2, 2)
    assert job_of().probes
    assert not job.probes
