"""How Ctrl-C and SIGTERM reach dbt: as the KeyboardInterrupt on which it cancels its queries."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn


@contextmanager
def signals_interrupt_dbt() -> Iterator[Sequence[BaseException]]:
    """Let a SIGTERM stop dbt's queries as Ctrl-C does, then raise what whoever handled the signal before wants.

    Prefect's handler raises a TerminationSignal, which dbt does not know: it would wait for the running queries
    to finish before it lets the exception through. And what a handler raises can be lost on its way: mashumaro,
    with which dbt reads and writes its manifest, catches everything. So it is kept, and raised at the end.

    Yields:
        What is to be raised at the end: empty until a signal came. Outside the main thread none comes.
    """
    stopped: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def on_signal(number: int, frame: Any) -> NoReturn:
        try:
            if callable(before[number]):
                before[number](number, frame)
            stopped.append(SystemExit(128 + number))
        except BaseException as cause:  # noqa: BLE001 - whatever it is, it is raised at the end
            stopped.append(cause)
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.getsignal(each)
        if before[each] is not signal.SIG_IGN:
            signal.signal(each, on_signal)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stopped:
            raise stopped[0] from None
