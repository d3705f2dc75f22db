"""When the last nightly run finished, for a monitor outside. Imports nothing slow; needs neither server nor database.

A file beside the warehouse, not a row in it: the monitor must answer at once, and also when what broke is the database,
or the Prefect server that holds the block which names the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluice.project.atomic import write_text

FILE = "heartbeat.json"
AHEAD = timedelta(minutes=5)  # clocks differ; a beat further in the future than this proves nothing


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether nightly runs still finish.

    Attributes:
        finished: when the last one did (UTC), if any did.
    """

    finished: datetime | None
    now: datetime
    max_age: timedelta

    @property
    def age(self) -> timedelta | None:
        """Since then."""
        return None if self.finished is None else self.now - self.finished

    @property
    def alive(self) -> bool:
        """Whether that is recent enough."""
        return self.age is not None and -AHEAD <= self.age <= self.max_age

    def __str__(self) -> str:
        if self.finished is None or self.age is None:
            return "no nightly run has ever finished here"
        hours = self.age / timedelta(hours=1)
        allowed = self.max_age / timedelta(hours=1)
        return f"the last nightly run finished at {self.finished:%Y-%m-%d %H:%M} UTC, {hours:.1f} h ago ({allowed:g} h)"


def beat(home: Path) -> None:
    """Note that a nightly run finished now. Raises OSError if the disk refuses."""
    write_text(home / FILE, json.dumps({"finished_at": datetime.now(UTC).isoformat()}) + "\n")


def pulse(home: Path, max_age: timedelta) -> Pulse:
    """The state now. A file that cannot be read counts as none."""
    try:
        finished = datetime.fromisoformat(json.loads((home / FILE).read_text(encoding="utf-8"))["finished_at"])
    except (OSError, ValueError, KeyError, TypeError):
        finished = None
    if finished is not None and finished.tzinfo is None:
        finished = None
    return Pulse(finished, datetime.now(UTC), max_age)
