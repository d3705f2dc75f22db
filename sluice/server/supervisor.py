"""Programs without state that `sluice up` keeps running: one that ends is started again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import datetime

import typer

from sluice.contract.errors import ToolError
from sluice.server import orphans

LASTING = 300.0  # seconds; who ran so long before it ended is not one that ends at once
TRIES = 6  # ends in a row, each sooner than that, before it is given up
FIRST_WAIT = 1.0  # seconds before the first new start; twice as long before each that follows


class Kept:
    """One such program.

    Args:
        name: what it is called in messages.
        start: starts it.
    """

    def __init__(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.name, self._start = name, start
        self._ends, self._due = 0, 0.0
        self._begin()

    def _begin(self) -> None:
        self._running, self._began = True, time.monotonic()
        self._child = self._start()

    def look(self) -> None:
        """Start it again if it has ended and its wait is over; says so in one line.

        Raises:
            ToolError: it ends again and again.
        """
        now = time.monotonic()
        if self._running and (code := self._child.poll()) is not None:
            self._running = False
            self._ends = self._ends + 1 if now - self._began < LASTING else 1
            if self._ends >= TRIES:
                raise ToolError(
                    f"sluice up: the {self.name} exited {TRIES} times in a row, last with code {code}. Its "
                    "output is above; see `sluice doctor`, then start `sluice up` again"
                )
            wait = FIRST_WAIT * 2 ** (self._ends - 1)
            self._due = now + wait
            at = datetime.now().astimezone()
            typer.echo(f"{at:%H:%M:%S}  {self.name}: exited with code {code}; restarting in {wait:g} s")
        elif not self._running and now >= self._due:
            self._begin()

    def end(self) -> None:
        """End it, and what it started."""
        if self._child.poll() is None:
            orphans.end_tree(self._child.pid)
