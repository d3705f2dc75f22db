"""One difference between two contracts, and whom it breaks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["readers", "files"]
NOBODY: tuple[Side, ...] = ()
READERS: tuple[Side, ...] = ("readers",)
FILES: tuple[Side, ...] = ("files",)
BOTH: tuple[Side, ...] = ("readers", "files")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        what: a sentence without its full stop.
        breaks: `readers` of the table, `files` that were accepted before; none of them if it is compatible.
    """

    what: str
    breaks: tuple[Side, ...] = NOBODY


def when(condition: bool, breaks: tuple[Side, ...]) -> tuple[Side, ...]:
    """Whom it breaks: those, or nobody."""
    return breaks if condition else NOBODY
