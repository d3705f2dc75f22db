"""The candidate compared with what readers have, kept in `ops.comparisons`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ToolError
from sluice.contract.formatting import counted
from sluice.ledger import builds, write_right
from sluice.ledger.tables import comparisons
from sluice.marts import measures
from sluice.marts.difference.difference import same
from sluice.marts.measures import Mart, Measure
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Compared:
    """One mart, old against new, in the batches that differ.

    Attributes:
        old, new: rows of these batches; old is None when readers do not have the mart yet.
        keys_added, keys_removed: None where no key of the mart is known on both sides.
        moved: columns whose null share or mean moved by more than MOVED, as one sentence each.
    """

    mart: str
    batches: tuple[str, ...]
    old: int | None
    new: int
    keys_added: int | None
    keys_removed: int | None
    moved: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything but totals within the ordinary is other than it was."""
        return self.old != self.new or bool(self.keys_added or self.keys_removed or self.moved)

    def __str__(self) -> str:
        was = "new mart" if self.old is None else f"{counted(self.old, 'row')} before"
        where = f" in {', '.join(self.batches)}" if any(self.batches) else ""
        words = [f"{self.mart}{where}: {was}, {self.new:,} now"]
        if self.keys_added is not None and self.keys_removed is not None:
            words.append(f"keys +{self.keys_added:,} -{self.keys_removed:,}")
        return "; ".join([*words, *self.moved])


MOVED = Decimal("0.05")  # of the null share (in points) or of the mean: less is a month's ordinary ups and downs


def compare(
    warehouse: Warehouse, build_id: int, side: str, project: str, manifest: Mapping[str, Any]
) -> tuple[Compared, ...]:
    """Compare every mart of the candidate, keep the measures in `ops.comparisons`, and say what is other.

    One aggregate scan of each side per mart, of the batches that differ. Marts without a difference are left out.

    Raises:
        Overtaken: a later build began.
        ToolError: the database failed; nothing was published.
    """
    try:
        # As dbt's user: a view of a model calls functions with the rights of who reads it
        with warehouse.dbt.execution_options(postgresql_readonly=True).begin() as connection:
            write_right.share(connection, side, build_id)
            found = list(_measured(warehouse, connection, side, project, manifest))
        with warehouse.engine.begin() as connection:
            for mart, taken, _ in found:
                _keep(connection, build_id, mart, taken)
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"the marts were not published: comparing them with the old ones failed: {first_line(error)}"
        ) from None
    return tuple(_compared(*each) for each in found)


def _measured(
    warehouse: Warehouse, connection: sa.Connection, side: str, project: str, manifest: Mapping[str, Any]
) -> Iterator[tuple[Mart, Sequence[Measure], bool]]:
    """Each mart that differs, its measures, and whether readers have none of that name."""
    now = builds.live(connection)
    old_side = str(now.side) if now else None
    shown = builds.newest_touching(connection, old_side) if old_side else None
    same_logic = shown is not None and shown.project == project
    # A mart whose table somebody dropped is a new one
    shown_now = {*now.models} - {*warehouse.data.missing_marts(connection, now.side, now.models)} if now else set()
    for mart in measures.marts_of(connection, side, manifest):
        known = old_side if mart.name in shown_now else None
        if taken := measures.measure(connection, mart, known, side, same_logic):
            yield mart, taken, known is None


def _keep(connection: sa.Connection, build_id: int, mart: Mart, taken: Sequence[Measure]) -> None:
    rows = [
        {
            "build_id": build_id,
            "mart": mart.name,
            "batch": measure.batch,
            "measure": measure.name,
            "column_name": measure.column,
            "old": measure.old,
            "new": measure.new,
        }
        for measure in taken
    ]
    connection.execute(comparisons.insert(), rows)


def _compared(mart: Mart, taken: Sequence[Measure], is_new: bool) -> Compared:
    def total(name: str, which: str) -> int:
        return sum(int(getattr(m, which) or 0) for m in taken if m.name == name)

    rows = {measure.batch: measure for measure in taken if measure.name == "rows"}
    has_keys = any(measure.name == "keys added" for measure in taken)
    return Compared(
        mart=mart.name,
        batches=tuple(sorted({m.batch for m in taken})),
        old=None if is_new else total("rows", "old"),
        new=total("rows", "new"),
        keys_added=total("keys added", "new") if has_keys else None,
        keys_removed=total("keys removed", "new") if has_keys else None,
        moved=tuple(words for measure in taken if (words := _moved(measure, rows.get(measure.batch)))),
    )


def _moved(measure: Measure, rows: Measure | None) -> str:
    """What to say of a null share, total or mean that moved by more than is ordinary.

    A batch is compared by its totals, a whole mart, whose totals grow with every batch, by its means.
    """
    old, new = measure.old, measure.new
    if old is None or new is None or measure.name not in ("null share", "total"):
        return ""
    of = f"{measure.column} in {measure.batch}" if measure.batch else measure.column
    if measure.name == "null share":
        return f"{of}: {old:.1%} null before, {new:.1%} now" if abs(new - old) > MOVED else ""
    what = "total" if measure.batch else "mean"
    if not (old.is_finite() and new.is_finite()):
        return "" if same(old, new) else f"{what} {of}: {old:,} before, {new:,} now"
    if not measure.batch and rows is not None and rows.old and rows.new:
        old, new = round(old / rows.old, 2), round(new / rows.new, 2)
    change = abs(new - old) / abs(old) if old else Decimal(1 if new else 0)
    return f"{what} {of}: {old:,} before, {new:,} now" if change > MOVED else ""
