"""A command's settings: the same from its flags and from keywords in Python."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.common.errors import UserError
from search.settings.run_settings import RunSettings
from search.train import TrainSettings
from spaces import named_space


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTUNA_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("keywords", "flags"),
    [
        ({}, ""),
        ({"n_trials": 9, "timeout": 1.5, "sampler": None}, "--n-trials 9 --timeout 1.5"),
        ({"timeout": "job"}, "--timeout job"),
        ({"results_dir": Path("a b")}, "--results-dir 'a b'"),
        ({"set": {"lr": 0.1, "residual": True}}, "--set lr=0.1 --set residual=True"),
        ({"set": {"lr": np.float64(0.1)}}, "--set lr=0.1"),
        ({"set": {"milestones": (2, 4)}}, "--set milestones=2,4"),
        ({"set": {"milestones": (2,)}}, "--set milestones=2,"),
        ({"set": {"model_options": {"a": 1, "b": 0.5}}}, "--set model_options=a=1,b=0.5"),
        ({"range": {"lr": (0.01, 0.1)}}, "--range lr=0.01:0.1"),
        ({"retry_failed": True, "quiet": True}, "--retry-failed --quiet"),
        ({"retry_failed": False}, ""),
        ({"lr_range_test": True}, "--lr-range-test"),
        ({"lr_range_test": False}, "--no-lr-range-test"),
        ({"confirm": 0}, "--confirm 0"),
        ({"ray_address": "auto", "device_kinds": "any"}, "--ray-address auto --device-kinds any"),
    ],
)
def test_a_keyword_is_a_flag(keywords: dict[str, Any], flags: str) -> None:
    settings = RunSettings.of_keywords({"space": "wrn_sam", **keywords})
    typed = ["--space", "wrn_sam", *shlex.split(flags)]
    assert settings == RunSettings.parse(typed)
    assert settings.as_command() == shlex.join(["python", "-m", "search.run", *typed])


def test_the_environment_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///mine.db")
    settings = RunSettings.parse(["--space", "wrn_sam"])
    assert settings.storage == "sqlite:///mine.db"
    assert settings.as_command() == "python -m search.run --space wrn_sam"


def test_no_confirm_is_none_of_them() -> None:
    assert RunSettings.parse(["--space", "wrn_sam", "--no-confirm"]).confirm == 0


def test_a_list_of_names_is_one_flag() -> None:
    keywords = {"space": "lenet_epochs", "feature_maps": ["conv1", "conv2"], "resume": True}
    settings = TrainSettings.of_keywords(keywords)
    assert (settings.feature_maps, settings.resume) == (("conv1", "conv2"), True)
    assert "--feature-maps conv1,conv2" in settings.as_command()
    assert TrainSettings.parse(shlex.split(settings.as_command())[3:]) == settings


def test_a_space_itself_is_no_command() -> None:
    space = replace(named_space("wrn_sam"), name="mine")
    settings = RunSettings.of_keywords({"space": space, "seed": 1})
    assert settings.space is space
    assert settings.as_command() == "python -m search.run --space '<Space mine>' --seed 1"


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"n_trails": 9}, TypeError, "'n_trails'; did you mean 'n_trials'?"),
        ({"dry_run": True}, TypeError, "unknown keyword 'dry_run'"),
        ({"set": ["lr=0.1"]}, TypeError, "set takes a dict"),
        ({"n_trials": "many"}, UserError, "--n-trials must be a whole number, got 'many'"),
        ({"n_trials": 9.5}, UserError, "--n-trials must be a whole number, got 9.5"),
        ({"timeout": "soon"}, UserError, "--timeout must be a number of seconds, or job"),
        ({"timeout": True}, UserError, "--timeout must be a number of seconds, or job, got True"),
        ({"retry_failed": 1}, UserError, "--retry-failed must be True or False, got 1"),
        ({"sampler": "tp"}, UserError, "unknown sampler 'tp'; did you mean 'tpe'?"),
        ({"quiet": True, "verbose": True}, UserError, "--quiet and --verbose contradict"),
    ],
)
def test_what_is_wrong_is_said(
    keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        RunSettings.of_keywords({"space": "wrn_sam", **keywords})
    assert words in str(raised.value)


def test_a_password_is_not_in_the_command() -> None:
    url = "postgresql://me:geheim@host/db"
    settings = RunSettings.of_keywords({"space": "wrn_sam", "storage": url})
    assert settings.storage == url
    assert "geheim" not in settings.as_command()
