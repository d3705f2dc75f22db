"""How a SIGTERM reaches dbt: as the Ctrl-C on which it cancels its queries."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


class _Terminated(KeyboardInterrupt):
    """A SIGTERM in the one form in which dbt cancels its queries."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def termination_interrupts_dbt() -> Iterator[None]:
    """Let a SIGTERM stop dbt's queries as Ctrl-C does, then go on as whoever handled SIGTERM before wants.

    Prefect's handler raises a TerminationSignal, which dbt does not know: it would wait for the running
    queries to finish before it lets the exception through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def on_sigterm(number: int, frame: Any) -> NoReturn:
        try:
            if callable(before):
                before(number, frame)
        except BaseException as cause:
            raise _Terminated(cause) from cause
        raise _Terminated(SystemExit(128 + number))

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    except _Terminated as stop:
        raise stop.cause from None
    finally:
        signal.signal(signal.SIGTERM, before)
