"""How good a configuration a search finds for its cost, replayed on tables of learning curves.

    python -m benchmarks.search_efficiency --tables FOLDER [--orders N] [--workers 1,4,16]
        [--mode rule|sampler] [--json FILE] [--figure FILE]

Mode "rule": configurations come in random order. Mode "sampler": the sampler proposes, and the
nearest configuration of the table that was not used yet is trained. The product's own ledger, rule
and sampler decide; all policies train the first configuration to its end, as a study's recipe. Time
is that of 4, 8, 16 and 32 full trainings, each planned for as its own. Regret: 0 if the best of the
table was found, 1 if nothing better than its median.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, TPESampler

from benchmarks.search_replay import Table, read_tables, replay, space_of
from search.strategy.pruners import make_pruner
from search.strategy.samplers import make_sampler
from spaces.space import Preset

BUDGETS = (4, 8, 16, 32)  # full trainings
MODES = ("rule", "sampler")
DEFAULT = Preset(dataset="", n_trials=1).pruner
ONE_EPOCH = "one_epoch"
PRUNERS: Mapping[str, Callable[[int], BasePruner]] = {
    "default": lambda epochs: make_pruner(DEFAULT, epochs),
    "stop_2_2": lambda epochs: make_pruner("halving", epochs),
    "optuna_median": lambda epochs: MedianPruner(),
    "optuna_halving": lambda epochs: SuccessiveHalvingPruner(),
    "random": lambda epochs: NopPruner(),
}
POLICIES = ("default", "stop_2_2", "optuna_median", "optuna_halving", ONE_EPOCH, "random")


def regret(policy: str, mode: str, table: Table, workers: int, trainings: int, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(len(table.curves))
    if policy == ONE_EPOCH:
        return table.regret(one_epoch(table, order, workers, trainings))
    space = space_of(table, int(order[0]))
    name = "tpe" if mode == "sampler" and policy != "random" else "random"
    sampler: BaseSampler = make_sampler(name, space, seed)
    if mode == "sampler" and policy.startswith("optuna"):
        sampler = TPESampler(seed=seed)
    pruner = PRUNERS[policy](table.epochs)
    nearest = mode == "sampler"
    found = replay(table, order, pruner, sampler, space, workers, trainings, nearest)
    return table.regret(found)


def one_epoch(table: Table, order: np.ndarray, workers: int, trainings: int) -> float:
    """As many as can be tried for one epoch, such that every worker finishes one afterwards; then
    the best to their end."""
    rest = table.epochs - 1
    total = trainings * table.epochs
    tried = order[: max(0, total - workers * rest)]
    first = np.nan_to_num(table.curves[tried, 0], nan=-np.inf)
    finished = (total - len(tried)) // rest if rest else len(tried)
    best = tried[np.argsort(-first, kind="stable")[:finished]]
    return float(max(table.final[best], default=-np.inf))


def measure(mode: str, tables: list[Table], orders: int, workers: list[int]) -> dict[str, Any]:
    """Policy → workers → mean and worst over tables, by budget."""
    found: dict[str, Any] = {}
    for policy in POLICIES:
        for at_once in workers:
            regrets = np.array(
                [
                    [
                        np.mean(
                            [
                                regret(policy, mode, table, at_once, trainings, seed)
                                for seed in range(orders)
                            ]
                        )
                        for trainings in BUDGETS
                    ]
                    for table in tables
                ]
            )
            mean, worst = regrets.mean(0).tolist(), regrets.max(0).tolist()
            found.setdefault(policy, {})[str(at_once)] = {"mean": mean, "worst": worst}
            shown = "  ".join(f"{100 * value:5.1f}" for value in (*mean, *worst))
            print(f"{mode:8} {policy:15} {at_once:3}   {shown}", flush=True)
    return found


def draw(found: Mapping[str, Any], file: Path) -> None:
    """Mean regret against budget, a panel for each mode and number of workers."""
    from matplotlib.figure import Figure

    panels = [(m, w) for m, policies in found.items() for w in next(iter(policies.values()))]
    figure = Figure(figsize=(4.2 * len(panels), 3.6), layout="constrained")
    for i, (mode, workers) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for policy, results in found[mode].items():
            values = [100 * value for value in results[workers]["mean"]]
            axes.plot(BUDGETS, values, marker="o", lw=3 if policy == "default" else 1, label=policy)
        axes.set(xscale="log", xlabel="full trainings", title=f"{mode}, {workers} worker(s)")
        axes.set_xticks(BUDGETS, map(str, BUDGETS))
        axes.set_ylim(bottom=0)
    figure.axes[0].set_ylabel("mean regret (%)")
    figure.axes[-1].legend(fontsize="small")
    figure.savefig(file, dpi=120)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--orders", type=int, default=8)
    parser.add_argument("--workers", default="1,4,16")
    parser.add_argument("--mode", choices=MODES, help="default: both")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args(argv)
    tables = read_tables(args.tables)
    if not tables:
        parser.error(f"--tables must be a folder with .npz files, got {args.tables}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    budgets = "  ".join(f"{budget:5}" for budget in BUDGETS)
    print(f"{'mode':8} {'policy':15} {'w':>3}   {budgets}  (mean, then worst; %)")
    workers = [int(text) for text in args.workers.split(",")]
    modes = [args.mode] if args.mode else list(MODES)
    found = {mode: measure(mode, tables, args.orders, workers) for mode in modes}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    if args.figure:
        draw(found, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
