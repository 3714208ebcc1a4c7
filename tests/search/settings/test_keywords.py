"""Keywords in Python are the command's flags."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search import run, train
from search.common.errors import UserError
from search.settings.keywords import parse_keywords
from spaces import named_space


@pytest.mark.parametrize(
    ("keywords", "flags"),
    [
        ({}, ""),
        ({"n_trials": 9, "timeout": 1.5, "sampler": None}, "--n-trials 9 --timeout 1.5"),
        ({"results_dir": Path("a b")}, "--results-dir 'a b'"),
        ({"set": {"lr": 0.1, "residual": True}}, "--set lr=0.1 --set residual=True"),
        ({"set": {"lr": np.float64(0.1)}}, "--set lr=0.1"),
        ({"set": {"milestones": (2, 4)}}, "--set milestones=2,4"),
        ({"set": {"model_options": {"a": 1, "b": 0.5}}}, "--set model_options=a=1,b=0.5"),
        ({"range": {"lr": (0.01, 0.1)}}, "--range lr=0.01:0.1"),
        ({"retry_failed": True, "quiet": True}, "--retry-failed --quiet"),
        ({"retry_failed": False}, ""),
        ({"lr_range_test": True}, "--lr-range-test"),
        ({"lr_range_test": False}, "--no-lr-range-test"),
        ({"confirm": 0}, "--confirm 0"),
        ({"confirm": False}, "--no-confirm"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_a_keyword_is_a_flag(keywords: dict[str, Any], flags: str) -> None:
    args, command = parse_keywords(run.make_parser(), "search.run", "wrn_sam", keywords)
    typed = ["--space", "wrn_sam", *shlex.split(flags)]
    assert args == run.make_parser().parse_args(typed)
    assert command == shlex.join(["python", "-m", "search.run", *typed])


def test_a_list_of_names_is_one_flag() -> None:
    keywords = {"feature_maps": ["conv1", "conv2"], "resume": True}
    args, _ = parse_keywords(train.make_parser(), "search.train", "lenet_epochs", keywords)
    assert args.feature_maps == ["conv1", "conv2"]
    assert args.resume is True


def test_a_space_itself_is_no_command() -> None:
    space = replace(named_space("wrn_sam"), name="mine")
    args, command = parse_keywords(run.make_parser(), "search.run", space, {"seed": 1})
    assert args.space is space
    assert command == "python -m search.run --space '<Space mine>' --seed 1"


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"n_trails": 9}, TypeError, "'n_trails'; did you mean 'n_trials'?"),
        ({"dry_run": True}, TypeError, "unknown keyword 'dry_run'"),
        ({"set": ["lr=0.1"]}, TypeError, "set takes a dict"),
        ({"n_trials": "many"}, UserError, "--n-trials: invalid int value: 'many'"),
        ({"quiet": True, "verbose": True}, UserError, "not allowed with argument"),
    ],
)
def test_what_is_wrong_is_said(
    keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        parse_keywords(run.make_parser(), "search.run", "wrn_sam", keywords)
    assert words in str(raised.value)


def test_a_password_is_not_in_the_command() -> None:
    url = "postgresql://me:geheim@host/db"
    args, command = parse_keywords(run.make_parser(), "search.run", "wrn_sam", {"storage": url})
    assert args.storage == url
    assert "geheim" not in command
