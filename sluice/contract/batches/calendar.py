"""Batches of one period of the calendar each: an hour, a day, a week, a month, a quarter or a year.

A period follows the clock of the dataset's time zone. An hour that this clock shows twice, when summer time ends, is
one batch of two hours; an hour or a day that it leaves out is not a batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo

import pandas as pd

from sluice.contract.batches.single import Window
from sluice.contract.errors import ConfigError, ContractError

_YEAR, _TWO = {"year": "[0-9]{4}"}, "[0-9]{2}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """One batch a period. Use one of its kinds: `Hourly`, `Daily`, `Weekly`, `Monthly`, `Quarterly`, `Yearly`.

    Attributes:
        start: the first batch that the source delivers.
        by: the date or timestamp column that must lie within the batch's period, if there is one. A time without a
            zone is taken as one of `timezone`.
        look_back: how many complete periods a run looks at for new or corrected files, where files cannot be listed.
        timezone: whose clock the periods follow, such as `Europe/Berlin`.
    """

    start: str
    by: str | None = None
    look_back: int = 1
    timezone: str = "UTC"

    noun: ClassVar[str]
    example: ClassVar[str]
    frequency: ClassVar[str]  # pandas' name of the period
    layout: ClassVar[str]  # of a name, with its fields
    fields: ClassVar[Mapping[str, str]]
    many: ClassVar[bool] = False  # so many that they share partitions

    def __post_init__(self) -> None:
        if not isinstance(self.look_back, int) or self.look_back < 1:
            raise ContractError(f"look_back is a number of {self.noun}s, at least 1, not {self.look_back!r}")
        try:
            ZoneInfo(self.timezone)
        except (OSError, TypeError, ValueError, LookupError):
            raise ContractError(f"timezone {self.timezone!r} is not known; for example Europe/Berlin") from None

    @property
    def first(self) -> str:
        """The first batch."""
        return self.start

    @property
    def unreal(self) -> str:
        """A name that no batch that is delivered has."""
        return self._name(pd.Period(datetime(9998, 12, 1), self.frequency))

    def period(self, batch: str) -> pd.Period:
        """The period that a batch is named after.

        Raises:
            ConfigError: the name is not one of a period.
        """
        try:
            if not isinstance(batch, str) or not re.fullmatch(self.form(), batch):
                raise ValueError
            numbers = {field: int(text) for field, text in self.parts(batch).items()}
            found = pd.Period(self._begins(**numbers), self.frequency)
            (found + 1).start_time.to_pydatetime()  # there is no year 10000
        except ValueError:
            article = "an" if self.noun == "hour" else "a"
            raise ConfigError(f"batch {batch!r} is not {article} {self.noun}: write it as {self.example}") from None
        return found

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - of few calendars; a run asks four times for each file of a folder
    def validate(self, batch: str) -> None:
        """Raises ConfigError unless `batch` is a period of the time zone's clock, not before `start`."""
        self.period(batch)
        if batch < self.start:
            raise ConfigError(f"batch {batch} is before the dataset's first {self.noun}, {self.start}")
        if not self._lasts(batch):
            raise ConfigError(f"batch {batch} does not exist: the clock of {self.timezone} leaves this {self.noun} out")

    def due(self, now: datetime) -> tuple[str, ...]:
        """The last `look_back` complete periods at a moment, oldest first, none before `start`."""
        local = now.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        last = pd.Period(local, self.frequency) - 1
        return self._names(pd.period_range(end=last, periods=self.look_back, freq=self.frequency))

    def between(self, first: str, last: str) -> tuple[str, ...]:
        """The batches of a range, both ends included."""
        return self._names(pd.period_range(self.period(first), self.period(last), freq=self.frequency))

    def after(self, batch: str) -> str:
        """The name of the period that comes next."""
        return self._name(self.period(batch) + 1)

    def weeks_before(self, batch: str, weeks: int = 8) -> tuple[str, ...]:
        """The batches at the same place in the weeks before (of a day, its weekday), the newest first."""
        first = self.period(batch).start_time
        earlier = (first - pd.Timedelta(weeks=week) for week in range(1, weeks + 1))
        return tuple(self._name(pd.Period(moment, self.frequency)) for moment in earlier)

    def window(self, batch: str) -> Window:
        """First moment of the period, and of the next, as the time zone's clock shows them."""
        period = self.period(batch)
        return period.start_time.to_pydatetime(), (period + 1).start_time.to_pydatetime()

    def instants(self, batch: str) -> Window:
        """The same moments in UTC."""
        zone, (first, after) = ZoneInfo(self.timezone), self.window(batch)
        return first.replace(tzinfo=zone).astimezone(UTC), after.replace(tzinfo=zone).astimezone(UTC)

    def parts(self, batch: str) -> Mapping[str, str]:
        """The fields of a name; none of what is not written as one."""
        groups = {field: f"(?P<{field}>{form})" for field, form in self.fields.items()}
        match = re.fullmatch(self.layout.format(**groups), batch)
        return match.groupdict() if match else {}

    @classmethod
    def form(cls) -> str:
        """How names are written, as a regular expression."""
        return cls.layout.format(**cls.fields)

    def _names(self, periods: Iterable[pd.Period]) -> tuple[str, ...]:
        return tuple(name for name in map(self._name, periods) if name >= self.start and self._lasts(name))

    def _lasts(self, batch: str) -> bool:
        first, after = self.instants(batch)
        return first < after

    def _name(self, period: pd.Period) -> str:
        first = period.start_time
        found = {"year": f"{first.year:04}", "month": f"{first.month:02}", "day": f"{first.day:02}"}
        return self.layout.format(**found, hour=f"{first.hour:02}", quarter=first.quarter)

    def _begins(self, year: int, month: int = 1, day: int = 1, hour: int = 0) -> datetime:
        return datetime(year, month, day, hour)


