"""sharpsearch COMMAND …: all commands under one name.

Unlike ``python -m search.run`` it leaves the working directory off the path of imports, so that a
user's own ``search.py`` does no harm.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from search.common.errors import run_main
from search.settings.setting import PROGRAM, known

COMMANDS = {
    "run": "search a space of hyperparameters, or resume the study",
    "train": "train one setting without a search",
    "evaluate": "test a trained network again",
    "describe": "a network's layers, output shapes and size",
    "lr-range": "a learning-rate range test",
    "replay": "train a recorded trial again and compare",
    "submit": "submit a search to Slurm",
    "status": "how far a study is, and who works on it",
    "report": "a study's tables, page and Markdown report",
    "dashboard": "Optuna Dashboard on the studies",
}


def main(argv: list[str] | None = None) -> int:
    """Runs the command that the first argument names; its exit code."""
    sys.argv[0] = PROGRAM
    arguments = sys.argv[1:] if argv is None else argv
    return run_main(partial(_run, arguments))


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {PROGRAM} COMMAND …\n\ncommands ({PROGRAM} COMMAND --help says more):")
        for name, what in COMMANDS.items():
            print(f"  {name:<10} {what}")
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"{PROGRAM} {version(PROGRAM)}")
        return 0
    command = known("command", arguments[0], COMMANDS)
    module = import_module(f"search.{command.replace('-', '_')}")
    code: int = module.main(arguments[1:])
    return code
