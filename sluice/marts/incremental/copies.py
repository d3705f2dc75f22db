"""Incremental models whose table on a side is first made what readers have.

A side is built every second time, so its own tables lack what the build between has added. A model that asks for all
that is newer than its table takes that in with the next build. Others may not, such as one that takes in yesterday's
rows, or one whose rows are nowhere else any more (dbt's `full_refresh: false`). They start from a copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sluice.ledger import builds, write_right
from sluice.marts.dbt.runner import Progress
from sluice.marts.incremental.full_refresh import Refresh, label, only_here
from sluice.marts.own_project.hooks import COMMENTS
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

BLOCK = re.compile(r"\{%-?\s*if\s+is_incremental\(\)\s*-?%\}(.*?)\{%-?\s*(?:endif|else)\s*-?%\}", re.DOTALL)
NEWER = re.compile(r"(?:where|and)\b[^<>={}]*>=?[^<>={}]*\bmax *\([^<>={}]*\bfrom \{\{-? ?this ?-?\}\}[^<>={}]*", re.I)
# What says more than that within such a block; and a window that moves with the clock, there or in another condition
MORE = re.compile(r"\b(?:and|or|not|between|in|exists|union|join|where|limit)\b", re.I)
CLOCK = r"(?:\bcurrent_|\blocaltime|\bnow *\(|_timestamp *\(|\bmodules\.|\bvar *\(|\brun_started_at)"
WITH_CLOCK = re.compile(rf"\b(?:where|and|or|on|having)\b[^,;]*{CLOCK}", re.I)
BROKEN = frozenset({"error", "fail", "runtime error", "partial success"})
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
        done = {} if refreshed.everything else builds.since_published(connection, side, build_id)
    if manifest is None and bases and bases[-1].manifest is not None:
        manifest = json.loads(bases[-1].manifest)
    schemas, tables = warehouse.schemas, []
    for node in copied(manifest or {"nodes": {}}, everything=refreshed.everything):
        if _has_more_than_readers(node, manifest or {}, done):
            continue
        schema = schemas.known_as(node["schema"])
        part, name = schemas.on_side(schema, side), node["alias"]
        if part in schemas.parts(side) and label(side, part, name) not in refreshed.models:
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
    return [node for node in kept if only_here(node) or not (everything or _takes_in_what_is_newer(node))]


def _takes_in_what_is_newer(node: Mapping[str, Any]) -> bool:
    """Whether the model leaves out only what is older than its table: `where at > (select max(at) from {{ this }})`.

    By these words alone: another model may take in as much, but a copy is right for every one.
    """
    text = " ".join(COMMENTS.sub(" ", node.get("raw_code") or "").split())
    blocks = [block.strip() for block in BLOCK.findall(text)]
    if not blocks or len(blocks) != text.count("is_incremental") or WITH_CLOCK.search(text):
        return False
    more = any(MORE.search(block, len("and")) or re.search(CLOCK, block, re.I) for block in blocks)
    return not more and all(NEWER.fullmatch(block) for block in blocks)


def _has_more_than_readers(
    node: Mapping[str, Any], manifest: Mapping[str, Any], done: Mapping[str, frozenset[str]]
) -> bool:
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
