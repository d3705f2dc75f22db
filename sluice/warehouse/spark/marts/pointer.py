"""The table of one row that says which publication of the marts readers have. A publish is one commit of it.

Spark loads a table once for a query, however many views of the query name it: so all of them agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from sluice.contract.errors import ToolError
from sluice.warehouse.spark.marts.names import filled, text
from sluice.warehouse.spark.session import ERRORS, first_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LIVE = "live"  # the table's name


@dataclass(frozen=True, slots=True)
class Live:
    """What readers have: a publication, which no other has the name of, and its side. Neither before the first one."""

    publication: str = ""
    side: str | None = None

    def next(self, side: str) -> Live:
        """A publication of this side."""
        return Live(uuid4().hex, side)


def make(session: SparkSession, table: str) -> None:
    """Make the table if it is missing, with its row."""
    session.sql(
        f"CREATE TABLE IF NOT EXISTS {table} USING iceberg TBLPROPERTIES "
        "('write.metadata.delete-after-commit.enabled' = 'true') "
        "AS SELECT '' AS publication, CAST(NULL AS STRING) AS side"
    )


def read(session: SparkSession, table: str) -> Live:
    """What the row says now. The table is there."""
    [row] = session.table(table).collect()
    return Live(row["publication"], row["side"])


def move(session: SparkSession, table: str, now: Live, new: Live) -> None:
    """Make `new` what readers have, if they still have `now`.

    Raises:
        ToolError: another publish came in between, or the catalogue did not take the commit.
    """
    try:
        change = "UPDATE {table} SET publication = {new}, side = {side} WHERE publication = {now}"
        names = {"new": text(new.publication), "side": text(new.side or ""), "now": text(now.publication)}
        session.sql(filled(change, table=table, **names))
    except ERRORS as error:  # an answer may be lost after the commit
        try:
            live = read(session, table)
        except ERRORS:
            raise ToolError(
                f"whether the marts were published is not known: {first_line(error)}. Run again: it finds out."
            ) from None
        if live == now:
            raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None
    if read(session, table) != new:
        raise ToolError("the marts were not published: another publish came in between. Run again.")
