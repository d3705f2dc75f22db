"""Dates and times as files and loaders may write them. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y")
DATES += ("%b %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d.%m.%y", "%Y%m%d", "%B %d, %Y", "%A, %B %d, %Y")
TIMES = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "T%H:%M")
_DAYS_END = re.compile(r"([ T])24:00(:00)?$")


def formats_of(texts: Sequence[str]) -> list[str]:
    """The formats that all texts have."""
    return [
        form for form in (f"{day}{hour}" for day in DATES for hour in TIMES) if texts and all(map(_reads(form), texts))
    ]


def _reads(form: str) -> Callable[[str], bool]:
    def reads(text: str) -> bool:
        try:
            _read(text, form)
        except ValueError:
            return False
        return True

    return reads


def _read(text: str, form: str) -> datetime:
    """A moment of that form; 24:00 is the end of its day."""
    if last := _DAYS_END.search(text):
        return datetime.strptime(f"{text[: last.start()]}{last[0].replace('24', '00')}", form) + timedelta(days=1)
    return datetime.strptime(text, form)


def moments(text: str, formats: Sequence[str]) -> set[str]:
    """How a loader may write a moment: as a date, as a time of a day, with or without its zone."""
    found: list[datetime] = []
    for form in formats:
        with suppress(ValueError):
            found.append(_read(text, form))
    if not found:
        with suppress(ValueError):
            found.append(datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip())))
    written = {text}
    with suppress(ValueError):  # of a day: without seconds, or with a short fraction
        written.add(time.fromisoformat(text.zfill(5)).isoformat())
    for moment in found:
        plain = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        written |= {plain.isoformat(), plain.replace(tzinfo=UTC).isoformat(), moment.isoformat()}
        written |= {plain.date().isoformat()} if plain.time() == time() else set()
    return written
