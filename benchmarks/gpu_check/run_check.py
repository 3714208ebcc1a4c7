"""Runs one check in this process.

    python -m benchmarks.gpu_check.run_check MODULE:FUNCTION FILE --device cuda

imports the function, waits for a line on stdin, and runs it; FILE holds what is known so far.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu_check.check import (
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    FailedError,
    Setting,
    SkippedError,
    write,
)
from search.common.errors import one_line

SHORT = 300  # characters of a reason


OURS = {"benchmarks", "search", "spaces", "trainers"}


def run(check: Check, setting: Setting) -> None:
    """Runs ``check`` and writes what it comes to, whatever it raises. One that needs a package that
    is not installed is skipped."""
    start, result, said = time.perf_counter(), PASSED, ""
    try:
        check(setting)
    except SkippedError as reason:
        result, said = SKIPPED, str(reason)
    except FailedError as reason:
        result, said = FAILED, str(reason)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        traceback.print_exc()
        result, said = FAILED, f"{type(error).__name__}: {error}"
        if missing and missing.partition(".")[0] not in OURS:
            result, said = SKIPPED, f"it needs {missing}, which is not installed"
    seconds, said = round(time.perf_counter() - start, 1), one_line(said)[:SHORT] if said else ""
    ended = {"result": result, "seconds": seconds, **({"said": said} if said else {})}
    write(setting.path, {**ended, **setting.known, **ended})
    print(f"{setting.path.stem}: {result} after {seconds} s {said}".rstrip(), flush=True)


def load(reference: str) -> Check:
    """The function "MODULE:FUNCTION"; where it cannot be imported, one that says so when run."""
    module, _, name = reference.partition(":")
    try:
        check: Check = getattr(import_module(module), name)
    except ImportError as error:
        reason = error

        def fail(setting: Setting) -> None:
            raise reason

        return fail
    return check


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("function")
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", required=True)
    parser.add_argument("--smallest", action="store_true")
    args = parser.parse_args()
    check = load(args.function)
    if not sys.stdin.readline():  # whoever started this is gone
        return
    with TemporaryDirectory(prefix="sharpsearch-gpu-check-") as scratch:
        run(check, Setting(args.device, args.smallest, Path(scratch), args.file))


if __name__ == "__main__":
    main()
