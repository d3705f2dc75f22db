"""The views of `marts`, pointed to the tables of a side. SQL only; in the caller's transaction.

What readers name is a view of `marts`. It reads a view of the same name in `marts__live`, and that one the side's
table. Every view of `marts` also names one empty table, the gate, before it names the view behind it. PostgreSQL locks
what a view names in that order, so a reader has the gate before it has any view of `marts__live`; and who has the gate
alone, may point those views elsewhere. So a publish waits in one queue, however many marts a query reads, and in
whichever order. The gate is in a WITH that nothing reads: it costs a lock, and no part of a plan. Where readers have
several schemas, each has a schema behind it, and all have the one gate of `marts`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg2 import sql

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError, ToolError
from sluice.warehouse.batch import schemas_of
from sluice.warehouse.engine import Grants
from sluice.warehouse.postgres import catalog, side_rights, view_locks
from sluice.warehouse.postgres.session import execute

Columns = Mapping[str, str]  # type by name, in order
Relation = tuple[str, str]  # schema and name
Named = Mapping[Relation, set[str]]
GATE = "_gate"
# Which relations each view names, but for itself
NAMED = sa.text(
    "SELECT n.nspname, c.relname, array_agg(DISTINCT rn.nspname || '.' || r.relname) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_rewrite w ON w.ev_class = c.oid "
    "JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid "
    "JOIN pg_class r ON d.refclassid = 'pg_class'::regclass AND r.oid = d.refobjid AND r.oid <> c.oid "
    "JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE n.nspname = ANY(:schemas) GROUP BY 1, 2"
)
OUTER = sql.SQL(
    "CREATE OR REPLACE VIEW {view} AS WITH gate AS (SELECT 1 FROM {gate}), "
    "live AS NOT MATERIALIZED (SELECT {columns} FROM {behind}) SELECT {columns} FROM live"
)


@dataclass(frozen=True, slots=True)
class _Views:
    """The relations of one mart: what readers name, what is behind it, and the table of a side. Each schema and name.

    Attributes:
        gate: the empty table that all marts name.
    """

    reader: Relation
    behind: Relation
    table: Relation
    gate: Relation

    @classmethod
    def of(cls, schemas: Schemas, mart: str, side: str) -> _Views:
        schema, name = schemas.relation(mart)
        return cls((schema, name), (schemas.behind(schema), name), schemas.table(mart, side), (schemas.live, GATE))

    def drop(self) -> list[sql.Composable]:
        """The statements that drop both views."""
        drop = sql.SQL("DROP VIEW IF EXISTS {}")
        return [drop.format(sql.Identifier(*each)) for each in (self.reader, self.behind)]


def _make_gate(connection: sa.Connection) -> None:
    schemas, found = schemas_of(connection), sa.inspect(connection).get_schema_names()
    for live in {*map(schemas.behind, schemas.published)} - {*found}:  # who may make no schema may find all of them
        connection.execute(sa.schema.CreateSchema(live))
    execute(connection, sql.SQL("CREATE TABLE IF NOT EXISTS {} ()").format(sql.Identifier(schemas.live, GATE)))


def _existing(connection: sa.Connection, named: Named) -> tuple[set[str], set[Relation]]:
    """The marts that readers have a view of; and other views there, which somebody made and Sluice does not touch."""
    schemas, found = schemas_of(connection), sa.inspect(connection)
    marts: set[str] = set()
    others: set[Relation] = set()
    for schema in schemas.published:
        behind = found.get_view_names(schemas.behind(schema))
        for view in found.get_view_names(schema):
            mart = schemas.mart(schema, view)
            tables = [{".".join(schemas.table(mart, side))} for side in schemas.sides]
            if view in behind or named.get((schema, view)) in tables:  # the second as an older Sluice made it
                marts.add(mart)
            else:
                others.add((schema, view))
    return marts, others


def point(connection: sa.Connection, side: str, models: Sequence[str], milliseconds: int, grants: Grants) -> None:
    """Make each mart a view for readers over the side's table of that name; drop the views of other marts.

    From the lock to the end of the transaction readers wait, and each round trip of a busy machine makes them wait
    longer: so everything is looked up before, and the lock and every change are one message to the server.

    Waits for the gate alone. Views of readers that must be changed, because a column or a model is new or gone, or an
    older Sluice made them, are locked before it. The transaction waits for each later lock no longer than for these.

    Args:
        milliseconds: how long to wait for all locks together.
        grants: what others may do with the views.

    Raises:
        psycopg2.errors.LockNotAvailable, QueryCanceled: readers hold some of them longer than that.
        ConfigError: a column was dropped or retyped, or a model is gone, while a user's own view needs it; or a table,
            or somebody's own view, has the name of a mart.
    """
    _make_gate(connection)
    schemas, named = schemas_of(connection), _named(connection)
    existing, others = _existing(connection, named)
    views = {mart: _Views.of(schemas, mart, side) for mart in {*existing, *models}}
    if blocked := sorted({each.reader for each in views.values()} & catalog.tables(connection, schemas.published)):
        raise ConfigError(f"the marts were not published: {catalog.IN_THE_WAY.format(*blocked[0])}. The old ones stay.")
    if blocked := sorted({views[mart].reader for mart in models} & others):
        raise ConfigError(f"the marts were not published: {catalog.OTHER_VIEW.format(*blocked[0])}. The old ones stay.")
    held = side_rights.granted(connection, {})
    stay = {mart for mart in existing & {*models} if _stays(connection, named, views[mart])}
    changes: list[sql.Composable] = []
    for mart in sorted(existing - set(models)):
        _refuse_dependents(connection, views[mart].reader, "the model is no longer one of the marts")
        changes += views[mart].drop()
    for mart in sorted(models):
        changes += _point(connection, views[mart], exists=mart in existing, stays=mart in stay)
        there = held.get(mart, ()) if mart in stay else ()
        changes += side_rights.grant(views[mart].reader, [pair for pair in grants.get(mart, ()) if pair not in there])
    leave = sorted(existing - stay)
    wanted = [views[mart].reader for mart in random.sample(leave, len(leave))]
    locked = view_locks.statements(connection, wanted, (schemas.live, GATE), milliseconds)
    execute(connection, sql.SQL("; ").join([locked, *changes]))


def misplaced(connection: sa.Connection, side: str, models: Collection[str]) -> list[str]:
    """What is wrong with the views that readers have, one sentence each: a view is missing, or shows something else."""
    schemas, named = schemas_of(connection), _named(connection)
    found, tables = [], catalog.tables(connection, schemas.published)
    for mart in sorted(models):
        views = _Views.of(schemas, mart, side)
        shown, behind, table = named.get(views.reader), named.get(views.behind), ".".join(views.table)
        what = ".".join(views.reader)
        if shown == {table}:  # as an older Sluice made it
            continue
        if views.reader in tables:
            found.append(catalog.IN_THE_WAY.format(*views.reader))
        elif shown is None:
            found.append(f"{what} is missing")
        elif shown != _behind(views):
            found.append(f"{what} shows {', '.join(sorted(shown))}, not what was published")
        elif behind != {table}:
            found.append(f"{what} shows {', '.join(sorted(behind or ()))}, not {table}")
    return found


def missing_tables(connection: sa.Connection, side: str, models: Collection[str]) -> list[str]:
    """Which of the models have no table, or view, on the side."""
    schemas, found = schemas_of(connection), sa.inspect(connection)
    there = {
        (part, name)
        for part in schemas.parts(side)
        if found.has_schema(part)
        for name in found.get_table_names(part) + found.get_view_names(part) + found.get_materialized_view_names(part)
    }
    return sorted(mart for mart in models if schemas.table(mart, side) not in there)


def _named(connection: sa.Connection) -> Named:
    schemas = schemas_of(connection)
    wanted = [name for each in schemas.published for name in (each, schemas.behind(each))]
    rows = connection.execute(NAMED, {"schemas": wanted}).tuples()
    return {(schema, view): set(relations) for schema, view, relations in rows}


def _behind(views: _Views) -> set[str]:
    return {".".join(views.behind), ".".join(views.gate)}


def _stays(connection: sa.Connection, named: Named, views: _Views) -> bool:
    """Whether what readers name may stay as it is, when the view behind it is pointed to the side."""
    if named.get(views.reader) != _behind(views):
        return False
    return dict(_columns(connection, views.reader)) == dict(_columns(connection, views.table))


def _point(connection: sa.Connection, views: _Views, *, exists: bool, stays: bool) -> list[sql.Composable]:
    """The statements that make the mart's views, or only the one behind a view that stays."""
    new = _columns(connection, views.table)
    if not new:
        missing, reader = ".".join(views.table), ".".join(views.reader)
        raise ToolError(f"{missing} does not exist, so {reader} cannot show it: build that side first")
    model = views.reader[1]
    old = _columns(connection, views.reader) if exists else {}
    broken = [name for name, kind in old.items() if new.get(name) != kind]
    behind_now = list(_columns(connection, views.behind))
    changes: list[sql.Composable] = []
    if broken or behind_now != list(old)[: len(behind_now)]:  # the second, where somebody changed or dropped a view
        change = f"{model} has other columns"
        if broken:
            change = f"column {broken[0]} is {'retyped' if broken[0] in new else 'gone'} in the new {model}"
        _refuse_dependents(connection, views.reader, change)
        changes = views.drop()
        old = {}
    names = [*old, *(name for name in new if name not in old)]  # a view can only gain columns at its end
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    behind, table = sql.Identifier(*views.behind), sql.Identifier(*views.table)
    changes.append(sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(behind, columns, table))
    if stays:
        return changes
    view, gate = sql.Identifier(*views.reader), sql.Identifier(*views.gate)
    changes.append(OUTER.format(view=view, gate=gate, columns=columns, behind=behind))
    return changes


def _columns(connection: sa.Connection, relation: Relation) -> Columns:
    query = sa.text(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = :relation "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(connection.execute(query, {"schema": relation[0], "relation": relation[1]}).tuples().all())


def _refuse_dependents(connection: sa.Connection, view: Relation, change: str) -> None:
    query = sa.text(
        "SELECT DISTINCT CAST(CAST(r.ev_class AS regclass) AS text) FROM pg_depend d JOIN pg_rewrite r "
        "ON r.oid = d.objid JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE d.classid = 'pg_rewrite'::regclass AND n.nspname = :schema AND c.relname = :view "
        "AND r.ev_class <> c.oid ORDER BY 1"
    )
    users = connection.scalars(query, {"schema": view[0], "view": view[1]}).all()
    if users:
        raise ConfigError(
            f"the marts were not published: {change}, and {', '.join(users)} reads {'.'.join(view)}. "
            f"The old marts stay. Change or drop {users[0]} first, or undo the change."
        )
