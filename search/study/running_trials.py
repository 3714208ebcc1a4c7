"""The trials that one driver has in hand."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import TrialState

from search.study.live_trial import LiveTrial
from trainers.configs import Config


class InHand:
    """``live`` ones are at work, by number. Others wait until a live trial of the same
    configuration is over, or until no other is at work, to run alone."""

    def __init__(self) -> None:
        self.live: dict[int, LiveTrial] = {}
        self._alone: set[int] = set()
        self._waiting: dict[int, int] = {}  # for another trial of the same configuration

    def numbers(self) -> set[int]:
        """Live ones and those that wait for one that still is."""
        waiting = {number for number, twin in self._waiting.items() if twin in self.live}
        return self.live.keys() | waiting

    def waits_for_twin(self, number: int, config: Config) -> bool:
        """Whether a live trial trains the same: then ``number`` waits for it."""
        for twin, other in self.live.items():
            if other.config == config:
                self._waiting[number] = twin
                return True
        return False

    def has_waited(self, number: int) -> bool:
        return number in self._waiting

    def must_empty(self, study: Study) -> bool:
        """Whether one is to run alone as soon as nobody else does; unless another program ended
        it."""
        if self._alone:
            running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            self._alone &= {trial.number for trial in running}
        return bool(self._alone and self.live)

    def is_alone(self, number: int) -> bool:
        return len(self.live) == 1 or number in self._alone

    def runs_alone(self, number: int) -> bool:
        """Whether it was put back to run alone."""
        return number in self._alone

    def run_alone(self, number: int) -> None:
        """It goes on from its last epoch, once no other is at work here."""
        self._alone.add(number)
        self.live.pop(number, None)

    def over(self, number: int) -> None:
        """It was told, or pauses."""
        self._alone.discard(number)
        self._waiting.pop(number, None)
        self.live.pop(number, None)

    def drop_all(self) -> None:
        self.live.clear()
        self._alone.clear()
