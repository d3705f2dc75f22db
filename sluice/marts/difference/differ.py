"""Every mart of two sides compared, in the database: one join on the key for all counts, and a few rows. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from sluice.alerts.messages import plain
from sluice.contract.contract import hide
from sluice.marts import measures
from sluice.marts.difference.difference import ColumnDifference, MartDifference, RowDifference

SAMPLES = 3  # rows of each kind
WIDTH = 80  # characters of a value


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides, and what must not be shown.

    Attributes:
        old: what readers have; None before anything was published.
        shown: the marts that readers have.
        personal: names of columns, in lower case.
    """

    old: str | None
    new: str
    shown: Collection[str]
    personal: Collection[str]


def compare(
    connection: sa.Connection, sides: Sides, marts: Sequence[measures.Mart], samples: bool
) -> tuple[MartDifference, ...]:
    """Every mart of the candidate, and every one that readers would lose.

    Args:
        samples: whether to look for rows that differ, too.
    """
    found = [_mart(connection, sides, mart, samples) for mart in sorted(marts, key=lambda mart: mart.name)]
    gone = sorted({*sides.shown} - {mart.name for mart in marts})
    return (
        *found,
        *(MartDifference(name, "gone", rows_before=_rows(connection, str(sides.old), name)) for name in gone),
    )


def _rows(connection: sa.Connection, side: str, name: str) -> int:
    table = measures.on_side(connection, name, side)
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _mart(connection: sa.Connection, sides: Sides, mart: measures.Mart, samples: bool) -> MartDifference:
    if sides.old is None or mart.name not in sides.shown:
        return MartDifference(mart.name, "new", mart.key, rows_now=_rows(connection, sides.new, mart.name))
    there = measures.columns_of(connection, mart.name, sides.old)
    there = {name: kind for name, kind in there.items() if not name.startswith("_")}
    both = _Both(connection, mart, sides, there)
    before, after = both.aggregates(sides.old, there), both.aggregates(sides.new, mart.columns)
    counts = both.by_key() if both.key else both.whole()
    columns = tuple(_columns(mart, there, before, after, counts))
    differs = before["rows"] != after["rows"] or any(counts.get(name) for name in ("added", "removed", "changed"))
    differs = differs or any(column.differs for column in columns)
    return MartDifference(
        mart.name,
        "changed" if differs else "same",
        both.key,
        int(before["rows"]),
        int(after["rows"]),
        counts["added"],
        counts["removed"],
        counts.get("changed"),
        columns,
        tuple(both.samples(counts)) if samples and differs else (),
    )


def _columns(
    mart: measures.Mart,
    there: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    counts: Mapping[str, int | None],
) -> Iterator[ColumnDifference]:
    for name in (*there, *(name for name in mart.columns if name not in there)):
        state = "gone" if name not in mart.columns else "new" if name not in there else "both"
        if state == "both" and str(there[name]) != str(mart.columns[name]):
            state = "retyped"
        yield ColumnDifference(
            name,
            state,
            counts.get(f"column {name}"),
            _nulls(before, name),
            _nulls(after, name),
            before.get(f"t {name}"),
            after.get(f"t {name}"),
        )


def _nulls(row: Mapping[str, Any], name: str) -> float | None:
    filled = row.get(f"n {name}")
    return None if filled is None or not row["rows"] else round(1 - int(filled) / int(row["rows"]), 6)


