"""The views of `marts`, pointed to the tables of a side. SQL only; in the caller's transaction.

What readers name is a view of `marts`. It reads a view of the same name in `marts__live`, and that one the side's
table. Every view of `marts` also names one empty table, the gate, before it names the view behind it. PostgreSQL locks
what a view names in that order, so a reader has the gate before it has any view of `marts__live`; and who has the gate
alone, may point those views elsewhere. So a publish waits in one queue, however many marts a query reads, and in
whichever order. The gate is in a WITH that nothing reads: it costs a lock, and no part of a plan.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from psycopg2 import sql

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ToolError
from sluice.warehouse.postgres.session import execute
from sluice.warehouse.warehouse import schemas_of

Columns = Mapping[str, str]  # type by name, in order
GATE = "_gate"
# Which relations each view names, but for itself
NAMED = sa.text(
    "SELECT n.nspname, c.relname, array_agg(DISTINCT rn.nspname || '.' || r.relname) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_rewrite w ON w.ev_class = c.oid "
    "JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid "
    "JOIN pg_class r ON d.refclassid = 'pg_class'::regclass AND r.oid = d.refobjid AND r.oid <> c.oid "
    "JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE n.nspname IN (:marts, :live) GROUP BY 1, 2"
)
OUTER = sql.SQL(
    "CREATE OR REPLACE VIEW {view} AS WITH gate AS (SELECT 1 FROM {gate}), "
    "live AS NOT MATERIALIZED (SELECT {columns} FROM {behind}) SELECT {columns} FROM live"
)


def prepare(connection: sa.Connection) -> None:
    """Make the gate, if there is none yet."""
    schemas = schemas_of(connection)
    connection.execute(sa.schema.CreateSchema(schemas.live, if_not_exists=True))
    execute(connection, sql.SQL("CREATE TABLE IF NOT EXISTS {} ()").format(sql.Identifier(schemas.live, GATE)))


def point(connection: sa.Connection, side: str, models: Sequence[str], milliseconds: int) -> None:
    """Make each model a view of `marts` over the side's table of that name; drop views of other names.

    From the lock to the end of the transaction readers wait, and each round trip of a busy machine makes them wait
    longer: so everything is looked up before, and the lock and every change are one message to the server.

    Waits for the gate alone. Views of `marts` that must be changed, because a column or a model is new or gone, or an
    older Sluice made them, are locked before it. The transaction waits for each later lock no longer than for these.

    Args:
        milliseconds: how long to wait for all locks together.

    Raises:
        psycopg2.errors.LockNotAvailable, QueryCanceled: readers hold some of them longer than that.
        ToolError: a column was dropped or retyped, or a model is gone, while a user's own view needs it.
    """
    schemas = schemas_of(connection)
    existing = set(sa.inspect(connection).get_view_names(schemas.marts))
    named = _named(connection)
    stay = {view for view in existing if _stays(connection, named, view, side, models)}
    changes: list[sql.Composable] = []
    for view in sorted(existing - set(models)):
        _refuse_dependents(connection, schemas.marts, view, "the model is gone from models/marts/")
        changes += _drop(schemas, view)
    for model in sorted(models):
        changes += _point(connection, side, model, existing, stays=model in stay)
    leave = sorted(existing - stay)
    wanted = [sql.Identifier(schemas.marts, view) for view in random.sample(leave, len(leave))]
    # The one setting bounds the wait for a single lock, the other that for all locks together.
    locked = sql.SQL(
        "SET LOCAL lock_timeout = {bound}; SET LOCAL statement_timeout = {bound}; "
        "LOCK TABLE {wanted} IN ACCESS EXCLUSIVE MODE; SET LOCAL statement_timeout TO DEFAULT"
    ).format(
        bound=sql.Literal(f"{milliseconds}ms"),
        wanted=sql.SQL(", ").join([*wanted, sql.Identifier(schemas.live, GATE)]),
    )
    execute(connection, sql.SQL("; ").join([locked, *changes]))


def misplaced(connection: sa.Connection, side: str, models: Collection[str]) -> list[str]:
    """What is wrong with the views that readers have, one sentence each: a view is missing, or shows something else."""
    schemas = schemas_of(connection)
    named = _named(connection)
    found = []
    for model in sorted(models):
        shown, behind = named.get((schemas.marts, model)), named.get((schemas.live, model))
        if shown == {f"{side}.{model}"}:  # as an older Sluice made it
            continue
        if shown is None:
            found.append(f"{schemas.marts}.{model} is missing")
        elif shown != _behind(connection, model):
            found.append(f"{schemas.marts}.{model} shows {', '.join(sorted(shown))}, not what was published")
        elif behind != {f"{side}.{model}"}:
            found.append(f"{schemas.marts}.{model} shows {', '.join(sorted(behind or ()))}, not {side}.{model}")
    return found


def missing_tables(connection: sa.Connection, side: str, models: Collection[str]) -> list[str]:
    """Which of the models have no table, or view, on the side."""
    found = sa.inspect(connection)
    if not found.has_schema(side):
        return sorted(models)
    return sorted({*models} - {*found.get_table_names(side), *found.get_view_names(side)})


def _named(connection: sa.Connection) -> dict[tuple[str, str], set[str]]:
    schemas = schemas_of(connection)
    rows = connection.execute(NAMED, {"marts": schemas.marts, "live": schemas.live}).tuples()
    return {(schema, view): set(relations) for schema, view, relations in rows}


def _behind(connection: sa.Connection, model: str) -> set[str]:
    schemas = schemas_of(connection)
    return {f"{schemas.live}.{model}", f"{schemas.live}.{GATE}"}


def _stays(
    connection: sa.Connection,
    named: Mapping[tuple[str, str], set[str]],
    model: str,
    side: str,
    models: Collection[str],
) -> bool:
    """Whether a view of `marts` may stay as it is, when the view behind it is pointed to the side."""
    schemas = schemas_of(connection)
    if model not in models or named.get((schemas.marts, model)) != _behind(connection, model):
        return False
    shown, new = _columns(connection, schemas.marts, model), _columns(connection, side, model)
    return dict(shown) == dict(new)


def _point(
    connection: sa.Connection, side: str, model: str, existing: Collection[str], *, stays: bool
) -> list[sql.Composable]:
    """The statements that make the model's views, or only the one behind a view that stays."""
    schemas = schemas_of(connection)
    new = _columns(connection, side, model)
    if not new:
        raise ToolError(
            f"{side}.{model} does not exist, so {schemas.marts}.{model} cannot show it: build that side first"
        )
    old = _columns(connection, schemas.marts, model) if model in existing else {}
    broken = [name for name, kind in old.items() if new.get(name) != kind]
    behind_now = list(_columns(connection, schemas.live, model))
    changes: list[sql.Composable] = []
    grants: list[sql.Composable] = []
    if broken or behind_now != list(old)[: len(behind_now)]:  # the second, where somebody changed or dropped a view
        change = f"{model} has other columns"
        if broken:
            change = f"column {broken[0]} is {'retyped' if broken[0] in new else 'gone'} in the new {model}"
        _refuse_dependents(connection, schemas.marts, model, change)
        grants = _grants(connection, schemas.marts, model)
        changes = _drop(schemas, model)
        old = {}
    names = [*old, *(name for name in new if name not in old)]  # a view can only gain columns at its end
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    behind, table = sql.Identifier(schemas.live, model), sql.Identifier(side, model)
    changes.append(sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(behind, columns, table))
    if stays:
        return changes
    view, gate = sql.Identifier(schemas.marts, model), sql.Identifier(schemas.live, GATE)
    changes.append(OUTER.format(view=view, gate=gate, columns=columns, behind=behind))
    return [*changes, *grants]


