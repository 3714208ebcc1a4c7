"""sharpsearch submit slurm --time 8:00:00 -- --space wrn_sam: a search as a Slurm job array."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.common.errors import UserError, one_line, run_main
from search.common.locations import default_storage
from search.common.secrets import without_secrets
from search.settings.run_settings import RunSettings
from search.settings.setting import Settings, program, setting

SYSTEMS = ("slurm",)
TIME = re.compile(r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}")  # as sbatch has it
# 3 and 130 are exit codes of `sharpsearch run`. A warning only asks, however often it comes.
SCRIPT = """\
#!/bin/bash
{directives}
{setup}
# Each task is a driver of the same study, with a Ray of its own on its node.
search=
warned=
warn() {{ warned=yes; [ -z "$search" ] || kill -USR2 "$search"; }}
trap warn USR2  # Slurm warns this shell alone before the time is up
trap : TERM     # Slurm sends it to the search too
{command} &
search=$!
[ -z "$warned" ] || kill -USR2 "$search"
wait "$search"; code=$?
while kill -0 "$search" 2>/dev/null; do wait "$search"; code=$?; done
# A signal may cut `wait` off, so that the code of a search that it stopped is not known.
case "$warned$code" in yes[0-4]) ;; yes*) code=130 ;; esac

# The time is up and the study is not complete: queue this task again.
if [ "$code" -eq 3 ] || {{ [ -n "$warned" ] && [ "$code" -eq 130 ]; }}; then
    if [ "${{SLURM_RESTART_COUNT:-0}}" -lt {requeues} ]; then
        scontrol requeue "$SLURM_JOB_ID"
    fi
fi
exit "$code"
"""


@dataclass(frozen=True, kw_only=True)
class SubmitSettings(Settings):
    """What is asked of the cluster."""

    command = "submit"
    description = "Submit a search to Slurm as an array of tasks that work on one study."
    epilog = "After -- follow the flags of the search, as `run` has them."

    system: str = setting("slurm", positional=True, among=SYSTEMS)
    time: str = setting("time limit of a task, as sbatch has it: 8:00:00", metavar="TIME")
    array: int = setting("tasks, each with its own node or a part of one", 1, metavar="N", least=1)
    gpus: int = setting("GPUs of a task", 1, metavar="N", least=0)
    cpus_per_task: int | None = setting(
        "cores of a task (default: the cluster's)", None, metavar="N", least=1
    )
    account: str | None = setting("the account that pays", None, metavar="NAME")
    partition: str | None = setting("the partition that the tasks run in", None, metavar="NAME")
    setup: Path | None = setting(
        "file with more #SBATCH lines and what comes before the search, such as `module load`",
        None,
        metavar="FILE",
    )
    requeues: int = setting(
        "how often a task queues itself again while the study is not complete",
        20,
        metavar="N",
        least=0,
    )
    print: bool = setting("print the script, submit nothing", False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not TIME.fullmatch(self.time):
            raise UserError(f"--time must be a time such as 8:00:00 or 1-12:00, got {self.time!r}")
        for flag, name in (("--account", self.account), ("--partition", self.partition)):
            if name is not None and not re.fullmatch(r"\S+", name):
                raise UserError(f"{flag} must be a name without blanks, got {name!r}")


def main(argv: list[str] | None = None) -> int:
    """Shows the script and hands it to sbatch. Exit code 2: wrong input, also of the search."""
    given = sys.argv[1:] if argv is None else argv
    end = given.index("--") if "--" in given else len(given)
    settings, flags = SubmitSettings.parse(given[:end]), given[end + 1 :]
    if not flags:
        raise UserError(f"name the search after --: {program('submit')} slurm … -- --space wrn_sam")
    script = make_script(settings, flags)
    print(script, end="", flush=True)
    if not settings.print:
        _submit(script)
    return 0


def make_script(settings: SubmitSettings, flags: Sequence[str]) -> str:
    """Return the batch script whose tasks run a search with ``flags``. Raises ``UserError``."""
    name = _check_search(settings, flags)
    directives = {
        "job-name": f"sharpsearch-{name}",
        "array": f"0-{settings.array - 1}",
        "time": settings.time,
        "gpus": settings.gpus or None,
        "cpus-per-task": settings.cpus_per_task,
        "account": settings.account,
        "partition": settings.partition,
        "signal": "B:USR2@120",
        "open-mode": "append",
    }
    lines = [f"#SBATCH --{name}={value}" for name, value in directives.items() if value is not None]
    return SCRIPT.format(
        directives="\n".join([*lines, "#SBATCH --requeue"]),
        setup=_read_setup(settings.setup),
        command=f"{program('run')} {shlex.join(flags)}",
        requeues=settings.requeues,
    )


def _check_search(settings: SubmitSettings, flags: Sequence[str]) -> str:
    """Return the name of the space that ``flags`` search, once they are found to be usable."""
    search = RunSettings.parse(flags)
    from search.settings.load_space import load_space

    space, _ = load_space(search)
    if search.cluster:
        raise UserError(
            f"each task starts a Ray of its own, got --ray-address {search.cluster}; leave it out, "
            "and unset RAY_ADDRESS"
        )
    if any("://" in flag and flag != without_secrets(flag) for flag in flags):
        raise UserError(
            "the script would show the password of --storage; leave the flag out and export "
            "OPTUNA_STORAGE, which sbatch hands on"
        )
    if "://" in search.results_dir:
        from search.storage.database_locks import refuse_without_locks

        refuse_without_locks(search.storage or "")
    storage = search.storage or default_storage(Path(search.results_dir))
    if settings.array > 1 and storage.startswith("sqlite"):
        raise UserError(
            f"{settings.array} tasks on several nodes cannot share a SQLite file, got "
            f"{storage!r}; name a database server, or a journal file on a shared disk: "
            f"--storage {search.results_dir}/studies.log"
        )
    return re.sub(r"[^\w.-]", "-", space.definition.name)


def _read_setup(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").rstrip("\n") + "\n"
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--setup {str(file)!r} cannot be read: {one_line(error)}") from None


def _submit(script: str) -> None:
    try:
        done = subprocess.run(["sbatch"], input=script, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(
            "sbatch is not on the PATH; log in to a node of the Slurm cluster, or print the script "
            "with --print"
        ) from None
    if done.returncode:
        raise UserError(f"sbatch refused the script: {one_line(done.stderr or done.stdout)}")
    print(done.stdout, end="", flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main))
