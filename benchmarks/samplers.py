"""What samplers make of 48 trials under successive halving: Gaussian process against the others.

    python -m benchmarks.samplers

Invented learning curves over wrn_sam's quick space; no network is trained. A curve of 16 epochs
rises to its trial's true value, a smooth function of the parameters, at a pace that depends on
them too, so that early ranks can lie; each epoch has noise of 0.7 points. Regret: how far the
true value of the trial chosen lies below the best possible, in points of accuracy.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.harness import Aim, Case, Options, main
from search.strategy.distributions import distributions
from search.strategy.pruners import make_pruner
from search.strategy.samplers import make_sampler
from spaces.named.wrn_sam import SPACE
from spaces.space import Constraint, ResolvedSpace

TRIALS, SEEDS, EPOCHS, NOISE, BEST = (48, 12), (10, 1), 16, 0.7, 92
MEMORY = 1000  # batch size · depth · width; half of all points need more, the best just does not
ONE_PERCENT = Constraint(  # of the space keeps it, the baseline too
    "weight_decay must follow dropout",
    lambda p: abs(math.log10(p["weight_decay"] / 5e-4) - 2 * p["dropout"]) < 0.0135,
)


def true_value(p: Mapping[str, Any]) -> float:
    """Accuracy in % after all epochs; ``BEST`` with 32 images a batch, depth 16 and width 2."""
    batch = math.log2(p["batch_size"] / 32)
    lr = math.log10(p["lr"] / 0.04) - 0.15 * batch
    decay = math.log10(p["weight_decay"] / 2e-4)
    rho = math.log10(p["rho"] / 0.05) + 0.3 * (p["width"] - 2)
    penalty = 0.35 * lr**2 + 0.06 * decay**2 + 0.12 * rho**2 + 0.012 * batch**2
    penalty += 1.2 * (p["dropout"] - 0.15) ** 2 + (16 - p["depth"]) / 300 + (2 - p["width"]) / 20
    return BEST * math.exp(-penalty)


def curve(p: Mapping[str, Any], seed: Sequence[int]) -> list[float]:
    """What is reported after each epoch, in %."""
    pace = 2.5 * (1 + max(0.0, -math.log10(p["lr"] / 0.1)) + p["dropout"])
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / pace)
    noise = np.random.default_rng(seed).normal(0, NOISE, EPOCHS)
    return [float(value) for value in true_value(p) * rise / rise[-1] + noise]


@dataclass(frozen=True)
class Outcome:
    """Of a search; ``lost`` trials ran out of memory or broke the constraint, ``seconds`` are
    what drawing a trial took."""

    regret: float
    epochs: int
    lost: int
    seconds: float


def search(
    sampler: str, seed: int, trials: int, space: ResolvedSpace, memory: float = math.inf
) -> Outcome:
    made = make_sampler(sampler, space, seed)
    study = optuna.create_study(
        direction="maximize", sampler=made, pruner=make_pruner("halving", EPOCHS)
    )
    study.enqueue_trial(space.baseline_params())
    lost, epochs, seconds = 0, 0, 0.0
    for number in range(trials):
        start = time.perf_counter()
        trial = study.ask(distributions(space.parameters))
        seconds += time.perf_counter() - start
        p = trial.params
        if space.broken_constraint(p) or p["batch_size"] * p["depth"] * p["width"] > memory:
            trial.set_constraint("memory", 1.0)
            study.tell(trial, state=TrialState.PRUNED)
            lost += 1
            continue
        values = curve(p, (seed, number))
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
            epochs += 1
            if number and epoch < EPOCHS and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, max(values))
    regret = BEST - true_value(study.best_trial.params)
    return Outcome(regret, epochs, lost, seconds / trials)


def cases(options: Options) -> list[Case]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials, seeds, space = options.of(*TRIALS), options.of(*SEEDS), SPACE.at("quick")

    def several(sampler: str, label: str, *given: Any) -> list[Outcome]:
        found = [search(sampler, seed, trials, *given) for seed in range(seeds)]
        print(f"{label:20} {sampler:7} {_summary(found)}", flush=True)
        return found

    learners = ("random", "tpe", "gp")
    free = {name: several(name, "free", space) for name in learners}
    memory = {name: several(name, "memory", space, MEMORY) for name in learners}
    definition = replace(space.definition, constraints=(ONE_PERCENT,))
    for name in (*learners, "qmc"):
        several(name, "1 % feasible", replace(space, definition=definition))
    return [
        _regret("gp against random", Aim("≤", 0.7), free["gp"], free["random"]),
        _regret("gp against tpe", Aim("≤", 1), free["gp"], free["tpe"]),
        _regret("memory, gp against random", Aim("≤", 0.7), memory["gp"], memory["random"]),
    ]


def _summary(found: Sequence[Outcome]) -> str:
    regrets = [outcome.regret for outcome in found]
    error = statistics.stdev(regrets) / len(regrets) ** 0.5 if len(regrets) > 1 else math.nan
    mean = {
        name: statistics.fmean(getattr(outcome, name) for outcome in found)
        for name in ("regret", "epochs", "lost", "seconds")
    }
    return (
        f"regret {mean['regret']:5.2f} ± {error:.2f}   epochs {mean['epochs']:4.0f}   "
        f"trials lost {mean['lost']:4.1f}   {mean['seconds']:.3f} s a trial"
    )


def _regret(name: str, aim: Aim, ours: list[Outcome], peer: list[Outcome]) -> Case:
    return Case.of_pairs(name, "points", aim, [o.regret for o in ours], [o.regret for o in peer])


if __name__ == "__main__":
    sys.exit(main("samplers", "regret after 48 trials under successive halving", cases))
