"""From what is asked for and what is on record to a plan in which nothing is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from optuna.storages import BaseStorage

from search.autotune.choose_execution import (
    ExecutionChoice,
    choose_execution,
    cost_of_determinism,
    default_choice,
    loop_choice,
    resume_execution,
)
from search.autotune.epoch_budget import measured_budget, split
from search.autotune.lr_range import (
    DEFAULT_STEPS,
    in_words,
    lr_parameter,
    run_range_test,
    with_interval,
)
from search.autotune.timing import Workload
from search.common.errors import UserError
from search.record.record import LRRangeFacts, ReevaluationFacts, StrategyFacts, StudyRecord
from search.settings.compatibility import (
    as_begun,
    refuse_another,
    refuse_other_computing,
    strategy_changes,
)
from search.settings.disk_space import lack_of_room
from search.settings.enqueue_from import with_starting_points
from search.settings.job_time import in_words as timeout_in_words
from search.settings.new_record import continued_record, new_record
from search.settings.open_study import find_record
from search.settings.plan import SearchPlan
from search.settings.reevaluation import (
    choose_reevaluation,
    reevaluation_trainings,
    refuse_other_study,
)
from search.settings.request import Request, total_trials
from search.settings.resume_check import NOT_CHECKED, check_resume
from search.settings.resume_check import in_words as resume_in_words
from search.strategy.pruners import PROMOTION
from spaces.space import ResolvedSpace
from trainers.config import trainer_config
from trainers.data.prepared import Meta
from trainers.execution import Execution

Announce = Callable[[str], None]


def plan_search(
    request: Request,
    data: Meta,
    data_folder: Path,
    storage: BaseStorage | None,
    announce: Announce,
    measure: bool = True,
) -> tuple[SearchPlan, list[str]]:
    """Return the plan, and a line for each decision that the user may want to know of; nothing is
    written.

    ``storage`` is None where there is none yet. Raises ``UserError`` where the study on record, or
    another one whose name or trials are asked for, does not fit.
    """
    found = None if storage is None else find_record(request, storage)
    plan, notes = decide(request, data, data_folder, found, announce, measure)
    plan, enqueued = with_starting_points(plan, request, storage)
    if storage is not None:
        refuse_other_study(plan, storage)
    notes += [timeout_in_words(request.settings.timeout, request.timeout), enqueued]
    return plan, [note for note in (*notes, lack_of_room(plan, data)) if note]


def decide(
    request: Request,
    data: Meta,
    data_folder: Path,
    found: StudyRecord | None,
    announce: Announce,
    measure: bool = True,
) -> tuple[SearchPlan, list[str]]:
    """Return the plan, and a line for each decision that the user may want to know of.

    ``found`` is the study's record, None for a new study. What the record does not answer is
    measured: how to compute by a calibration, the learning rate by a range test, each announced
    when it begins; with ``measure`` false, as in a dry run, a line says what would be. Raises
    ``UserError`` where ``request`` does not fit ``found``.
    """
    if found is not None:
        request = as_begun(request, found)
    workload = None
    if not request.own_loop:
        config, cache = trainer_config(request.config), request.data_dir / "cache"
        workload = Workload(config, data, data_folder, cache)
    choice = _decide_execution(request, workload, found, announce, measure)
    execution, resources = choice.execution, choice.resources
    notes = [choice.note]
    space, lr_range = request.space, None
    if found is not None or measure:
        space, lr_range = _decide_lr_range(request, workload, execution, found, announce)
    elif steps := range_test_steps(request):
        notes.append(f"first: a learning-rate range test over {steps} mini-batches")
    strategy = choose_strategy(request, None if found is None else found.strategy)
    reevaluation = choose_reevaluation(request, found)
    if request.settings.deterministic:
        notes.append(cost_of_determinism(execution))
    if found is None and workload and is_sized_by_time(request, strategy):
        minutes = request.space.preset.minutes
        note = f"budget: the epochs of about {minutes:g} minutes, measured first"
        if measure:
            whole = measured_budget(request.space, workload, choice, announce)
            strategy, reevaluation, note = _sized(request, strategy, reevaluation, whole)
        notes.append(note)
    resume = ""
    if found is not None or measure:
        resume = _decide_resume(request, execution, found, announce)
    elif request.own_loop:
        notes.append("first: a check whether the training function resumes exactly")
    if resume:
        notes.append(resume_in_words(resume))
    record = new_record(request, data, space, execution, strategy, lr_range, reevaluation, resume)
    record = replace(record, gpus_per_trial=resources.gpus_per_trial)
    if lr_range:
        notes.append(f"{'as the study began: ' if found else ''}{in_words(lr_range)}")
    if found is not None:
        refuse_another(request.study_name, found, record)
        notes += strategy_changes(found.strategy, strategy)
        record = continued_record(found, record)
    plan = SearchPlan(
        space=space,
        n_trials=total_trials(strategy.n_trials, strategy.sampler, space),
        execution=execution,
        data_folder=data_folder,
        fingerprint=data.fingerprint,
        folder=request.folder,
        objectives=request.objectives,
        keep_weights=strategy.keep_weights,
        config=request.config,
        resources=resources,
        storage=request.storage,
        timeout=request.timeout,
        record=record,
        epoch_budget=strategy.epoch_budget,
    )
    return plan, notes


def is_sized_by_time(request: Request, strategy: StrategyFacts) -> bool:
    """Return whether a new study gets its preset's time: where nothing else limits it."""
    limited = request.settings.n_trials is not None or strategy.epoch_budget is not None
    pauses = strategy.pruner == PROMOTION and strategy.sampler != "grid"
    return request.space.preset.minutes > 0 and pauses and not limited and not request.own_loop


