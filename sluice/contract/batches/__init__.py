"""How the deliveries of a dataset are named, ordered and due. Pure."""

from sluice.contract.batches.calendar import (
    CALENDARS,
    Calendar,
    Daily,
    Hourly,
    Monthly,
    Quarterly,
    Weekly,
    Yearly,
    calendar_of,
)
from sluice.contract.batches.each_file import EachFile
from sluice.contract.batches.misfits import refuse_misfit
from sluice.contract.batches.single import Batches, Single

__all__ = [
    "CALENDARS",
    "Batches",
    "Calendar",
    "Daily",
    "EachFile",
    "Hourly",
    "Monthly",
    "Quarterly",
    "Single",
    "Weekly",
    "Yearly",
    "calendar_of",
    "refuse_misfit",
]
