"""python -m search.report --study-name NAME: tables, a page and a Markdown report of a study."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from search.common.errors import UserError, run_main
from search.common.layout import default_storage
from search.common.results_url import results_folder
from search.reporting import FORMATS
from search.settings.flags import OneLineParser, add_study_flags


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
    if args.accuracy is not None and not args.compare:
        raise UserError(f"--accuracy needs --compare, got {args.accuracy:g} alone; leave it out")
    if args.accuracy is not None and not math.isfinite(args.accuracy):
        raise UserError(f"--accuracy must be a finite number, got {args.accuracy}")
    results_dir = results_folder(args.results_dir)
    storage = args.storage or default_storage(results_dir)
    from search.reporting.export import parse_formats, report_comparison
    from search.reporting.search_result import read_result

    formats = parse_formats(args.format)
    out = None if args.out is None else Path(args.out)
    if args.compare:
        paths = report_comparison(args.compare, storage, results_dir, out, formats, args.accuracy)
    else:
        paths = read_result(args.study_name, storage, results_dir).report(args.format, out)
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
