"""What a person sees while the work runs: one line that moves on a terminal, one line per step elsewhere.

The flow reports steps here; who listens (a terminal, a log) is chosen once per process. Decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from sluice.runs import logs


@dataclass
class Step:
    """One step under way. `rows` and `done` of `total` are shown with their rate."""

    what: str
    total: int | None = None
    rows: int = 0
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    note: str = ""
    hidden: bool = False

    def advance(self, rows: int, done: int) -> None:
        """So far: rows, and bytes (or nodes) of the total."""
        self.rows, self.done = rows, done
        self._show()

    def say(self, note: str, done: int | None = None, total: int | None = None) -> None:
        """What is being done right now."""
        self.note = note
        self.done = self.done if done is None else done
        self.total = self.total if total is None else total
        self._show()

    def _show(self) -> None:
        if not self.hidden:
            _listener.update(self)

    def facts(self) -> str:
        """Rows, rate and seconds so far."""
        seconds = time.monotonic() - self.started
        rate = f"{self.rows:,} rows, {self.rows / max(seconds, 0.001):,.0f} rows/s, " if self.rows else ""
        return f"{self.note + ', ' if self.note else ''}{rate}{seconds:.1f} s"


class ProgressListener:
    """Is notified of steps, and shows nothing: the flow's logs report progress."""

    def start(self, step: Step) -> None: ...

    def update(self, step: Step) -> None: ...

    def end(self, step: Step) -> None: ...


class ConsoleProgress(ProgressListener):
    """For a person at a console: a moving line on a terminal, and a finished line for each step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[int, TaskID] = {}

    def start(self, step: Step) -> None:
        if not self._tasks:
            self._progress.start()
        self._tasks[id(step)] = self._progress.add_task(step.what, total=step.total, facts="")

    def update(self, step: Step) -> None:
        self._progress.update(self._tasks[id(step)], completed=step.done, total=step.total, facts=step.facts())

    def end(self, step: Step) -> None:
        self._progress.remove_task(self._tasks.pop(id(step)))
        if not self._tasks:
            self._progress.stop()
        self._console.print(f"  {step.what}: {step.facts()}", markup=False, highlight=False, soft_wrap=True)


class JsonProgress(ProgressListener):
    """For a machine: a line as each step begins, and one as it ends, with its seconds and rows."""

    def start(self, step: Step) -> None:
        logs.write("info", f"{step.what} ...", step=step.what)

    def end(self, step: Step) -> None:
        seconds = round(time.monotonic() - step.started, 3)
        logs.write("info", f"{step.what}: {step.facts()}", step=step.what, seconds=seconds, rows=step.rows)


_listener: ProgressListener = ProgressListener()


def listen(listener: ProgressListener) -> None:
    """Show the steps of this process on `listener`."""
    global _listener
    _listener = listener


def begin(run: str | None = None) -> None:
    """Write JSON lines from now on, those of progress among them, where they are wanted.

    Args:
        run: the flow run's id.
    """
    if logs.begin(run):
        listen(JsonProgress())


IN_GROUP: ContextVar[bool] = ContextVar("sluice_in_group", default=False)  # one of many, which are shown as one


@contextmanager
def step(what: str, total: int | None = None) -> Iterator[Step]:
    """A step of the work, shown while the block runs, unless it is one of a group's."""
    current = Step(what, total, hidden=IN_GROUP.get())
    if current.hidden:
        yield current
        return
    _listener.start(current)
    try:
        yield current
    finally:
        _listener.end(current)