class _Both:
    """One mart on both sides."""

    def __init__(self, connection: sa.Connection, mart: measures.Mart, sides: Sides, there: Mapping[str, Any]) -> None:
        self.connection, self.personal = connection, sides.personal
        self.same = {name for name, kind in mart.columns.items() if str(there.get(name)) == str(kind)}
        self.key = mart.key if {*mart.key} <= self.same else ()
        self.shared = [name for name in mart.columns if name in self.same and name not in self.key]
        self.all = [name for name in mart.columns if name in there]
        self.mart = mart
        self.before, self.after = (self._table(str(side)) for side in (sides.old, sides.new))

    def _table(self, side: str) -> sa.TableClause:
        columns = [*self.key, *(name for name in self.all if name not in self.key)]
        return measures.on_side(self.connection, self.mart.name, side, columns)

    def aggregates(self, side: str, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """Rows, filled values and totals of one side."""
        mart = measures.Mart(self.mart.name, self.mart.key, columns, by_load=False)
        found = measures.aggregates(self.connection, mart, side, columns, None)
        return {name: _decimal(value) for name, value in found[""].items()} if found else {"rows": 0}

    def _joined(self) -> tuple[sa.FromClause, sa.FromClause, sa.FromClause]:
        """Both sides joined on the key. A row without a key is on neither: no other row is the same."""

        def keyed(table: sa.TableClause, name: str) -> sa.Subquery:
            return sa.select(table).where(*(table.c[each].is_not(None) for each in self.key)).subquery(name)

        before, after = keyed(self.before, "before"), keyed(self.after, "after")
        same = sa.and_(*(before.c[name] == after.c[name] for name in self.key))
        return before, after, before.join(after, same, full=True)

    def _comparable(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """The value, or its text where PostgreSQL has no equality, as of json, xml and point, or the type is new."""
        kind = self.mart.columns[column.name]
        native = column.name in self.same and not isinstance(kind, sa.JSON | sa.types.NullType)
        return column if native else sa.cast(column, sa.Text)

    def _differs(self, before: sa.FromClause, after: sa.FromClause, name: str) -> sa.ColumnElement[bool]:
        return self._comparable(before.c[name]).is_distinct_from(self._comparable(after.c[name]))

    def _kinds(self, before: sa.FromClause, after: sa.FromClause) -> dict[str, sa.ColumnElement[bool]]:
        first = self.key[0]
        both = sa.and_(before.c[first].is_not(None), after.c[first].is_not(None))
        differ = sa.or_(sa.false(), *(self._differs(before, after, name) for name in self.shared))
        return {
            "added": before.c[first].is_(None),
            "removed": after.c[first].is_(None),
            "changed": sa.and_(both, differ),
        }

    def by_key(self) -> dict[str, int | None]:
        """Keys added, removed and changed, and in how many of the changed ones each column differs."""
        before, after, joined = self._joined()
        kinds = self._kinds(before, after)
        asked = [sa.func.count().filter(condition) for condition in kinds.values()]
        asked += [sa.func.count().filter(kinds["changed"], self._differs(before, after, name)) for name in self.shared]
        row = self.connection.execute(sa.select(*asked).select_from(joined)).one()
        names = [*kinds, *(f"column {name}" for name in self.shared)]
        return dict(zip(names, map(int, row), strict=True))

    def _except(self, left: sa.TableClause, right: sa.TableClause) -> sa.Select:
        """Whole rows of the one that the other has not, as often as it has more of them."""

        def texts(table: sa.TableClause) -> sa.Select:
            return sa.select(*(self._comparable(table.c[name]).label(name) for name in self.all))

        return sa.select(sa.except_all(texts(left), texts(right)).subquery("rows"))

    def whole(self) -> dict[str, int | None]:
        """Rows added and removed, where none has a name."""
        if not self.all:
            return {"added": None, "removed": None}
        added, removed = self._except(self.after, self.before), self._except(self.before, self.after)
        asked = {"added": added.subquery(), "removed": removed.subquery()}
        query = {name: sa.select(sa.func.count()).select_from(rows) for name, rows in asked.items()}
        return {name: int(self.connection.scalar(each) or 0) for name, each in query.items()}

    def samples(self, counts: Mapping[str, int | None]) -> Iterator[RowDifference]:
        """A few rows of each kind that there is."""
        for kind in ("changed", "added", "removed"):
            if counts.get(kind):
                yield from self._by_key(kind) if self.key else self._whole(kind)

    def _by_key(self, kind: str) -> Iterator[RowDifference]:
        before, after, joined = self._joined()
        shown = self.shared if kind == "changed" else []
        keys = [sa.func.coalesce(after.c[name], before.c[name]) for name in self.key]
        values = [table.c[name] for table in (before, after) for name in shown]
        query = sa.select(*keys, *values).select_from(joined).where(self._kinds(before, after)[kind])
        for row in self.connection.execute(query.order_by(*keys).limit(SAMPLES)).tuples():
            key = self._hidden(dict(zip(self.key, row, strict=False)))
            old = dict(zip(shown, row[len(self.key) :], strict=False))
            new = dict(zip(shown, row[len(self.key) + len(shown) :], strict=True))
            other = [name for name in shown if old[name] != new[name]]
            was, now = (self._hidden({name: each[name] for name in other}) for each in (old, new))
            yield RowDifference(kind, key, {name: (was[name], now[name]) for name in other})

    def _whole(self, kind: str) -> Iterator[RowDifference]:
        sides = (self.after, self.before) if kind == "added" else (self.before, self.after)
        for row in self.connection.execute(self._except(*sides).limit(SAMPLES)).mappings():
            yield RowDifference(kind, self._hidden(dict(row)))

    def _hidden(self, row: Mapping[str, Any]) -> dict[str, object]:
        texts = {name: None if value is None else plain(value, WIDTH) for name, value in row.items()}
        return hide(texts, {name for name in texts if name.lower() in self.personal})


def _decimal(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int | float | Decimal) else value
