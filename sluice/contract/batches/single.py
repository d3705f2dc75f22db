"""What every kind of batches answers, and the kind of a dataset that is one file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from sluice.contract.errors import ConfigError, ContractError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OWN = (
    "incoming_",
    "findings_",
    "marked_",
    "replayed_",
    "bucket_",
    "buckets",
)  # begin the names of tables of Sluice's own
Window = tuple[datetime, datetime]  # the first moment, and the first one after it


class Batches(Protocol):
    """How the deliveries of a dataset are named and ordered. Names sort in batch order."""

    @property
    def fields(self) -> Mapping[str, str]: ...  # parts of a name that an address may have, and how each is written

    @property
    def layout(self) -> str: ...  # of a name, with these fields

    @property
    def by(self) -> str | None: ...

    @property
    def many(self) -> bool: ...  # more than a table may have partitions, so they share some

    @property
    def first(self) -> str: ...

    @property
    def unreal(self) -> str: ...

    def validate(self, batch: str) -> None: ...

    def due(self, now: datetime) -> tuple[str, ...]: ...

    def parts(self, batch: str) -> Mapping[str, str]: ...

    def window(self, batch: str) -> Window | None: ...

    def instants(self, batch: str) -> Window | None: ...


@dataclass(frozen=True, slots=True)
class Single:
    """The whole dataset is one batch, replaced at each delivery.

    Attributes:
        name: of the batch. It stands in addresses and in names of tables.
    """

    name: str = "all"
    by: None = None

    fields: ClassVar[Mapping[str, str]] = {}
    layout: ClassVar[str] = ""
    many: ClassVar[bool] = False
    unreal: ClassVar[str] = "canary"  # no batch that is delivered has this name

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            said = "use lower case letters, digits, - and _, and begin with a letter or digit"
            raise ContractError(f"batch {self.name!r}: {said}")
        if self.name.replace("-", "_").startswith(_OWN):
            raise ContractError(f"batch {self.name!r} would name its table as one of Sluice's; use another name")

    @property
    def first(self) -> str:
        """The one there is."""
        return self.name

    def validate(self, batch: str) -> None:
        """Raises ConfigError unless `batch` is the one there is."""
        if batch != self.name:
            raise ConfigError(f"batch {batch!r} does not exist: the only batch of the dataset is {self.name!r}")

    def due(self, now: datetime) -> tuple[str, ...]:  # noqa: ARG002 - the answer of other kinds depends on it
        """Always the one batch."""
        return (self.name,)

    def parts(self, batch: str) -> Mapping[str, str]:  # noqa: ARG002
        """A name has none."""
        return {}

    def window(self, batch: str) -> None:  # noqa: ARG002
        """No time bounds."""
        return None

    instants = window
