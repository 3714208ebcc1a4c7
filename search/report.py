"""python -m search.report --study-name NAME: tables, a page and a Markdown report of a study."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from search.common.errors import UserError, run_main
from search.common.locations import default_storage, results_folder
from search.reporting import FORMATS
from search.settings.run_settings import StudySettings
from search.settings.setting import setting


@dataclass(frozen=True, kw_only=True)
class ReportSettings(StudySettings):
    """Settings of ``search.report``: which study, and in which formats."""

    command = "report"
    description = "Write a study's tables, page and Markdown report. Works on running studies."

    study_name: str | None = setting(
        "may be left out where the storage has one study", None, metavar="NAME"
    )
    compare: tuple[str, ...] = setting(
        "set several studies side by side instead", (), metavar="NAME", options={"nargs": "+"}
    )
    accuracy: float | None = setting(
        "for --compare: the accuracy (%%), or value of another objective, to which the time "
        "is compared (default: the best that all studies came to)",
        None,
        metavar="X",
    )
    out: Path | None = setting("default: results/<study>/report", None, metavar="DIR")
    format: str = setting(
        f"a list with commas of {', '.join(FORMATS)} (default: all)", ",".join(FORMATS)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accuracy is None:
            return
        if not self.compare:
            raise UserError(
                f"--accuracy needs --compare, got {self.accuracy:g} alone; leave it out"
            )
        if not math.isfinite(self.accuracy):
            raise UserError(f"--accuracy must be a finite number, got {self.accuracy}")


def main(argv: list[str] | None = None) -> int:
    """Writes and names the files. Exit code 2: wrong input, in one line."""
    settings = ReportSettings.parse(argv)
    results_dir = results_folder(settings.results_dir)
    storage = settings.storage or default_storage(results_dir)
    from search.reporting.export import parse_formats, report_comparison
    from search.reporting.search_result import read_result
    from search.storage.storage import watched

    formats = parse_formats(settings.format)
    with watched(storage):
        if settings.compare:
            paths = report_comparison(
                settings.compare, storage, results_dir, settings.out, formats, settings.accuracy
            )
        else:
            result = read_result(settings.study_name, storage, results_dir)
            paths = result.report(settings.format, settings.out)
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
