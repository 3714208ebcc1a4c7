"""The same seconds for our search and for Ray's own, on real images.

    python -m benchmarks.race [--seconds 240] [--pairs 3] [--dataset NAME_OR_PATH]

The small CNN's space on CIFAR-10, 10 epochs a trial, as many trials at once as there are cores. The
peer is Ray's ``Tuner`` with ``OptunaSearch`` and ``ASHAScheduler`` around the plain loop. The clock
starts with the command. Both are judged by the best accuracy of any epoch on the same validation
images; an accuracy that ours does not reach counts as reached in ten times the seconds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from benchmarks.data import dataset
from benchmarks.harness import Aim, Case, Options, main
from search.autotune.devices import cpu_count

SECONDS, EPOCHS, PAIRS = (240.0, 10.0), (10, 4), (3, 1)
NOT_REACHED = 10.0  # times the seconds
GRACE = 60.0  # s, to end in good order
CHANCE = 10.0  # % of ten classes
OURS = re.compile(r"trial \d+ epoch \d+/\d+: validation top-1 ([\d.]+) %")
PEER = re.compile(r"epoch .* val_top1 ([\d.]+)")

Course = list[tuple[float, float]]  # seconds since the command and accuracy in %, of each epoch


def cases(options: Options) -> list[Case]:
    seconds = options.asked_seconds or options.of(*SECONDS)
    epochs, pairs = options.of(*EPOCHS), options.asked_pairs or options.of(*PAIRS)
    preset = "quick" if options.smallest else "full"
    space = ["--preset", preset, "--dataset", dataset(options), "--data-dir", options.data_dir]
    space += ["--epochs", str(epochs)]
    limits = ["--timeout", str(seconds), "--n-trials", "100000", "--concurrency", str(cpu_count())]
    limits += ["--verbose", "--no-confirm"]  # the peer has nothing like it
    ours_command = ["search.run", "--space", "lenet_epochs", *space, *limits]
    peer_command = ["benchmarks.peers.race", *space, "--seconds", str(seconds)]
    ours, peer = [], []
    for _ in range(pairs):
        ours.append(_course(ours_command, OURS, seconds, "ours"))
        peer.append(_course(peer_command, PEER, seconds, "peer"))
    finals = [best(course) for course in peer]
    reached = [time_to(final, course, seconds) for final, course in zip(finals, ours, strict=True)]
    best_ours, whole = [best(course) for course in ours], [seconds] * pairs
    return [
        Case.of_pairs("to the peer's final accuracy", "s", Aim("≤", 1 / 3), reached, whole),
        Case.of_pairs("final accuracy", "%", Aim("≥", 1), best_ours, finals),
    ]


def best(course: Course) -> float:
    """In %; at least what guessing comes to."""
    return max((accuracy for _, accuracy in course), default=CHANCE)


def time_to(accuracy: float, course: Course, seconds: float) -> float:
    """When ``course`` came to ``accuracy``."""
    return next((at for at, value in course if value >= accuracy), NOT_REACHED * seconds)


def _course(command: Sequence[str], epoch: re.Pattern[str], seconds: float, name: str) -> Course:
    """What a command says of its epochs within ``seconds``."""
    course: Course = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", *command, "--results-dir", folder],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            late = threading.Timer(seconds + GRACE, _kill, [process])
            late.start()
            assert process.stdout is not None
            for line in process.stdout:
                found, at = epoch.search(line), time.perf_counter() - start
                if found and at <= seconds:
                    course.append((at, float(found[1])))
            process.wait()
            late.cancel()
    print(f"{name}: {best(course):.2f} % after {len(course)} epochs in {seconds:g} s", flush=True)
    return course


def _kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main("race", "a search of the small CNN's space against Ray's own", cases))
