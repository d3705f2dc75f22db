"""How old a dataset's newest published batch is, against what its contract allows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sluice.contract.batches import Calendar, Hourly
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError

IN_HOURS = 72  # an age below is shown in hours


class AgeVerdict(StrEnum):
    """How old a batch is by the bounds of its contract."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Age:
    """Of the newest batch, counted from the end of its period; 0 days if that has not come yet.

    Attributes:
        hours: where each hour is a batch.
    """

    verdict: AgeVerdict
    days: int
    hours: int | None = None

    @property
    def span(self) -> str:
        """The age, in hours where days would say nothing."""
        if self.hours is None or self.hours >= IN_HOURS:
            return f"{self.days:,} days"
        return f"{self.hours} hours"

    def __str__(self) -> str:
        return f"{self.verdict} ({self.span})"


def age_of(contract: Contract, batch: str, now: datetime | None = None) -> Age | None:
    """The age of a batch at a moment (naive UTC; now, if none is given).

    None if the contract sets no bounds, or the batch is of a cadence that the dataset had before.
    """
    if contract.freshness is None or not isinstance(contract.files.batches, Calendar):
        return None
    try:
        ended = contract.files.batches.instants(batch)[1].replace(tzinfo=None)
    except ConfigError:
        return None
    age = (now or datetime.now(UTC).replace(tzinfo=None)) - ended
    days = max(age.days, 0)
    hours = max(age // timedelta(hours=1), 0) if isinstance(contract.files.batches, Hourly) else None
    if age > contract.freshness.error_after:
        return Age(AgeVerdict.STALE, days, hours)
    return Age(AgeVerdict.LATE if age > contract.freshness.warn_after else AgeVerdict.FRESH, days, hours)
