"""What jobs, runs and datasets are called in events. Pure.

A table that dbt builds goes by the name that readers know: `marts` in place of the side it was built on, which changes
every night.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import URL

from sluice.contract.derive.schemas import Schemas

Name = tuple[str, str]  # namespace and name


class EventEmitter(Protocol):
    """The run that events belong to, and what takes them."""

    run_id: str
    job: Name

    def say(
        self,
        state: str,
        run_id: str,
        job: Name,
        job_facets: dict[str, Any],
        run_facets: dict[str, Any],
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Hand over one event.

        Args:
            state: START, COMPLETE or FAIL.
            at: when it was; now if not given.
        """


def run_id(*parts: object) -> str:
    """The same for the same parts, so that an event that is sent twice is one."""
    return str(uuid5(NAMESPACE_URL, "sluice:" + ":".join(map(str, parts))))


def file(address: str) -> Name:
    """A source file, by its address without secrets, as the standard names files and objects."""
    parts = urlsplit(address)
    if parts.scheme and parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}", parts.path.lstrip("/") or "/"
    return "file", str(Path(address).absolute()) if "://" not in address else address


@dataclass(frozen=True, slots=True)
class Database:
    """Names the tables of one warehouse.

    Attributes:
        block: takes the place of the host where that is a socket, which every embedded server calls the same.
    """

    url: URL
    block: str
    schemas: Schemas

    @property
    def namespace(self) -> str:
        """As the standard names a PostgreSQL."""
        return f"postgres://{self.url.host or self.block}:{self.url.port or 5432}"

    def table(self, schema: str, name: str) -> Name:
        """A table or view."""
        return self.namespace, f"{self.url.database}.{self.schemas.known_as(schema)}.{name}"
