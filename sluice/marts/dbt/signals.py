"""How Ctrl-C and SIGTERM reach dbt: as the KeyboardInterrupt on which it cancels its queries, and then by force."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

CANCEL_EVERY = 0.2  # s from one look for queries that still run, once a signal came, to the next
CANCEL_TIMEOUT = 5.0  # s to wait, at the end, for a cancel that is on its way to the server


@contextmanager
def signals_interrupt_dbt(cancel: Callable[[], None]) -> Iterator[Sequence[BaseException]]:
    """Let a SIGTERM stop dbt's queries as Ctrl-C does, then raise what the former handler of the signal wants.

    Prefect's handler raises a TerminationSignal, which dbt does not know: it would wait for the running queries
    to finish before it lets the exception through. And what a handler raises can be lost on its way: mashumaro,
    with which dbt reads and writes its manifest, catches everything. So it is kept, and raised at the end.
    dbt cancels once, and a query that starts a moment later would run to its end: hence again and again.

    Args:
        cancel: Cancels the queries that run now. Called in a separate thread, from a signal to dbt's end.

    Yields:
        What is to be raised at the end: empty until a signal came. Outside the main thread none comes.
    """
    stopped: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def on_signal(number: int, frame: Any) -> None:
        try:
            if callable(before[number]):
                before[number](number, frame)
            stopped.append(SystemExit(128 + number))
        except BaseException as cause:  # noqa: BLE001 - any error is raised at the end
            stopped.append(cause)
        if not over.is_set():
            raise KeyboardInterrupt

    def keep_cancelling() -> None:
        while not over.wait(CANCEL_EVERY):
            if stopped:
                with suppress(Exception):  # the next try may do
                    cancel()

    over = threading.Event()
    canceller = threading.Thread(target=keep_cancelling, name="cancel dbt queries", daemon=True)
    before: dict[int, Any] = {}
    try:
        try:
            canceller.start()
            for each in (signal.SIGINT, signal.SIGTERM):
                before[each] = signal.getsignal(each)
                if before[each] is not signal.SIG_IGN:
                    signal.signal(each, on_signal)
            yield stopped
        finally:
            over.set()
    finally:
        over.set()  # also where a signal came just before the line above
        for number, handler in before.items():
            signal.signal(number, handler)
        canceller.join(CANCEL_TIMEOUT)
        if stopped:
            raise stopped[0] from None
