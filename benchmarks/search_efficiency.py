"""How good a configuration a search finds for its cost, replayed on tables of learning curves.

    python -m benchmarks.search_efficiency --tables FOLDER [--orders N] [--workers 1,4,16]
        [--mode rule|sampler] [--policies NAME,…] [--processes N] [--json FILE] [--figure FILE]

Mode "rule": configurations come in random order. Mode "sampler": the sampler proposes, and the
nearest configuration of the table that was not used yet is trained. The product's own runner, rule
and sampler decide; there is no baseline. Time is that of 4, 8, 16 and 32 full trainings; the
default plans for each as its own budget. Regret: 0 if the best of the table was found, 1 if
nothing better than its median.

Policy "uniform", which must be named, is the default with draws that learn nothing. A table's own
configurations may not be uniform in its space, so it, and not random order, is what the default in
mode "sampler" is to be compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, TPESampler

from benchmarks.search_replay import (
    Rows,
    Spend,
    Table,
    TableError,
    best_by,
    read_tables,
    replay,
    space_of,
)
from search.strategy.pruners import PROMOTION, make_pruner
from search.strategy.samplers import make_sampler
from spaces.space import Preset

BUDGETS = (4, 8, 16, 32)  # full trainings
RULE, SAMPLER = "rule", "sampler"
DEFAULT_SAMPLER = Preset(dataset="", n_trials=1).sampler
Propose = Callable[[Table, int], BaseSampler]


def _ours(table: Table, seed: int) -> BaseSampler:
    return make_sampler(DEFAULT_SAMPLER, space_of(table), seed)


def _uniform(table: Table, seed: int) -> BaseSampler:
    return make_sampler("random", space_of(table), seed)


def _optuna_tpe(table: Table, seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


@dataclass(frozen=True)
class Policy:
    """``prune`` gets a table's epochs; ``propose`` a table and a seed, None: always in random
    order. Only what ``plans`` knows its budget."""

    prune: Callable[[int], BasePruner]
    propose: Propose | None
    plans: bool = False


UNIFORM = "uniform"  # looks into the default's sampler, and is no rival of it
ONE_EPOCH = "one_epoch"  # all for one epoch, then the best to their end: needs no study
POLICIES: Mapping[str, Policy | None] = {
    "default": Policy(partial(make_pruner, PROMOTION), _ours, plans=True),
    "stop_2_2": Policy(partial(make_pruner, "halving"), _optuna_tpe),
    "optuna_median": Policy(lambda n: MedianPruner(), _optuna_tpe),
    "optuna_halving": Policy(lambda n: SuccessiveHalvingPruner(), _optuna_tpe),
    ONE_EPOCH: None,
    "random": Policy(lambda n: NopPruner(), None),
    UNIFORM: Policy(partial(make_pruner, PROMOTION), _uniform, plans=True),
}
COMPARED = [name for name in POLICIES if name != UNIFORM]


@dataclass(frozen=True)
class Job:
    """One order of one table's configurations."""

    policy: str
    mode: str
    table: Table
    workers: int
    seed: int

    def regrets(self) -> list[float]:
        """By budget."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        policy, table = POLICIES[self.policy], self.table
        order = np.random.default_rng(self.seed).permutation(len(table.curves))
        if policy is None:
            found = [one_epoch(table, order, self.workers, budget) for budget in BUDGETS]
            return [table.regret(value) for value in found]
        spends = [Spend(budget, self.workers, policy.plans) for budget in BUDGETS]
        if policy.plans:
            completed = [self._replay(policy, order, spend) for spend in spends]
        else:  # what does not know its budget does the same until it is spent
            completed = [self._replay(policy, order, spends[-1])] * len(spends)
        pairs = zip(completed, spends, strict=True)
        return [table.regret(best_by(done, spend.time(table))) for done, spend in pairs]

    def _replay(self, policy: Policy, order: np.ndarray, spend: Spend) -> list[tuple[float, float]]:
        if self.mode == SAMPLER and policy.propose:
            table, proposer = self.table, policy.propose(self.table, self.seed)
        else:
            table, proposer = self.table.without_parameters(), None
        rows = Rows(table, order, proposer)
        return replay(table, rows, policy.prune(table.epochs), spend)


def one_epoch(table: Table, order: np.ndarray, workers: int, trainings: int) -> float:
    """As many as can be tried for one epoch, such that every worker finishes one afterwards; then
    the best to their end. −∞ where there is no time for that."""
    rest = table.epochs - 1
    total = trainings * table.epochs
    tried = order[: max(0, total - workers * rest)]
    first = np.nan_to_num(table.curves[tried, 0], nan=-np.inf)
    finished = (total - len(tried)) // rest if rest else len(tried)
    best = tried[np.argsort(-first, kind="stable")[:finished]]
    return float(max(table.final[best], default=-np.inf))


Map = Callable[[Callable[[Job], list[float]], Iterable[Job]], Iterable[list[float]]]


def measure(
    mode: str,
    tables: list[Table],
    orders: int,
    workers: list[int],
    policies: list[str],
    each: Map = map,
) -> dict[str, Any]:
    """Policy → workers → mean and worst over tables, by budget."""
    found: dict[str, Any] = {}
    for policy in policies:
        for at_once in workers:
            jobs = (Job(policy, mode, t, at_once, seed) for t in tables for seed in range(orders))
            regrets = np.array(list(each(Job.regrets, jobs)))
            by_table = regrets.reshape(len(tables), orders, len(BUDGETS)).mean(1)
            mean, worst = by_table.mean(0).tolist(), by_table.max(0).tolist()
            found.setdefault(policy, {})[str(at_once)] = {"mean": mean, "worst": worst}
            shown = "  ".join(f"{100 * value:5.1f}" for value in (*mean, *worst))
            print(f"{mode:8} {policy:15} {at_once:3}   {shown}", flush=True)
    return found


def draw(found: Mapping[str, Any], file: Path) -> None:
    """Mean regret against budget: a row for each mode, a column for each number of workers."""
    from matplotlib.figure import Figure

    workers = list(next(iter(next(iter(found.values())).values())))
    figure = Figure(figsize=(3.2 * len(workers), 2.8 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), len(workers), squeeze=False, sharex=True, sharey=True)
    for row, (mode, policies) in zip(panels, found.items(), strict=True):
        for axes, at_once in zip(row, workers, strict=True):
            for policy, results in policies.items():
                values = [100 * value for value in results[at_once]["mean"]]
                wide = 3 if policy == "default" else 1
                axes.plot(BUDGETS, values, marker="o", lw=wide, label=policy)
            axes.set(xscale="log", title=f"{mode}, {at_once} worker{'s' * (at_once != '1')}")
            axes.set_xticks(BUDGETS, map(str, BUDGETS))
            axes.minorticks_off()
        row[0].set(ylabel="mean regret (%)", ylim=(0, 103))
    for axes in panels[-1]:
        axes.set_xlabel("full trainings")
    panels[0, -1].legend(fontsize="small")
    figure.savefig(file, dpi=80)


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return numbers


def _number(text: str) -> int:
    return _numbers(text)[0]


def _policies(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in POLICIES]:
        known = ", ".join(POLICIES)
        raise argparse.ArgumentTypeError(f"must be of {known}, got {', '.join(unknown)}")
    return names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--orders", type=_number, default=8)
    parser.add_argument("--workers", type=_numbers, default=[1, 4, 16])
    parser.add_argument("--mode", choices=(RULE, SAMPLER), help="default: both")
    parser.add_argument("--policies", type=_policies, default=COMPARED)
    parser.add_argument("--processes", type=_number, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args(argv)
    try:
        tables = read_tables(args.tables)
    except (TableError, OSError) as error:
        parser.error(f"--tables must be a folder with tables of curves: {error}")
    budgets = "  ".join(f"{budget:5}" for budget in BUDGETS)
    print(f"{'mode':8} {'policy':15} {'w':>3}   {budgets}  (mean, then worst; %)")
    with ExitStack() as stack:
        each: Map = map
        if args.processes > 1:
            each = stack.enter_context(ProcessPoolExecutor(args.processes)).map
        modes = [args.mode] if args.mode else [RULE, SAMPLER]
        what = tables, args.orders, args.workers, args.policies
        found = {mode: measure(mode, *what, each) for mode in modes}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    if args.figure:
        draw(found, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
