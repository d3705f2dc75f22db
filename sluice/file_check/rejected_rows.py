"""Which rows of a file are rejected, and which of them have a key that fails a check: kept on disk, in SQLite.

Memory does not grow with the file: SQLite holds 2 MB of pages, and sorts in files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from sluice.contract.checks.compile import ROW_NUMBER, UNPARSED, Check
from sluice.contract.checks.keys import OF_KEYS, failing
from sluice.contract.checks.report import SAMPLE_ROWS
from sluice.contract.contract import Contract
from sluice.contract.values.shown import key

FILE = "rows.sqlite"
_REJECT = "INSERT OR IGNORE INTO rejected VALUES (?)"


class RejectedRows:
    """The numbers of the rejected rows, and the keys of all rows. Close it in the end.

    Args:
        keep: columns to be remembered although no check asks for them.
    """

    def __init__(
        self, contract: Contract, batch: str, checks: Sequence[Check], folder: Path, keep: Iterable[str] = ()
    ) -> None:
        named = {name for check in checks if check.kind in OF_KEYS for name in check.columns} | set(keep)
        self._batch = batch
        self._columns = [column for column in contract.columns if column.name in named]
        names = [ROW_NUMBER.name, UNPARSED.name, *(column.name for column in self._columns)]
        self._keys = sa.table("keys", *(sa.column(name) for name in names))
        quoted = ", ".join(f'"{name}"' for name in names)  # without a type, so that SQLite converts no value
        self._insert = f"INSERT INTO keys VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - question marks
        engine = sa.create_engine(f"sqlite:///{folder / FILE}", poolclass=sa.NullPool)
        self._connection = engine.connect()
        self._run("PRAGMA journal_mode=OFF")
        self._run("CREATE TABLE rejected (number INTEGER PRIMARY KEY)")
        self._run(f"CREATE TABLE keys ({quoted})")

    def reject(self, numbers: Iterable[int]) -> None:
        """Write down rows that a check rejects."""
        if rows := [(number,) for number in numbers]:
            self._run(_REJECT, rows)

    def remember(self, rows: pa.RecordBatch) -> None:
        """Write down the keys of some rows."""
        if not self._columns:
            return
        values = [rows.column(name).to_pylist() for name in (ROW_NUMBER.name, UNPARSED.name)]
        for column in self._columns:
            values.append([key(column.type, value) for value in rows.column(column.name).to_pylist()])
        self._run(self._insert, list(zip(*values, strict=True)))

    def know(self, dataset_id: str, batch: str, columns: Sequence[str], other: Path) -> None:
        """Take in keys that are published.

        Args:
            columns: that checks look up.
            other: the folder of the `RejectedRows` of a file of that dataset, whose rows have all been judged.
        """
        names = ", ".join(f'"{name}"' for name in columns)
        self._run("ATTACH DATABASE ? AS other", (str(other / FILE),))
        self._run(f'CREATE TABLE IF NOT EXISTS "{dataset_id}" (_batch, {names})')
        accepted = "_row_number NOT IN (SELECT number FROM other.rejected)"
        rows = f"SELECT ?, {names} FROM other.keys WHERE {accepted}"  # noqa: S608 - names that a contract may have
        self._run(f'INSERT INTO "{dataset_id}" {rows}', (batch,))
        for name in columns:
            self._run(f'CREATE INDEX IF NOT EXISTS "{dataset_id}.{name}" ON "{dataset_id}" ("{name}")')
        self._connection.commit()
        self._run("DETACH DATABASE other")

    def failing(self, check: Check) -> tuple[int, list[dict[str, Any]]]:
        """How many rows fail a check of keys, and the keys of the first of them. They are rejected if it rejects."""
        found = failing(check, self._keys, self._batch).subquery()
        number = found.c[0]
        count = self._connection.scalar(sa.select(sa.func.count()).select_from(found)) or 0
        if not count:
            return 0, []
        if check.severity == "error":
            self._run("CREATE TEMP TABLE found (number)")
            self._connection.execute(sa.insert(sa.table("found", sa.column("number"))).from_select(["number"], found))
            self._run("INSERT OR IGNORE INTO rejected SELECT number FROM found")
            self._run("DROP TABLE found")
        first = sa.select(number).order_by(number).limit(SAMPLE_ROWS)
        names = [ROW_NUMBER.name, *check.columns]
        place = self._keys.c[ROW_NUMBER.name]
        rows = sa.select(*(self._keys.c[name] for name in names)).where(place.in_(first)).order_by(place)
        return int(count), [dict(row._mapping) for row in self._connection.execute(rows)]

    def count(self) -> int:
        """How many rows are rejected."""
        return int(self._run("SELECT count(*) FROM rejected").scalar_one())

    def close(self) -> None:
        self._connection.commit()
        self._connection.close()

    def _run(self, statement: str, rows: Any = None) -> sa.CursorResult[Any]:
        return self._connection.exec_driver_sql(statement, rows)
