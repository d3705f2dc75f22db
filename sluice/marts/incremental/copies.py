"""Incremental models whose table on a side is first made what readers have.

A side is built every second time, so its own tables lack what the build between has added. A model that looks at its
table takes that in with the next build. Two kinds cannot: one that takes in a fixed window, such as yesterday's rows,
and one whose rows are nowhere else any more (dbt's `full_refresh: false`). They start from a copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sluice.ledger import builds, write_right
from sluice.marts.dbt.runner import Progress
from sluice.marts.incremental.full_refresh import Refresh, only_here
from sluice.marts.own_project.hooks import COMMENTS
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

THIS = re.compile(r"\bthis\b")
BY_LOAD = "replace_loads"  # Sluice's strategy: it reads from the table itself which loads it has

KIND = sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)")
COLUMNS = sa.text(
    "SELECT attname, format_type(atttypid, atttypmod), attgenerated <> '' FROM pg_attribute "
    "WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
REFERENCED = sa.text("SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(:name))")
OWNER = sa.text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(:name)")
DROPS = {"r": "DROP TABLE %(target)s CASCADE", "v": "DROP VIEW %(target)s CASCADE"}
# LIKE would give them other names, and a hook with `create index if not exists` would make them twice
INDEXES = sa.text(
    "SELECT relname, indisunique, pg_get_constraintdef(k.oid), substr(pg_get_indexdef(c.oid), strpos("
    "pg_get_indexdef(c.oid), ' USING ')) FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
    "LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = indrelid "
    "WHERE indrelid = to_regclass(:name) AND indisvalid ORDER BY c.oid"
)
CREATE = "CREATE TABLE %(target)s (LIKE %(source)s INCLUDING ALL EXCLUDING INDEXES)"
COPY = "INSERT INTO %(target)s (%(columns)s) OVERRIDING SYSTEM VALUE SELECT %(columns)s FROM %(source)s"


def make(
    warehouse: Warehouse,
    side: str,
    build_id: int,
    manifest: Mapping[str, Any] | None,
    refreshed: Refresh,
    progress: Progress | None = None,
) -> bool:
    """Copy what readers have of such models to the side, each in a transaction. Nothing before there are marts.

    Args:
        manifest: of the project as it is; of what readers have, where nobody has read it yet.
        refreshed: what is built from nothing: it needs no copy, unless its rows are nowhere else.

    Returns:
        Whether anything was copied.

    Raises:
        Overtaken: a later build began.
    """
    with transaction(warehouse.engine, "cannot read what readers have") as connection:
        live = builds.live(connection)
        if live is None or live.side == side:
            return False
        bases = builds.bases(connection, live.side, build_id)
    if manifest is None and bases and bases[-1].manifest is not None:
        manifest = json.loads(bases[-1].manifest)
    schemas, tables = warehouse.schemas, []
    for node in copied(manifest or {"nodes": {}}, everything=refreshed.everything):
        schema = schemas.known_as(node["schema"])
        part, name = schemas.on_side(schema, side), node["alias"]
        label = name if part == side else f"{part}.{name}"
        if part in schemas.parts(side) and label not in refreshed.models:
            tables.append(((schemas.on_side(schema, live.side), name), (part, name)))
    if tables:
        with write_right.held(warehouse, side, build_id) as connection:
            for number, (source, target) in enumerate(sorted(tables)):
                if progress is not None:
                    progress(number, len(tables), f"copy of {source[1]}")
                _copy(connection, source, target)
                connection.commit()
    return bool(tables)


def copied(manifest: Mapping[str, Any], *, everything: bool) -> Sequence[Mapping[str, Any]]:
    """The models whose tables start from a copy.

    Args:
        everything: dbt builds every model from nothing but those with `full_refresh: false`.
    """
    models = [node for node in manifest["nodes"].values() if node["config"].get("materialized") == "incremental"]
    kept = [node for node in models if node["config"].get("incremental_strategy") != BY_LOAD]
    return [node for node in kept if only_here(node) or not (everything or _looks_at_its_table(node))]


def _looks_at_its_table(node: Mapping[str, Any]) -> bool:
    """Whether the model's own text names `{{ this }}`. Where a macro does so instead, a copy does no harm."""
    return bool(THIS.search(COMMENTS.sub(" ", node.get("raw_code") or "")))


def _copy(connection: sa.Connection, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Give a table of the side the rows of another, and its columns and indexes where they are others.

    Nothing, if there is no such source. The views over a table that keeps its columns stay.
    """
    quote = connection.dialect.identifier_preparer.quote
    words = {"source": ".".join(map(quote, source)), "target": ".".join(map(quote, target))}

    def found(query: sa.TextClause, name: str) -> Any:
        return connection.execute(query, {"name": words[name]})

    if found(KIND, "source").scalar() != "r":
        return
    columns = found(COLUMNS, "source").tuples().all()
    kind = found(KIND, "target").scalar()
    same = kind == "r" and found(COLUMNS, "target").tuples().all() == columns
    emptied = same and not found(REFERENCED, "target").scalar()  # else it cannot be emptied alone
    if emptied:
        _run(connection, "TRUNCATE %(target)s", words)
    else:
        if kind in DROPS:
            _run(connection, DROPS[kind], words)
        _run(connection, CREATE, words)
    listed = ", ".join(quote(name) for name, _, generated in columns if not generated)
    _run(connection, COPY, {**words, "columns": listed})
    if not emptied:
        for name, unique, constraint, what in found(INDEXES, "source").tuples():
            index = f"CREATE {'UNIQUE ' * unique}INDEX %(name)s ON %(target)s %(what)s"
            statement = "ALTER TABLE %(target)s ADD CONSTRAINT %(name)s %(what)s" if constraint else index
            _run(connection, statement, {**words, "name": quote(name), "what": constraint or what})
        owner = quote(str(found(OWNER, "source").scalar()))
        _run(connection, "ALTER TABLE %(target)s OWNER TO %(owner)s", {**words, "owner": owner})


def _run(connection: sa.Connection, statement: str, words: Mapping[str, str]) -> None:
    connection.execute(sa.DDL(statement, context=dict(words)))
