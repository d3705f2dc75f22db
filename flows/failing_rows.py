"""A few of the rows that failing dbt tests found on the candidate side, for the message. Reads only, and never long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg2 import sql

from flows import personal
from flows.dbt_results import DbtRun, NodeResult
from flows.messages import plain
from flows.warehouse import DATABASE_ERRORS, Warehouse, execute

TESTS, ROWS = 5, 3  # shown in one message; the rest are seen with the command that stands beside them
WIDTH = 300  # characters of a row
SECONDS = 30  # a test's query that takes longer is not worth a sample


def describe(warehouse: Warehouse, run: DbtRun) -> str:
    """The rows, one line each below the name of their test; personal data is masked. Empty if there are none."""
    failed = [node for node in run.failed if node.resource_type == "test" and node.sql is not None]
    known = personal.columns(run.artifact("manifest")["nodes"].values())
    lines: list[str] = []
    for node in failed[:TESTS]:
        rows = list(_rows(warehouse, node))
        lines += [f"  rows of {node.name}:"] if rows else []
        masked = personal.made_of(known, _query(node)) if known and rows else set()
        lines += [f"    {_line(row, masked)}" for row in rows]
    return "\n".join(lines)


def _rows(warehouse: Warehouse, node: NodeResult) -> Iterator[Mapping[str, Any]]:
    if node.sql is None or not node.sql.exists():
        return
    query = sql.SQL("SELECT * FROM ({}) AS failing LIMIT {}").format(  # dbt's own text, which it has just run
        sql.SQL(_query(node)), sql.Literal(ROWS)
    )
    try:
        with warehouse.engine.connect() as connection:
            execute(connection, sql.SQL("SET TRANSACTION READ ONLY"))
            execute(connection, sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{SECONDS}s")))
            driver = connection.connection.driver_connection
            with driver.cursor() as cursor:  # type: ignore[union-attr]
                cursor.execute(query)
                names = [column.name for column in cursor.description]
                yield from [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except (*DATABASE_ERRORS, OSError):
        return  # the message says how to see them, and why the test failed


def _query(node: NodeResult) -> str:
    return node.sql.read_text(encoding="utf-8").strip().rstrip(";") + "\n" if node.sql is not None else ""


def _line(row: Mapping[str, Any], masked: set[str]) -> str:
    shown = ", ".join(
        f"{name}={'***' if name.lower() in masked else 'null' if value is None else plain(value)}"
        for name, value in row.items()
        if not name.startswith("_") or len(row) <= 4
    )
    return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."