def choose_strategy(request: Request, found: StrategyFacts | None) -> StrategyFacts:
    """Return what is given, else what the study has, else what the preset says."""
    preset = request.space.preset
    default = found or StrategyFacts(preset.sampler, preset.pruner, keep_weights="best")
    sampler = request.settings.sampler or default.sampler
    # A budget is planned for by the one rule that lets trials pause.
    pruner = request.settings.pruner or (
        PROMOTION if request.settings.epoch_budget else default.pruner
    )
    if request.settings.epoch_budget and pruner != PROMOTION:
        raise UserError(
            f"--epoch-budget is planned for by --pruner {PROMOTION} alone, got --pruner {pruner}; "
            "leave one of them out"
        )
    epochs = request.settings.epoch_budget or (
        default.epoch_budget if pruner == PROMOTION else None
    )
    n_trials = (
        _cap(request, default) if request.settings.n_trials is None else request.settings.n_trials
    )
    return StrategyFacts(
        sampler,
        pruner,
        default.seed if request.settings.seed is None else request.settings.seed,
        total_trials(n_trials, sampler, request.space, default.n_trials),
        request.settings.keep_weights or default.keep_weights,
        epochs,
    )


def _sized(
    request: Request, strategy: StrategyFacts, reevaluation: ReevaluationFacts | None, whole: int
) -> tuple[StrategyFacts, ReevaluationFacts | None, str]:
    """Search and re-evaluation that take ``whole`` epochs together, and a line that says so."""
    full, minutes = request.config.epochs, request.space.preset.minutes
    fixed = request.settings.confirm is not None or request.settings.confirm_seeds is not None
    epochs, reevaluation = split(whole, full, reevaluation, fixed)
    later = reevaluation_trainings(reevaluation) * full
    confirmed = f" with up to {later} more epochs for the re-evaluation" if later else ""
    note = f"budget: {epochs} epochs, about {minutes:g} minutes{confirmed}"
    return replace(strategy, epoch_budget=epochs, n_trials=epochs), reevaluation, note


def _cap(request: Request, default: StrategyFacts) -> int | None:
    """Return how many trials a new or raised budget of epochs can begin at most; None where it is
    neither, or where a grid's points say so."""
    if (
        request.settings.epoch_budget is None
        or request.settings.epoch_budget == default.epoch_budget
    ):
        return None
    grid = (request.settings.sampler or default.sampler) == "grid"
    return None if grid else request.settings.epoch_budget


def _decide_execution(
    request: Request,
    workload: Workload | None,
    found: StudyRecord | None,
    announce: Announce,
    measure: bool,
) -> ExecutionChoice:
    """Return the execution with which the study began, or for a new one what is given and found."""
    if found is not None:
        refuse_other_computing(request, found.execution)
        return resume_execution(request.compute, found.execution)
    if workload is None:
        return loop_choice(request.compute)
    if not measure:
        return default_choice(request.compute)
    sampler = request.settings.sampler or request.space.preset.sampler
    most = total_trials(request.settings.n_trials, sampler, request.space)
    return choose_execution(request.compute, workload, most, announce)


def _decide_resume(
    request: Request, execution: Execution, found: StudyRecord | None, announce: Announce
) -> str:
    """Return what the check of a training function came to; "" where there is none."""
    if request.own_loop is None:
        return ""
    if found is not None:
        return found.resume_check
    if request.settings.resume_check is False:
        return NOT_CHECKED
    return check_resume(request.own_loop, execution, announce)


def _decide_lr_range(
    request: Request,
    workload: Workload | None,
    execution: Execution,
    found: StudyRecord | None,
    announce: Announce,
) -> tuple[ResolvedSpace, LRRangeFacts | None]:
    """Return the space to search, and the range test that narrowed its learning rate, if one
    did."""
    space = request.space
    if found is not None:
        _refuse_other_range_test(request, found)
        if found.lr_range is None:
            return space, None
        return with_interval(space, found.lr_range.low, found.lr_range.high), found.lr_range
    steps = range_test_steps(request)
    if not steps or workload is None:
        return space, None
    announce(f"learning-rate range test over {steps} mini-batches")
    return run_range_test(space, workload, execution, steps, request.folder.path)


def range_test_steps(request: Request) -> int:
    """Return the number of mini-batches of the range test that a new study begins with; 0 for
    none."""
    if (
        request.settings.lr_range_test is False
        or request.own_loop
        or lr_parameter(request.space) is None
    ):
        return 0
    asked = DEFAULT_STEPS if request.settings.lr_range_test else 0
    return request.space.preset.lr_range_steps or asked


def _refuse_other_range_test(request: Request, found: StudyRecord) -> None:
    began, asked = found.lr_range is not None, request.settings.lr_range_test
    if asked is not None and asked != began:
        how, flag = ("with", "--no-") if began else ("without", "--")
        raise UserError(
            f"study {request.study_name!r} was begun {how} a range test; "
            f"leave out {flag}lr-range-test, or choose another --study-name"
        )
