"""What RowEngine asks about marts, over Iceberg (docs/decisions/0052-marts-on-spark.md)."""

# ruff: noqa: ARG002 - a method takes what the protocol hands over
from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError, ToolError
from sluice.warehouse.batch import schemas_of
from sluice.warehouse.engine import Grants
from sluice.warehouse.spark.marts import pointer, views
from sluice.warehouse.spark.marts.names import quoted
from sluice.warehouse.spark.marts.views import Branch
from sluice.warehouse.spark.session import ERRORS, first_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Relation = tuple[str, str]  # schema and name
# Seconds between a change of the views and the move of the pointer, and the other way round. A query that is planned
# across both fails and says so; planning takes tenths of a second.
GRACE = 2.0


@dataclass(frozen=True, slots=True)
class SparkMarts:
    """The marts of a catalogue with views: REST, Hive, JDBC. A Hadoop catalogue has none.

    Attributes:
        session: its catalogue keeps no tables (`cache-enabled` is false), or it reads an old pointer.
        grace: seconds that a publish leaves to queries which are being planned, twice.
    """

    session: SparkSession
    catalog: str = "lake"
    grace: float = GRACE

    def wait_for_readers(self, control: sa.Engine, seconds: float, /) -> None:
        """Return at once: a query of Spark keeps the snapshots that it began with."""

    def mart_grants(self, control: sa.Connection, before: Grants, /) -> Grants:
        """Nothing: who may read is the catalogue's, or the storage's, and stays with the views."""
        return {}

    def hand_on(self, control: sa.Connection, side: str, models: Sequence[str], /) -> Grants:
        """Nothing: Spark has no rights on tables."""
        return {}

    def point_marts(
        self, control: sa.Connection, side: str, models: Sequence[str], milliseconds: int, grants: Grants, /
    ) -> None:
        """Make the side what readers have: all marts at once, by one commit of `live`. No reader waits.

        First each view gets a second branch, then the pointer is moved, then the first branch goes, so that the next
        build may do with the other side what it likes. Marts that are new become visible after the move.

        Raises:
            ToolError: the side lacks a mart, or Spark failed; readers have the old marts.
            ConfigError: a relation that is not Sluice's has the name of a mart; or the catalogue has no views.
        """
        schemas = schemas_of(control)
        try:
            self._publish(control, schemas, side, models)
        except ERRORS as error:
            raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None

    def misplaced_marts(self, control: sa.Connection, side: str, models: Collection[str], /) -> list[str]:
        """What is wrong with what readers have, one sentence each, where this side is live."""
        schemas = schemas_of(control)
        if not self._names(schemas.live, "TABLES") & {pointer.LIVE}:
            return [f"{schemas.live}.{pointer.LIVE} is missing, so no mart can be read"] if models else []
        live, shown = pointer.read(self.session, self._live(schemas)), self._shown(schemas)
        found = []
        if live.side != side:
            found.append(f"readers have {live.side or 'no marts'}, not {side}, which was published")
        for mart in sorted(models):
            what = ".".join(schemas.relation(mart))
            branches = shown.get(schemas.relation(mart))
            if branches is None:
                found.append(f"{what} is missing")
            elif not branches:
                found.append(f"{what} is not as Sluice made it")
            elif [(each.publication, each.table) for each in branches] != [
                (live.publication, schemas.table(mart, side))
            ]:
                tables = ", ".join(".".join(each.table) for each in branches)
                found.append(f"{what} shows {tables}, not {'.'.join(schemas.table(mart, side))} as it was published")
        return found

    def missing_marts(self, control: sa.Connection, side: str, models: Collection[str], /) -> list[str]:
        """Which of the models the side does not have."""
        schemas = schemas_of(control)
        there = {(part, name) for part in schemas.parts(side) for name in self._relations(part)}
        return sorted(mart for mart in models if schemas.table(mart, side) not in there)

    # -- a publish -----------------------------------------------------------------------------------------

    def _publish(self, control: sa.Connection, schemas: Schemas, side: str, models: Sequence[str]) -> None:
        table = self._prepare(schemas)
        now = pointer.read(self.session, table)
        new, shown = now.next(side), self._shown(schemas)
        self._refuse_others(schemas, models, shown)
        there = {part: self._names(part, "TABLES") for part in schemas.parts(side)}
        wanted = {schemas.relation(mart): self._branch(new, schemas.table(mart, side), there) for mart in models}
        for view, branch in wanted.items():
            old = [each for each in shown.get(view, ()) if each.publication == now.publication]
            if old:
                self._replace(view, table, [*old, branch])
        self._wait(shown)
        control.execute(sa.select(1))  # raises if a later run has ended this session, and with it our right to publish
        pointer.move(self.session, table, now, new)
        # Readers have the new marts: an error would say that they have not. What stays undone is found as misplaced.
        with suppress(*ERRORS):
            self._wait(shown)
            for view, branch in wanted.items():
                self._replace(view, table, [branch])
            for view in shown.keys() - wanted.keys():
                self.session.sql(f"DROP VIEW IF EXISTS {quoted(self.catalog, *view)}")

    def _prepare(self, schemas: Schemas) -> str:
        """Make the schemas of readers and the pointer, if they are missing. Returns the pointer's table."""
        for schema in (*schemas.published, schemas.live):
            self.session.sql(f"CREATE NAMESPACE IF NOT EXISTS {quoted(self.catalog, schema)}")
        pointer.make(self.session, self._live(schemas))
        return self._live(schemas)

    def _refuse_others(
        self, schemas: Schemas, models: Sequence[str], shown: Mapping[Relation, tuple[Branch, ...]]
    ) -> None:
        for schema in schemas.published:
            others = {(schema, name) for name in self._relations(schema)} - shown.keys()
            for view in sorted(others & {schemas.relation(mart) for mart in models}):
                raise ConfigError(
                    f"the marts were not published: {'.'.join(view)} is not a view that Sluice made, and has the name "
                    "of a mart. The old marts stay. Rename it, or drop it if nobody needs it."
                )

    def _branch(self, live: pointer.Live, table: Relation, tables: Mapping[str, Collection[str]]) -> Branch:
        """A branch for the mart as it is on a side now, where these are the tables of each schema."""
        schema, name = table
        full = quoted(self.catalog, schema, name)
        snapshot = None
        if name in tables[schema]:
            rows = self.session.table(f"{full}.refs").where("name = 'main'").collect()
            snapshot = rows[0]["snapshot_id"] if rows else None
        elif name not in self._names(schema, "VIEWS"):
            raise ToolError(f"{schema}.{name} does not exist, so readers cannot have it: build that side first")
        fields = self.session.table(full).schema.fields
        return Branch(live.publication, table, snapshot, {each.name: each.dataType.simpleString() for each in fields})

    def _replace(self, view: Relation, live: str, branches: Sequence[Branch]) -> None:
        self.session.sql(views.statement(self.catalog, view, live, branches))

    def _wait(self, shown: Collection[Relation]) -> None:
        if shown:
            time.sleep(self.grace)

    # -- what is there -------------------------------------------------------------------------------------

    def _live(self, schemas: Schemas) -> str:
        return quoted(self.catalog, schemas.live, pointer.LIVE)

    def _shown(self, schemas: Schemas) -> dict[Relation, tuple[Branch, ...]]:
        """The views of readers that Sluice made, with their branches; with none, where somebody replaced one."""
        found = {}
        for schema in schemas.published:
            for name in self._names(schema, "VIEWS"):
                view = quoted(self.catalog, schema, name)
                rows = self.session.sql(f"SHOW TBLPROPERTIES {view}").collect()
                properties = {row["key"]: row["value"] for row in rows}
                if views.BRANCHES in properties:  # CREATE OR REPLACE keeps it
                    branches = views.read(properties[views.BRANCHES])
                    [(created,)] = self.session.sql(f"SHOW CREATE TABLE {view}").collect()
                    intact = views.query(self.catalog, self._live(schemas), branches) in created
                    found[schema, name] = branches if intact else ()
        return found

    def _relations(self, schema: str) -> set[str]:
        return self._names(schema, "TABLES") | self._names(schema, "VIEWS")

    def _names(self, schema: str, kind: str) -> set[str]:
        if not self.session.catalog.databaseExists(f"{self.catalog}.{schema}"):
            return set()
        place = 1  # of the name, beside the namespace and whether it is temporary
        return {
            row[place]
            for row in self.session.sql(f"SHOW {kind} IN {quoted(self.catalog, schema)}").collect()
            if not row["isTemporary"]
        }
