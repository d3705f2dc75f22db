"""A signal while dbt works ends the run, whatever the code it interrupts makes of it."""

from __future__ import annotations

import contextlib
import signal

import pytest

from flows.dbt_signals import signals_interrupt_dbt


class Asked(Exception):
    """What the handler that was there before raises."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_library_catches_still_ends_the_run(number: signal.Signals) -> None:
    def handler(*_: object) -> None:
        raise Asked

    before = signal.signal(number, handler)
    try:
        with pytest.raises(Asked), signals_interrupt_dbt(), contextlib.suppress(BaseException):
            signal.raise_signal(number)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_interrupt_dbt() as stopped:
            signal.raise_signal(signal.SIGINT)
        assert not stopped
    finally:
        signal.signal(signal.SIGINT, before)