def _drop(schemas: Schemas, view: str) -> list[sql.Composable]:
    schema_names = (schemas.marts, schemas.live)
    return [sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(schema, view)) for schema in schema_names]


def _columns(connection: sa.Connection, schema: str, relation: str) -> Columns:
    query = sa.text(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = :relation "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(connection.execute(query, {"schema": schema, "relation": relation}).tuples().all())


def _refuse_dependents(connection: sa.Connection, schema: str, view: str, change: str) -> None:
    query = sa.text(
        "SELECT DISTINCT CAST(CAST(r.ev_class AS regclass) AS text) FROM pg_depend d JOIN pg_rewrite r "
        "ON r.oid = d.objid JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE d.classid = 'pg_rewrite'::regclass AND n.nspname = :schema AND c.relname = :view "
        "AND r.ev_class <> c.oid ORDER BY 1"
    )
    users = connection.scalars(query, {"schema": schema, "view": view}).all()
    if users:
        raise ToolError(
            f"the marts were not published: {change}, and {', '.join(users)} reads {schema}.{view}. "
            f"The old marts stay. Change or drop {users[0]} first, or keep the column."
        )


def _grants(connection: sa.Connection, schema: str, view: str) -> list[sql.Composable]:
    """What must be granted again after the view was recreated."""
    query = sa.text(
        "SELECT g.privilege_type, CASE WHEN g.grantee = 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g "
        "WHERE n.nspname = :schema AND c.relname = :view AND g.grantee <> c.relowner"
    )
    rows = connection.execute(query, {"schema": schema, "view": view}).tuples()
    return [
        sql.SQL("GRANT {} ON {} TO {}").format(
            sql.SQL(privilege),
            sql.Identifier(schema, view),
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
        )
        for privilege, grantee in rows
    ]
