"""A signal stops a search in good order; the second one does not wait, and spares a session."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from search.workers.stop_signals import stop_signals


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    """Whatever started the tests may have had SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_second_interrupt_ends_the_call_where_somebody_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)  # as IPython and Jupyter set it
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("interactive", [False, True])
def test_any_other_ends_the_process(interactive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def exit(code: int) -> Any:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", exit)
    if interactive:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    number = signal.SIGTERM if interactive else signal.SIGINT
    with stop_signals() as stop:
        signal.raise_signal(number)
        assert stop.asked
        with pytest.raises(SystemExit) as end:
            signal.raise_signal(number)
    assert end.value.code == 128 + number


@pytest.mark.parametrize("warning", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_warning_of_a_batch_system_stops_a_search_and_may_come_again(
    warning: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = signal.getsignal(warning)
    with stop_signals() as stop:
        signal.raise_signal(warning)
        assert stop.asked
        signal.raise_signal(warning)
        assert not ended
        signal.raise_signal(signal.SIGTERM)
        assert ended == [128 + signal.SIGTERM]
    assert signal.getsignal(warning) is before
