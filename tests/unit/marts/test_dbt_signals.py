"""A signal while dbt works ends the run, whatever the code it interrupts makes of it."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from sluice.marts.dbt.signals import CANCEL_EVERY, signals_interrupt_dbt


class Asked(Exception):
    """What the handler that was there before raises."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_library_catches_still_ends_the_run(number: signal.Signals) -> None:
    def handler(*_: object) -> None:
        raise Asked

    before = signal.signal(number, handler)
    try:
        with pytest.raises(Asked), signals_interrupt_dbt(lambda: None), contextlib.suppress(BaseException):
            signal.raise_signal(number)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_interrupt_dbt(lambda: None) as stopped:
            signal.raise_signal(signal.SIGINT)
        assert not stopped
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_runs_is_cancelled_until_the_end_and_only_after_a_signal() -> None:
    cancelled = threading.Semaphore(0)

    def cancel() -> None:
        cancelled.release()
        raise ConnectionError("the next try may do")

    def work() -> None:
        with signals_interrupt_dbt(cancel):
            assert not cancelled.acquire(timeout=3 * CANCEL_EVERY)
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert cancelled.acquire(timeout=10)
            assert cancelled.acquire(timeout=10), "it was cancelled once, and a query that starts now would go on"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        while cancelled.acquire(blocking=False):
            pass
        assert not cancelled.acquire(timeout=3 * CANCEL_EVERY)
    finally:
        signal.signal(signal.SIGINT, before)
