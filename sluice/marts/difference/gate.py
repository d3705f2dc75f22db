"""How much of a difference needs no person: `[marts] gate` of sluice.toml. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from sluice.contract.formatting import counted, percent
from sluice.marts.difference.difference import ColumnDifference, MartDifference, same
from sluice.project.marts.settings import Limits


def reasons(marts: Sequence[MartDifference], limits: Limits) -> tuple[str, ...]:
    """Why a publish waits for a person, one sentence each. A new mart has nothing to be compared with."""
    return tuple(f"{mart.mart}: {reason}" for mart in marts for reason in _of_mart(mart, limits))


def _of_mart(mart: MartDifference, limits: Limits) -> Iterator[str]:
    if mart.state == "gone" and limits.removed is not None and limits.removed < 1:
        yield "the mart is gone"
    if mart.state != "changed":
        return
    before, more = mart.rows_before or 0, (mart.rows_now or 0) - (mart.rows_before or 0)
    added, removed = max(mart.added or 0, more), max(mart.removed or 0, -more)  # rows without a key are in no count
    for what, rows in (("added", added), ("removed", removed), ("changed", mart.changed or 0)):
        limit, share = getattr(limits, what), _share(rows, before)
        if limit is not None and share > limit:
            yield f"{counted(rows, 'row')} {what}, {percent(share)} of {before:,} ({_allowed(limit)})"
    for column in mart.columns:
        yield from _of_column(column, limits)


def _of_column(column: ColumnDifference, limits: Limits) -> Iterator[str]:
    if limits.null_share is not None and column.nulls_before is not None and column.nulls_now is not None:
        moved = round(abs(column.nulls_now - column.nulls_before), 6)
        if moved > limits.null_share:
            shown = f"{percent(column.nulls_before)} null before, {percent(column.nulls_now)} now"
            yield f"{column.column}: {shown} ({_allowed(limits.null_share)})"
    before, now = column.total_before, column.total_now
    if limits.total is not None and before is not None and now is not None and not same(before, now):
        finite = before.is_finite() and now.is_finite()  # else the change is beyond any limit
        if not finite or _share(abs(now - before), abs(before)) > limits.total:
            shown = f"total {before:,} before, {now:,} now"
            yield f"{column.column}: {shown} ({_allowed(limits.total)})"


def _share(part: float | Decimal, whole: float | Decimal) -> float:
    """A share of what there was; of nothing, all of it."""
    return float(part) / float(whole) if whole else float(bool(part))


def _allowed(limit: float) -> str:
    return f"[marts] gate allows {percent(limit)}"
