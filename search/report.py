"""python -m search.report --study-name NAME: tables, a page and a Markdown report of a study."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import UserError, run_main
from search.common.layout import DEFAULT_RESULTS, default_storage
from search.planning.flags import OneLineParser, add_study_flags

if TYPE_CHECKING:
    import pandas as pd
    from optuna.study import Study

FORMATS = ("csv", "parquet", "xlsx", "md", "html")


def trials_frame(study: Study, results_dir: Path | str = DEFAULT_RESULTS) -> pd.DataFrame:
    """One row per trial; columns as in ``search.reporting.columns.TRIAL_COLUMNS``.

    Figures of the best epoch come from the trials' folders under ``results_dir``; where these
    are not, the columns are there and empty.
    """
    from search.reporting.study_data import read_study

    return read_study(study, results_dir).trials


def epochs_frame(study: Study, results_dir: Path | str = DEFAULT_RESULTS) -> pd.DataFrame:
    """One row per trial and epoch; columns as in ``search.reporting.columns.EPOCH_COLUMNS``."""
    from search.reporting.study_data import read_study

    return read_study(study, results_dir).epochs


def make_parser() -> argparse.ArgumentParser:
    """Flags as ``search.run`` has them."""
    parser = OneLineParser(
        prog="python -m search.report",
        description="Write a study's tables, its page and its Markdown report. It may be running.",
    )
    add = parser.add_argument
    add("--study-name", metavar="NAME", help="may be left out where the storage has one study")
    add("--compare", nargs="+", metavar="NAME", help="set several studies side by side instead")
    add(
        "--accuracy",
        type=float,
        metavar="X",
        help="for --compare: the accuracy (%%), or value of another objective, to which the time "
        "is told (default: the best that all studies came to)",
    )
    add_study_flags(parser)
    add("--out", metavar="DIR", help="default: results/<study>/report")
    add(
        "--format",
        default=",".join(FORMATS),
        help=f"a list with commas of {', '.join(FORMATS)} (default: all)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Writes and names the files. Exit code 2: wrong input, in one line."""
    args = make_parser().parse_args(argv)
    formats = parse_formats(args.format)
    if args.accuracy is not None and not args.compare:
        raise UserError(f"--accuracy needs --compare, got {args.accuracy:g} alone; leave it out")
    if args.accuracy is not None and not math.isfinite(args.accuracy):
        raise UserError(f"--accuracy must be a finite number, got {args.accuracy}")
    results_dir = Path(args.results_dir)
    storage = args.storage or default_storage(results_dir)
    from search.reporting.write import report_comparison, report_study

    out = None if args.out is None else Path(args.out)
    if args.compare:
        paths = report_comparison(args.compare, storage, results_dir, out, formats, args.accuracy)
    else:
        paths = report_study(args.study_name, storage, results_dir, out, formats)
    for path in paths:
        print(path)
    return 0


def parse_formats(text: str) -> tuple[str, ...]:
    """``"csv,html"`` → ``("csv", "html")``. Raises ``UserError`` for others."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--format takes {', '.join(FORMATS)}, got {name!r}")
    if not names:
        raise UserError(f"--format must name at least one of {', '.join(FORMATS)}")
    return names


if __name__ == "__main__":
    sys.exit(run_main(main))
