"""Where Spark finds the rows of a load, and what an audit found in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.contract.contract import Contract

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Load:
    """The rows of one load, where Spark finds them.

    Attributes:
        landed: URI of the file that `landing.land` wrote.
        findings: URI of a folder for the rows that fail, which the verdict reads.
        published: of the tables of published rows, `schema` in `schema.dataset`; None where no check looks keys up.
    """

    session: SparkSession
    contract: Contract
    batch: str
    landed: str
    findings: str
    published: str | None = None
