"""How fast it is against named peers. ``BENCHMARKS`` is the table, each with what it measures.

python -m benchmarks.NAME runs one, python -m benchmarks all of them. Two stand apart, with command
lines of their own: ``gpu_check`` needs a GPU, ``search_efficiency`` tables of curves.
"""

from __future__ import annotations

from collections.abc import Mapping

BENCHMARKS: Mapping[str, str] = {
    "training": "images/s of training and evaluation against the reports' loop",
    "steps": "forward and backward against a matrix product; a SAM step against an SGD step",
    "driver": "trials and reports in large studies against small ones; opening a large study",
    "commands": "first report, a whole study, the driver's share, trials that do nothing",
    "samplers": "regret of the Gaussian process under the default pruner against random and TPE",
    "verdict_coverage": "how often verdicts on simulated studies of known truth are true",
    "race": "accuracy that a search finds in the same seconds as Ray's own, and when",
}
