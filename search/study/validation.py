"""What a claimed trial is to train, or how it ends without being trained."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, Trial

from search.record.trials import CONTINUES, answer_for
from search.storage.optuna_internals import reported_values
from search.study import events
from search.study.acquire import Claims
from search.study.finish import Endings
from spaces.space import ResolvedSpace
from trainers.configs import Config, config_from_mapping
from trainers.validators import ConfigError


class Admission:
    """Checks values, rules and constraints, and looks the configuration up in the record."""

    def __init__(self, space: ResolvedSpace, claims: Claims, endings: Endings):
        self._space = space
        self._claims = claims
        self._endings = endings

    def config_of(
        self, trial: Trial, trials: Sequence[FrozenTrial], prunable: bool
    ) -> Config | events.Ended:
        """What ``trial`` is to train; how it ended where that breaks a rule, or is on record."""
        rule = self._claims.rule_broken(trial)
        if rule:
            return self._endings.invalid(trial, rule)
        try:
            config = config_from_mapping(self._space.setting(trial.params))
        except ConfigError as error:
            return self._endings.infeasible(trial, str(error))
        broken = self._space.broken_constraint(trial.params)
        if broken:
            return self._endings.infeasible(trial, broken)
        pruned = prunable and CONTINUES not in trial.user_attrs  # it goes on from one of these
        answer = answer_for(trial.params, trials, pruned, trial.number)
        if answer and reported_values(trial).keys() <= answer.intermediate_values.keys():
            return self._endings.copied(trial, answer)
        return config
