"""The shared trainer: one configuration, one epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import astuple, fields
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from trainers.batches import Batches
from trainers.compatibility import check_fits
from trainers.config import TrainConfig
from trainers.cuda.graphed_steps import GraphedSteps, Step, why_eager
from trainers.cuda.precision import compute_as, kernels_by_timing
from trainers.cuda.run_ahead import RunAhead
from trainers.cuda.step_program import as_taken
from trainers.data import ImageData, stratified_split
from trainers.epoch_result import DivergedError, EpochResult, best_epoch
from trainers.evaluation.evaluation import (
    Evaluation,
    evaluate,
    in_precision,
    logits_of,
    summary_of,
)
from trainers.evaluation.running_metrics import RunningMetrics, Summary, summarize_rows
from trainers.execution import Execution
from trainers.losses import is_exploded, make_loss
from trainers.models import MODELS, build_model
from trainers.models.batch_norm import counted_together, frozen_statistics
from trainers.models.external import check_outside, is_outside
from trainers.optim.ema import EMA
from trainers.optim.schedules import learning_rates, stops_early
from trainers.parallel.ranks import Ranks
from trainers.registry import OPTIMIZERS
from trainers.seeds import derive_seed

STEPS_BETWEEN_CHECKS = 25  # CPU only: reading the loss costs nothing there


def fitting_split(
    config: TrainConfig, data: ImageData, execution: Execution
) -> tuple[Tensor, Tensor]:
    """Return training and validation indices. Raises ``ConfigError`` if ``config`` does not fit."""
    train, val = stratified_split(
        data.train_labels, config.val_fraction, config.split_seed, data.classes
    )
    shape = (data.image_size, data.in_channels, data.num_classes)
    check_fits(config, len(train), *shape, execution.processes)
    if is_outside(config.model):
        check_outside(
            config.model,
            config.model_options,
            data.num_classes,
            data.in_channels,
            data.image_size,
        )
    return train, val


class Trainer:
    """Trains ``config`` on ``data``; all that the next epoch depends on is in ``state()``.

    A curve is a pure function of configuration, data and execution. Raises ``ConfigError`` when
    the configuration does not fit the data, ``DivergedError`` when the loss explodes.
    ``on_step`` is called after each training step with the number of its images.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: ImageData,
        execution: Execution,
        ranks: Ranks | None = None,
    ):
        self.config = config
        self.execution = execution
        self.ranks = ranks or Ranks()
        self.device = self.ranks.device(execution.device)
        self.train_indices, self.val_indices = fitting_split(config, data, execution)
        self.classes = data.num_classes
        torch.set_num_threads(execution.threads)
        compute_as(execution)
        self.batches = Batches(
            config, data, self.device, execution.channels_last, self.ranks, self._pixels()
        )
        self.loss = make_loss(config)
        self.model = self._build(data)
        self.network = self.ranks.wrap(self.model)
        self.optimizer, self.sam = self._optimizer()
        self.ema = EMA(self.model, config.ema_decay) if config.ema_decay else None
        self.why_eager = why_eager(config, self.batches) if execution.graph else "not asked for"
        self.graphed = self._graphed()
        self.history: list[EpochResult] = []
        self.best_weights: dict[str, Tensor] = {}
        self.on_step: Callable[[int], None] | None = None

    def _pixels(self) -> torch.dtype:
        """Return the pixels' type, which is what the first layer would make of them: each named
        model begins with a convolution."""
        rounds = self.execution.precision == "bfloat16" and self.config.model in MODELS
        return torch.bfloat16 if rounds else torch.float32

    def _build(self, data: ImageData) -> nn.Module:
        torch.manual_seed(derive_seed(self.config.seed, "weights"))
        options = self.config.to_dict()
        model = build_model(options, data.num_classes, data.in_channels, data.image_size)
        layout = torch.channels_last if self.execution.channels_last else torch.contiguous_format
        return model.to(self.device, memory_format=layout)  # type: ignore[call-overload]

    def _optimizer(self) -> tuple[Any, Any]:
        """Return the update rule and, where there is one, what wraps its step."""
        chosen, config = OPTIMIZERS[self.config.optimizer], self.config
        rule = chosen.rule.load()(
            self.model.parameters(),
            lr=config.initial_lr,
            weight_decay=config.effective_weight_decay,
            **chosen.rule.keywords(vars(config)),
        )
        if chosen.wrapper is None:
            return rule, None
        wrap = chosen.wrapper.load()
        return rule, wrap(self.model.parameters(), **chosen.wrapper.keywords(vars(config)))

    @property
    def graph_status(self) -> str:
        """Says that steps are replayed as a graph, or why they are not."""
        if self.graphed is None:
            return self.why_eager
        if self.graphed.lack:
            return "no memory"
        return "captured" if self.graphed.captured else "not captured yet"

    def _graphed(self) -> GraphedSteps | None:
        """Return the steps captured as a graph, where one is wanted and possible."""
        if self.why_eager:
            return None
        return GraphedSteps(self.batches, self.config.batch_size, self.classes)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or training stopped early by the trial's own rule."""
        done = len(self.history)
        return done >= self.config.epochs or stops_early(self.config, done, self.best_epoch)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best objective so far; 0 before any."""
        return best_epoch(self.history, self.config.objective)

    @property
    def best_is_last(self) -> bool:
        """Return whether the epoch just trained is the best so far."""
        return self.best_epoch == len(self.history)

    def train_epoch(self) -> EpochResult:
        """Train for one pass over the training split and validate with one over the validation
        split."""
        for _ in self.epoch_in_steps():
            pass
        return self.history[-1]

    def epoch_in_steps(self) -> Iterator[None]:
        """Run ``train_epoch``, giving its caller a moment after each training step, on its own
        time; a caller who does not continue abandons the epoch, and with it this trainer."""
        epoch = len(self.history) + 1
        watched = [getattr(result, self.config.plateau_metric) for result in self.history]
        rates = learning_rates(self.config, watched, self.batches.steps(len(self.train_indices)))
        with counted_together(self.model, len(rates)):
            train, seconds = yield from self._train(epoch, rates)
        middle = time.perf_counter()
        val = self._validate()
        end = time.perf_counter()
        if not math.isfinite(val.loss):  # a large one may only be BatchNorm's statistics lagging
            raise DivergedError(epoch, f"validation loss is {val.loss:g}")
        result = EpochResult(
            epoch=epoch,
            lr=rates[-1],
            **{f"train_{name}": value for name, value in vars(train).items()},
            **{f"val_{name}": value for name, value in vars(val).items()},
            seconds=seconds,
            val_seconds=end - middle,
        )
        self.history.append(result)
        if self.best_is_last:
            self.best_weights = {k: v.clone() for k, v in self.evaluated.state_dict().items()}

    @property
    def evaluated(self) -> nn.Module:
        """What is validated and tested: the network, or the average of its weights."""
        return self.ema.model if self.ema else self.model

    def _train(
        self, epoch: int, rates: Sequence[float]
    ) -> Generator[None, None, tuple[Summary, float]]:
        """Return the figures of the pass, each step with its rate, and its seconds."""
        start = time.perf_counter()
        self._seed_dropout(epoch)
        self.model.train()
        metrics = RunningMetrics(self.loss)
        ahead = RunAhead() if self.execution.device == "cuda" else None
        for step, (loss, logits, labels) in enumerate(self._steps(epoch, rates)):
            metrics.add(logits, labels)
            self._check_step(epoch, ahead.step(loss) if ahead else _at_times(loss, step))
            if self.on_step is not None:
                self.on_step(len(labels))
            left = time.perf_counter()
            yield
            start += time.perf_counter() - left
        summary = summarize_rows(self.ranks.total(metrics.rows()).cpu())
        self._check(epoch, summary.loss)
        return summary, time.perf_counter() - start

    def _steps(self, epoch: int, rates: Sequence[float]) -> Iterator[Step]:
        """Trains the steps of an epoch."""
        if self.graphed is not None:
            yield from self.graphed.epoch(self.train_indices, epoch, rates, self._update)
            return
        taken = as_taken(rates, self.device).tolist()
        batches = self.batches.training(self.train_indices, epoch)
        for step, (images, labels) in enumerate(batches):
            weight = self.batches.weight(step, len(labels))
            yield *self._update(images, labels, taken[step], weight), labels

    def _update(
        self, images: Tensor, labels: Tensor, rate: float | Tensor, weight: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        self.optimizer.lr = rate
        return self.step(images, labels, weight)

    def endless_steps(self) -> Iterator[int]:
        """Trains step after step and epoch after epoch, for one who times it, at a rate of 0, so
        that no loss explodes; the number of images of each."""
        rates = [0.0] * self.batches.steps(len(self.train_indices))
        self.model.train()
        for epoch in count(1):
            with counted_together(self.model, len(rates)):
                for _, _, labels in self._steps(epoch, rates):
                    yield len(labels)

    def _seed_dropout(self, epoch: int) -> None:
        rank = (self.ranks.rank,) if self.ranks.rank else ()
        torch.manual_seed(derive_seed(self.config.seed, "epoch", epoch, "dropout", *rank))

    def step(self, images: Tensor, labels: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Make one update; return loss and logits of the first pass.

        ``weight`` makes the mean of unequal shares of a batch the mean of the batch.
        """
        comes_back = abs(len(labels) - self.config.batch_size / self.ranks.size) < 1
        with kernels_by_timing(self.execution) if comes_back else nullcontext():
            return self._step(images, labels, weight)

    def _step(self, images: Tensor, labels: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad()
        loss, logits = self._pass(images, labels, weight)
        if self.sam is not None:
            with self.sam.perturbed(), frozen_statistics(self.model):
                self._pass(images, labels, weight)
        if self.config.clip_norm:  # Pascanu et al. 2013
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.ema:
            self.ema.update()
        return loss, logits

    def _pass(self, images: Tensor, labels: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        with in_precision(self.execution.precision, self.device):
            logits = self.network(images)
        loss = self.loss(logits, labels).mean()
        (loss if weight == 1 else loss * weight).backward()
        return loss.detach(), logits.detach()

    def _validate(self) -> Summary:
        """Validate by the first process alone: its figures are everyone's."""
        values = torch.zeros(len(fields(Summary)), dtype=torch.float64, device=self.device)
        if self.ranks.rank == 0:
            split = self.batches.validation(self.val_indices)
            val = summary_of(self.evaluated, split, self.loss, self.execution.precision)
            if self.ranks.size == 1:
                return val
            values.copy_(torch.tensor(astuple(val), dtype=torch.float64))
        return Summary(*self.ranks.from_first(values).tolist())

    def _check_step(self, epoch: int, loss: float | None) -> None:
        """Check one step's loss, where it is known; not with several processes, which would wait
        for the one that raises."""
        if loss is not None and self.ranks.size == 1:
            self._check(epoch, loss)

    def _check(self, epoch: int, loss: float) -> None:
        if is_exploded(loss, self.classes):
            raise DivergedError(epoch, f"training loss is {loss:g}")

    def test(self) -> Evaluation:
        """Return the test set seen with the best weights, which stay in the model. Selects
        nothing."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
        start = time.perf_counter()
        logits = logits_of(self.model, self.batches.test(), self.execution.precision)
        seconds = time.perf_counter() - start
        labels, batch_size = self.batches.test_labels.cpu(), self.config.batch_size
        return evaluate(logits, labels, self.loss, seconds, batch_size)

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on: weights, their average where there is
        one, momentum, history; live, not copied.

        Rates and early stopping follow from the history, random numbers from the seed and the
        epoch; so there is no schedule and no generator to keep.
        """
        average = {"ema": self.ema.model.state_dict()} if self.ema else {}
        return {
            **average,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [result.to_dict() for result in self.history],
        }

    def load(self, state: dict[str, Any], best_weights: dict[str, Tensor]) -> None:
        """Goes back to where ``state()`` was taken."""
        self.model.load_state_dict(state["model"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.graphed = self._graphed()  # the momenta are other tensors now
        self.history = [EpochResult.from_mapping(item) for item in state["history"]]
        self.best_weights = best_weights


def _at_times(loss: Tensor, step: int) -> float | None:
    """Return the ``loss`` of some of the steps, on the CPU."""
    return float(loss) if step % STEPS_BETWEEN_CHECKS == 0 else None


def evaluated_weights(state: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of a trainer's ``state`` that were validated."""
    weights: dict[str, Tensor] = state.get("ema") or state["model"]
    return weights