@dataclass(frozen=True, slots=True)
class Hourly(Calendar):
    """One batch an hour, named `2021-01-31T05`. See `Calendar` for the arguments."""

    look_back: int = 48
    noun = "hour"
    example = "2021-01-31T05"
    frequency = "h"
    layout = "{year}-{month}-{day}T{hour}"
    many = True
    fields = _YEAR | {"month": _TWO, "day": _TWO, "hour": _TWO}


@dataclass(frozen=True, slots=True)
class Daily(Calendar):
    """One batch a day, named `2021-01-31`. See `Calendar` for the arguments."""

    look_back: int = 7
    noun = "day"
    example = "2021-01-31"
    frequency = "D"
    layout = "{year}-{month}-{day}"
    many = True
    fields = _YEAR | {"month": _TWO, "day": _TWO}


@dataclass(frozen=True, slots=True)
class Weekly(Calendar):
    """One batch a week, Monday to Sunday, named `2021-W04` as in ISO 8601. See `Calendar` for the arguments."""

    look_back: int = 4
    noun = "week"
    example = "2021-W04"
    frequency = "W-SUN"
    layout = "{year}-W{week}"
    many = True
    fields = _YEAR | {"week": _TWO}

    def _name(self, period: pd.Period) -> str:
        year, week, _ = period.start_time.isocalendar()
        return self.layout.format(year=f"{year:04}", week=f"{week:02}")

    def _begins(self, year: int, week: int) -> datetime:  # type: ignore[override]
        return datetime.fromisocalendar(year, week, 1)


@dataclass(frozen=True, slots=True)
class Monthly(Calendar):
    """One batch a calendar month, named `2021-01`. See `Calendar` for the arguments."""

    look_back: int = 4
    noun = "month"
    example = "2021-01"
    frequency = "M"
    layout = "{year}-{month}"
    fields = _YEAR | {"month": _TWO}


@dataclass(frozen=True, slots=True)
class Quarterly(Calendar):
    """One batch a quarter of the calendar year, named `2021-Q1`. See `Calendar` for the arguments."""

    look_back: int = 2
    noun = "quarter"
    example = "2021-Q1"
    frequency = "Q-DEC"
    layout = "{year}-Q{quarter}"
    fields = _YEAR | {"quarter": "[1-4]"}

    def _begins(self, year: int, quarter: int) -> datetime:  # type: ignore[override]
        return datetime(year, 3 * quarter - 2, 1)


@dataclass(frozen=True, slots=True)
class Yearly(Calendar):
    """One batch a calendar year, named `2021`. See `Calendar` for the arguments."""

    look_back: int = 2
    noun = "year"
    example = "2021"
    frequency = "Y-DEC"
    layout = "{year}"
    fields = _YEAR


CALENDARS: tuple[type[Calendar], ...] = (Hourly, Daily, Weekly, Monthly, Quarterly, Yearly)


def calendar_of(batch: str, by: str | None = None) -> Calendar:
    """The kind whose batches are written like this one, beginning with it.

    Raises:
        ConfigError: no kind's are.
    """
    kind = next((kind for kind in CALENDARS if re.fullmatch(kind.form(), batch)), None)
    if kind is None:
        examples = ", ".join(f"{kind.example} ({kind.noun})" for kind in CALENDARS)
        raise ConfigError(f"batch {batch!r} is not one of a calendar: write it as {examples}")
    found = kind(start=batch, by=by)
    found.validate(batch)
    return found
