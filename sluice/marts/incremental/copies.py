"""Incremental models, whose table on a side is first made what readers have.

A side is built every second time, so its own tables lack what the build between has added. With dbt alone a model has
one table, and what a night adds depends on it: yesterday's rows, what is newer than its newest row, what its source
will not have again. So such a model starts from what readers have, and the sides are two versions of one table. Models
of Sluice's own strategy need none of it: they find in their table which loads they lack, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError
from sluice.ledger import builds, write_right
from sluice.marts.dbt.runner import Progress
from sluice.marts.incremental import full_refresh
from sluice.marts.incremental.full_refresh import KINDS, REFILLED, Refresh, label, only_here
from sluice.project import fingerprints
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

BROKEN = frozenset({"error", "fail", "runtime error", "partial success"})
BY_LOAD = "replace_loads"  # Sluice's strategy: it reads from the table itself which loads it has

KIND = sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)")
COLUMNS = sa.text(
    "SELECT attname, format_type(atttypid, atttypmod), attgenerated <> '' FROM pg_attribute "
    "WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
REFERENCED = sa.text(
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND to_regclass(:name) IN (confrelid, conrelid))"
)
OWNER = sa.text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(:name)")
# LIKE would give them other names, and a hook with `create index if not exists` would make them twice
INDEXES = sa.text(
    "SELECT relname, indisunique, pg_get_constraintdef(k.oid), substr(pg_get_indexdef(c.oid), strpos("
    "pg_get_indexdef(c.oid), ' USING ')) FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
    "LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = indrelid "
    "WHERE indrelid = to_regclass(:name) AND indisvalid ORDER BY c.oid"
)
CREATE = "CREATE TABLE %(target)s (LIKE %(source)s INCLUDING ALL EXCLUDING INDEXES)"
COPY = "INSERT INTO %(target)s (%(columns)s) OVERRIDING SYSTEM VALUE SELECT %(columns)s FROM %(source)s"


Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """What a side was given before dbt builds it.

    Attributes:
        touched: a table of the side was dropped or filled.
        everything: dbt is to build every model from nothing (`--full-refresh`).
    """

    touched: bool
    everything: bool


def make(
    warehouse: Warehouse,
    side: str,
    build_id: int,
    manifest: Mapping[str, Any] | None,
    stale: Refresh,
    progress: Progress | None = None,
) -> Start:
    """Copy what readers have of such models to the side, each in a transaction, and drop what is built from nothing.

    A model whose logic is another than that of what readers have is built from nothing, but one with dbt's
    `full_refresh: false`.

    Args:
        manifest: of the project as it is; of what readers have, where nobody has read it yet.
        stale: what of the side's own tables is of other logic than the project.

    Raises:
        Overtaken: a later build began.
    """
    with transaction(warehouse.engine, "cannot read what readers have") as connection:
        live = builds.live(connection)
        readers = () if live is None or live.side == side else builds.bases(connection, live.side, build_id)
        done = {} if stale.everything else builds.since_published(connection, side, build_id)
    if live is None or not readers:
        full_refresh.drop(warehouse, side, build_id, stale.models)
        return Start(bool(stale.models), stale.everything)
    if manifest is None:
        manifest = json.loads(readers[-1].manifest or b'{"nodes": {}}')
    there = _on_side(warehouse.schemas, side, manifest)
    models = {name: node for name, node in there.items() if starts_from_a_copy(node)}
    replaceable = {name for name, node in models.items() if not only_here(node)}
    other = full_refresh.changed(warehouse, side, fingerprints.project(), readers) if replaceable else Refresh()
    rebuilt = replaceable if other.everything else replaceable & {*other.models}
    everything = stale.everything and not replaceable - rebuilt
    dropped = ({*stale.models} - {*models}) | rebuilt
    if stale.everything and not everything:
        dropped |= {*there} - {*models}
    full_refresh.drop(warehouse, side, build_id, dropped)
    copied = [
        node
        for name, node in models.items()
        if name not in rebuilt and (name in stale.models or not _has_more_than_readers(node, manifest, done))
    ]
    _copy_all(warehouse, side, build_id, copied, live.side, progress)
    return Start(bool(dropped or copied), everything)


def starts_from_a_copy(node: Node) -> bool:
    """Whether the node is an incremental model that cannot find what it lacks."""
    config = node.get("config", {})  # a manifest that is kept may be of another dbt
    return config.get("materialized") == "incremental" and config.get("incremental_strategy") != BY_LOAD


def _on_side(schemas: Schemas, side: str, manifest: Mapping[str, Any]) -> dict[str, Node]:
    """What dbt fills again instead of rebuilding it, by its label on the side."""
    refilled = [node for node in manifest["nodes"].values() if node["config"].get("materialized") in REFILLED]
    placed = [(schemas.on_side(schemas.known_as(node["schema"]), side), node) for node in refilled]
    return {label(side, part, node["alias"]): node for part, node in placed if part in schemas.parts(side)}


def _copy_all(
    warehouse: Warehouse, side: str, build_id: int, nodes: list[Node], live: str, progress: Progress | None
) -> None:
    if not nodes:
        return
    schemas = warehouse.schemas
    with write_right.held(warehouse, side, build_id) as connection:
        for number, node in enumerate(sorted(nodes, key=lambda each: str(each["unique_id"]))):
            schema, name = schemas.known_as(node["schema"]), node["alias"]
            if progress is not None:
                progress(number, len(nodes), f"copy of {name}")
            _copy(connection, (schemas.on_side(schema, live), name), (schemas.on_side(schema, side), name))
            connection.commit()


def _has_more_than_readers(node: Node, manifest: Mapping[str, Any], done: Mapping[str, frozenset[str]]) -> bool:
    """Whether the side's table is a copy, too, with what nights have added that passed here and failed elsewhere.

    Not of a model that adds its rows again where it is built twice.

    Args:
        done: on the side since the last publish.
    """
    config, name = node["config"], node["unique_id"]
    again = config.get("unique_key") or config.get("incremental_strategy") == "microbatch"
    tests = (each for each in manifest["nodes"].values() if name in each.get("depends_on", {}).get("nodes", ()))
    tests_too = [name, *(each["unique_id"] for each in tests if each["resource_type"] == "test")]
    broken = any(BROKEN & done.get(each, frozenset()) for each in tests_too)
    return bool(again and name in done and not broken)


def _copy(connection: sa.Connection, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Give a table of the side the rows of another, and its columns and indexes where they are others.

    Nothing, if there is no such source. The views over a table that keeps its columns stay.
    """
    quote = connection.dialect.identifier_preparer.quote
    words = {"source": ".".join(map(quote, source)), "target": ".".join(map(quote, target))}

    def found(query: sa.TextClause, name: str) -> Any:
        return connection.execute(query, {"name": words[name]})

    there = found(KIND, "source").scalar()
    if there == "p":
        raise ConfigError(
            f"{'.'.join(source)} is a partitioned table, and Sluice cannot copy one to the other side, where the "
            "incremental model would lack the last build's rows. Build it without partitions. The old marts stay"
        )
    if there != "r":
        return
    columns = found(COLUMNS, "source").tuples().all()
    kind = found(KIND, "target").scalar()
    same = kind == "r" and found(COLUMNS, "target").tuples().all() == columns
    emptied = same and not found(REFERENCED, "target").scalar()  # else its rows and those of another need each other
    if emptied:
        _run(connection, "TRUNCATE %(target)s", words)
    else:
        if kind in KINDS:
            _run(connection, f"DROP {KINDS[kind]} %(target)s CASCADE", words)
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
