"""Which kinds of symbols can be combined, and what becomes of their nulls. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from contracts.literals import Untraceable

NUMBERS = ("integer", "decimal", "float")  # in order: the wider of two is the later
TIMES = ("timestamp", "timestamp with time zone")


class Nulls(IntEnum):
    """What a check asks about rows in which its column is null. Of two that meet, the later holds."""

    KEPT = 0  # a check of the table: they are asked about, as any other
    DROPPED = 1  # a check of one column: they are not asked about, and the expression is unknown for them
    GUARDED = 2  # they are not asked about, but the expression may say false of them


def as_float(symbol: Any) -> Any:
    """The expression of a number as a double."""
    return symbol.element if symbol.kind == "float" else sa.cast(symbol.element, sa.Double())


def result_kind(left: str, right: str, compute: Callable[[Any, Any], Any]) -> str:
    """The kind of what +, - or * makes of two kinds.

    Raises:
        Untraceable: nothing that is known to mean the same in pandas and in SQL.
    """
    if left in NUMBERS and right in NUMBERS:
        return max(left, right, key=NUMBERS.index)
    if left in TIMES and left == right and compute is operator.sub:
        return "interval"
    if left in TIMES and right == "interval" and compute is not operator.mul:
        return left
    if left == right == "interval" and compute is not operator.mul:
        return "interval"
    raise Untraceable(f"{left} {compute.__name__} {right}")
