"""How the deliveries of a dataset are named, ordered and due. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import pandas as pd

from sluice.contract.errors import ConfigError, ContractError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OWN = ("incoming_", "findings_", "replayed_")  # begin the names of a batch's tables while a load runs


class Batches(Protocol):
    """How the deliveries of a dataset are named and ordered. Names sort in batch order."""

    by: str | None

    @property
    def first(self) -> str: ...

    def validate(self, batch: str) -> None: ...

    def due(self, today: date) -> tuple[str, ...]: ...

    def window(self, batch: str) -> tuple[datetime, datetime] | None: ...


def month(batch: str) -> datetime:
    """The first instant of a month.

    Raises:
        ConfigError: it is none.
    """
    try:
        first = datetime.strptime(batch, "%Y-%m")
        if first.strftime("%Y-%m") != batch:
            raise ValueError
    except ValueError:
        raise ConfigError(f"batch {batch!r} is not a month: write it as 2021-01") from None
    return first


@dataclass(frozen=True, slots=True)
class Monthly:
    """One batch a calendar month, named `2021-01`.

    Attributes:
        start: the first month the source delivers.
        by: the date or timestamp column that must lie within the batch's month, if there is one.
        months_due: how many past months a nightly run looks at for new or corrected files.
    """

    start: str
    by: str | None = None
    months_due: int = 4

    @property
    def first(self) -> str:
        """The first month."""
        return self.start

    def validate(self, batch: str) -> None:
        """Raises ConfigError unless `batch` is a month, not before `start`."""
        month(batch)
        if batch < self.start:
            raise ConfigError(f"batch {batch} is before the dataset's first month, {self.start}")

    def due(self, today: date) -> tuple[str, ...]:
        """The last `months_due` complete months, oldest first, none before `start`."""
        last = pd.Period(today, "M") - 1
        months = map(str, pd.period_range(end=last, periods=self.months_due, freq="M"))
        return tuple(month for month in months if month >= self.start)

    def window(self, batch: str) -> tuple[datetime, datetime]:
        """First instant of the month, and of the next (exclusive), in the source's local time."""
        first = month(batch)
        return first, (first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Single:
    """The whole dataset is one batch, replaced at each delivery.

    Attributes:
        name: of the batch. It stands in addresses and in names of tables.
    """

    name: str = "all"
    by: None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise ContractError(f"batch {self.name!r}: use lower case letters, digits, - and _; begin with no mark")
        if self.name.replace("-", "_").startswith(_OWN):
            raise ContractError(f"batch {self.name!r} would be named as a table of Sluice's own; use another name")

    @property
    def first(self) -> str:
        """The one there is."""
        return self.name

    def validate(self, batch: str) -> None:
        """Raises ConfigError unless `batch` is the one there is."""
        if batch != self.name:
            raise ConfigError(f"batch {batch!r} does not exist: the only batch of the dataset is {self.name!r}")

    def due(self, today: date) -> tuple[str, ...]:  # noqa: ARG002 - the answer of Monthly depends on it
        """Always the one batch."""
        return (self.name,)

    def window(self, batch: str) -> None:  # noqa: ARG002
        """No time bounds."""
        return None
