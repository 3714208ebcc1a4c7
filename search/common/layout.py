"""Where everything lies: the one place that knows the file layout.

results/studies.db                   the study database, unless --storage names another
results/<study>/search.log           what happened, line by line
results/<study>/trials/00007/        one trial: history.csv, test.json; best.pt, where it is kept;
                                     checkpoint.pt and the one before, while it may resume
                                     output.log, if it printed anything; error.txt, if it failed
results/<study>/drivers/             a lock file per driver at work, unless the database has it
results/<study>/folder.token         what the study's record says too: that this is its folder
results/<study>/lr_range.csv         the learning-rate range test, where one was run
results/<study>/report/              what search.report wrote
results/<study>-confirm/             the same of the study that re-evaluates it
results/artifacts/                   what search.dashboard shows of trials
results/runs/<space>[-<preset>]/     what search.train wrote: a trial's files
results/lr_range/<space>[-<preset>]/ what search.lr_range wrote
results/origin.url                   of results that lie at a URL, in the folder that mirrors them
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

DEFAULT_RESULTS = Path("results")
MOST_BYTES = 255  # of a file's name
TOKEN = "folder.token"
ORIGIN = "origin.url"
FEATURE_MAPS = "feature_maps.png"
BEST_WEIGHTS = "best.pt"  # in a trial's folder, as ``trainers.runs`` writes it, and so
CHECKPOINTS = ("checkpoint.pt", "checkpoint.previous.pt")
CONFIRMATION = "-confirm"  # what the study that re-evaluates another is called after
HEARTBEAT = "heartbeat"  # in a trial's folder while a worker is at it
OUTPUT = "output.log"  # in a trial's folder: what it printed


def origin_of(results_dir: Path) -> str:
    """Return the URL of the results that ``results_dir`` mirrors; "" where they lie in it."""
    try:
        return (results_dir / ORIGIN).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def preset_suffix(preset_name: str) -> str:
    """Return what tells the small preset's files from those at the report's own scale."""
    return "" if preset_name == "full" else f"-{preset_name}"


def run_folder(results_dir: Path, space_name: str, preset_name: str) -> Path:
    """Return where one setting is trained without a search."""
    return results_dir / "runs" / safe_name(f"{space_name}{preset_suffix(preset_name)}")


def artifacts_dir(results_dir: Path) -> Path:
    """Return where the dashboard's files are, for all studies of a results folder."""
    return results_dir / "artifacts"


def range_folder(results_dir: Path, space_name: str, preset_name: str) -> Path:
    """Return where a learning-rate range test without a search is kept."""
    return results_dir / "lr_range" / safe_name(f"{space_name}{preset_suffix(preset_name)}")


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study. A name that is no safe file name is percent-encoded."""

    results_dir: Path
    study_name: str

    def of_reevaluation(self) -> StudyFolder:
        """Return the folder of the study that re-evaluates this one's best."""
        return StudyFolder(self.results_dir, f"{self.study_name}{CONFIRMATION}")

    @property
    def path(self) -> Path:
        return self.results_dir / safe_name(self.study_name)

    @property
    def address(self) -> str:
        """The place of the folder, for the study's record and for its reader: a path, or a URL."""
        base = origin_of(self.results_dir).partition("?")[0].rstrip("/")
        return f"{base}/{self.path.name}" if base else str(self.path.resolve())

    @property
    def log(self) -> Path:
        return self.path / "search.log"

    @property
    def drivers(self) -> Path:
        return self.path / "drivers"

    @property
    def token(self) -> Path:
        """The file whose text is also in the study's record, so that no other folder is taken for
        this one."""
        return self.path / TOKEN

    @property
    def claims(self) -> Path:
        return self.path / "drivers" / "claims.lock"

    @property
    def report(self) -> Path:
        return self.path / "report"

    def trial(self, number: int) -> Path:
        return self.path / "trials" / f"{number:05d}"

    def weights(self) -> list[Path]:
        """Return the best weights that are kept, of every trial."""
        return sorted(self.path.glob(f"trials/*/{BEST_WEIGHTS}"))

    def history(self, number: int) -> Path:
        """Return a row per epoch, as ``trainers.runs.training_run`` writes it."""
        return self.trial(number) / "history.csv"

    def evaluation(self, number: int) -> Path:
        """Return the test set's figures of a completed trial, as ``trainers.runs`` writes them."""
        return self.trial(number) / "test.json"

    def feature_maps(self, number: int) -> Path:
        return self.trial(number) / FEATURE_MAPS

    @property
    def lr_range(self) -> Path:
        return self.path / "lr_range.csv"

    def failure(self, number: int) -> Path:
        """Return the traceback of a trial that raised."""
        return self.trial(number) / "error.txt"


def safe_name(name: str) -> str:
    """Return ``name`` as one component of a path; distinct names stay distinct, long ones by a
    digest."""
    encoded = quote(name, safe=" @+,=()[]äöüÄÖÜß")
    if len(encoded.encode()) > MOST_BYTES:
        digest = f"#{sha256(name.encode()).hexdigest()[:24]}"  # no other encoded name has a #
        return encoded.encode()[: MOST_BYTES - len(digest)].decode(errors="ignore") + digest
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")
