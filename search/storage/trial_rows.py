"""Optuna's trials read as plain rows, not as mapped objects: ten times faster."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, String, Table, select, type_coerce
from sqlalchemy.orm import Session

from search.storage.optuna_internals import (
    PARAMS,
    REPORTS,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
)

NOT_FINITE = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}


def read_trials(session: Session, wanted: ColumnElement[bool]) -> list[FrozenTrial]:
    """The trials that ``wanted`` holds for, by id."""
    columns = ("trial_id", "number", "state", "datetime_start", "datetime_complete")
    query = select(*(TRIALS.c[name] for name in columns)).where(wanted)
    heads = session.execute(query.order_by(TRIALS.c.trial_id)).all()
    if not heads:
        return []
    parts = _Parts(session, wanted, [head.trial_id for head in heads])
    return [
        FrozenTrial(
            number=head.number,
            state=head.state,
            value=None,
            values=parts.values.get(head.trial_id),
            datetime_start=head.datetime_start,
            datetime_complete=head.datetime_complete,
            params=parts.params[head.trial_id],
            distributions=parts.distributions[head.trial_id],
            user_attrs=parts.user_attrs[head.trial_id],
            system_attrs=parts.system_attrs[head.trial_id],
            intermediate_values=parts.steps[head.trial_id],
            trial_id=head.trial_id,
        )
        for head in heads
    ]


class _Parts:
    """What belongs to the trials that ``wanted`` holds for, each by the trial's id."""

    def __init__(self, session: Session, wanted: ColumnElement[bool], ids: list[int]):
        few = len(ids) <= 100
        self._session = session
        self._ids = ids if few else select(TRIALS.c.trial_id).where(wanted)
        self.user_attrs = self._read_attributes(USER_ATTRIBUTES)  # first: see ``paused_trials``
        self.params: dict[int, dict[str, Any]] = defaultdict(dict)
        self.distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
        self._read_params()
        self.values = self._read_values()
        self.steps = self._read_steps()
        self.system_attrs = self._read_attributes(SYSTEM_ATTRIBUTES)

    def _rows(self, table: Table, *columns: str | ColumnElement[Any]) -> Iterable[Any]:
        """``trial_id`` and ``columns`` of the trials' rows in ``table``, in their own order."""
        chosen = [table.c[column] if isinstance(column, str) else column for column in columns]
        query = select(table.c.trial_id, *chosen).where(table.c.trial_id.in_(self._ids))
        return self._session.execute(query.order_by(*table.primary_key))

    def _read_params(self) -> None:
        parsed = cache(json_to_distribution)
        for trial_id, name, value, text in self._rows(
            PARAMS, "param_name", "param_value", "distribution_json"
        ):
            distribution = parsed(text)
            self.params[trial_id][name] = distribution.to_external_repr(value)
            self.distributions[trial_id][name] = distribution

    def _read_values(self) -> dict[int, list[float]]:
        found: dict[int, dict[int, float]] = defaultdict(dict)
        kind = type_coerce(VALUES.c.value_type, String)
        for trial_id, objective, value, name in self._rows(VALUES, "objective", "value", kind):
            found[trial_id][objective] = _number(value, name)
        return {i: [values[o] for o in sorted(values)] for i, values in found.items()}

    def _read_steps(self) -> dict[int, dict[int, float]]:
        found: dict[int, dict[int, float]] = defaultdict(dict)
        kind = type_coerce(REPORTS.c.intermediate_value_type, String)
        for trial_id, step, value, name in self._rows(REPORTS, "step", "intermediate_value", kind):
            found[trial_id][step] = _number(value, name)
        return found

    def _read_attributes(self, table: Table) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = defaultdict(dict)
        for trial_id, key, text in self._rows(table, "key", "value_json"):
            found[trial_id][key] = json.loads(text)
        return found


def _number(value: float | None, kind: str) -> float:
    return NOT_FINITE[kind] if value is None else value
