"""Send events from a thread, in order, so that nothing waits for the server that takes them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # s between attempts for one event, beside the client's own
LATER = (408, 429)  # of HTTP: too slow, too many; the same event may be taken later
MOST = 10_000  # events that wait; a night of 1,000 nodes has 2,000
PATIENCE = 3.0  # s at the end of a run for a server that takes events; one that does not is not waited for


class Sender:
    """Takes events at once and sends them as the client can.

    Args:
        make: makes the client, in the thread.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._events: queue.Queue[Any] = queue.Queue(MOST)
        self._given = self._sent = 0
        self._failing = False
        self._error = "the server did not take them in time"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openlineage", daemon=True)
        self._thread.start()

    def send(self, event: Any) -> None:
        """Give it an event; returns at once."""
        self._given += 1
        with suppress(queue.Full):  # counted as not delivered
            self._events.put_nowait(event)

    def close(self) -> str | None:
        """Wait a moment for what is still to be sent. Returns a sentence if some events were not delivered."""
        self._ending.set()
        with suppress(queue.Full):
            self._events.put_nowait(None)
        deadline = time.monotonic() + PATIENCE
        while self._thread.is_alive() and not self._failing and time.monotonic() < deadline:
            self._thread.join(0.02)
        lost = self._given - self._sent
        return f"{lost} of {self._given} OpenLineage events were not delivered: {self._error}" if lost else None

    def _run(self) -> None:
        try:
            client = self._make()
        except Exception as error:  # noqa: BLE001 - a wrong configuration does not fail a run
            self._fail(error)
            return
        while (event := self._next()) is not None:
            if not self._deliver(client, event):
                break
        with suppress(Exception):
            client.close(PATIENCE)

    def _next(self) -> Any:
        while True:
            with suppress(queue.Empty):
                return self._events.get(timeout=0.2)
            if self._ending.is_set():  # also where there was no room for the end
                return None

    def _deliver(self, client: Any, event: Any) -> bool:
        """Send one event; it is given up after some attempts. False if the run ended meanwhile."""
        for pause in PAUSES:
            try:
                client.emit(event)
            except Exception as error:  # noqa: BLE001 - of any transport that is configured
                status = getattr(getattr(error, "response", None), "status_code", 0)
                refused = 400 <= status < 500 and status not in LATER
                self._fail(error, answers=refused)
                if refused:
                    return True  # it would refuse it again, and may take the next
                if self._ending.wait(pause):
                    return False
            else:
                self._sent += 1
                self._failing = False
                return True
        return True

    def _fail(self, error: Exception, answers: bool = False) -> None:
        self._failing = not answers
        self._error = (str(error).splitlines() or [""])[0][:300] or type(error).__name__
