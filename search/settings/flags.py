"""Flags that several commands share: which space, data and studies, computed how."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from search.common.errors import UserError
from search.common.layout import DEFAULT_RESULTS, default_data_dir


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


KEEP_WEIGHTS, BEST_KEPT = ("best", "all", "none"), 3  # of trials that have ended
DEFAULT_TOP = 5  # trials of another study to start with
MOST_FOR_PAUSED = 20_000_000_000  # bytes of paused trials' checkpoints
SPACE_FILE_WARNING = "A space given as a .py file is run as code: use only files you trust."


def add_space_flags(parser: argparse.ArgumentParser, preset: str = "auto") -> None:
    """--space, --preset, --set and --epochs: a space, or one setting of it."""
    add = parser.add_argument
    add("--space", required=True, help="a named space, or a .py file with a SPACE in it")
    add("--preset", default=preset, help=f"auto, quick or full (default: {preset})")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="fix a hyperparameter or change the baseline; repeatable",
    )
    add("--epochs", type=int, help="epochs of a trial")
    add("--objective", metavar="NAME", help="what is improved: val_top1 (default), val_loss, …")


def add_study_flags(parser: argparse.ArgumentParser) -> None:
    """--storage and --results-dir: where studies lie."""
    parser.add_argument(
        "--storage",
        default=os.environ.get("OPTUNA_STORAGE"),
        metavar="URL",
        help="Optuna storage (env OPTUNA_STORAGE; default: sqlite:///results/studies.db)",
    )
    parser.add_argument(
        "--results-dir",
        default=str(DEFAULT_RESULTS),
        metavar="DIR_OR_URL",
        help="where trials' files lie: a folder, or s3://bucket/prefix or another URL that pyarrow "
        "opens, with --storage on a server (default: results)",
    )


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """--dataset, --image-size and --data-dir."""
    parser.add_argument(
        "--dataset",
        metavar="NAME_OR_PATH",
        help="digits, digits32, digits64, cifar10, cifar100, tiny-imagenet-200, torchvision:NAME, "
        "an .npz file, a folder of .npy files or an image folder",
    )
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="make the images of a folder N x N pixels"
    )
    parser.add_argument(
        "--data-dir",
        default=default_data_dir(),
        help="downloads and prepared data (env SHARPSEARCH_DATA; default: ~/.cache/sharpsearch)",
    )


def add_compute_flags(parser: argparse.ArgumentParser, auto: str = "float32") -> None:
    """--threads, --precision, --deterministic and --graph; ``auto`` says what the precision is if
    it is left open."""
    parser.add_argument("--threads", type=int, metavar="N", help="threads of a trial")
    parser.add_argument(
        "--precision",
        default="auto",
        help=f"auto (default: {auto}), float32, bfloat16 or, on a GPU, tf32",
    )
    parser.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        help="bit for bit on a GPU too, as always on the CPU, by slower kernels (default: no)",
    )
    parser.add_argument(
        "--graph",
        action=argparse.BooleanOptionalAction,
        help="on a GPU, launch each training step as one CUDA graph where it can be captured; the "
        "figures are the same (default: yes, but not with --deterministic)",
    )


def add_processes_flag(parser: argparse.ArgumentParser) -> None:
    """--processes."""
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="processes of a trial, each trains its share of every batch (default: 1)",
    )


def add_feature_flag(parser: argparse.ArgumentParser) -> None:
    """--feature-maps, as a list of names."""
    parser.add_argument(
        "--feature-maps",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=[],
        metavar="NAMES",
        help="draw what these convolutions make of the first test image: conv1,conv2",
    )


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """--trust-code, of the commands that read settings which anyone may have made."""
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="run the Python file that the recorded setting names as its model or training loop",
    )
