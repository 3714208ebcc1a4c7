"""How fast it is against named peers. ``BENCHMARKS`` is the table, each with what it measures.

python -m benchmarks.NAME runs one, python -m benchmarks all of them. Three stand apart, with
command lines of their own: ``gpu_check`` needs a GPU, ``search_efficiency`` tables of curves,
``scale`` has no peer.
"""

from __future__ import annotations

from collections.abc import Mapping

BENCHMARKS: Mapping[str, str] = {
    "train_lenet": "small CNN, batch 100: images/s of training against the report's loop",
    "train_resnet9": "report B's ResNet-9, batch 100: the same",
    "train_wrn_sam": "WideResNet-16-4 with SAM and all augmentation, batch 128: the same",
    "batch_size_study": "lenet_batch from command to table against the loop run three times",
    "sam_step": "a SAM step against our own SGD step",
    "flop_utilisation": "forward and backward against a matrix product in the same precision",
    "evaluation": "images/s of evaluation against the peer's loop",
    "saving": "seconds that training waits for a checkpoint against writing it in line",
    "worker_memory": "memory that a data set takes in N workers against one data set",
    "precision_parity": "accuracy in bfloat16 against float32 over seeds",
    "probe_choice": "the probe's choice against the best fixed choice",
    "noop_trials": "trials/s of a study whose trials do nothing against Ray's own searcher",
    "late_trial": "ask, report, decide and tell in a large study against a small one",
    "late_report": "one report in a large study against a small one",
    "samplers": "regret of the Gaussian process under the default pruner against random and TPE",
    "verdict_coverage": "how often verdicts on simulated studies of known truth are true",
    "race": "accuracy that a search finds in the same seconds as Ray's own, and when",
    "open_study": "seconds to open a large study and go on with it",
    "first_epoch": "command to first epoch against importing torch and ray",
    "driver_share": "processor time of the driver while trials run",
}
