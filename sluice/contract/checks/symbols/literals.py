"""Kinds, nulls, Python values as SQL literals."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from sluice.contract.columns import PLAIN_TYPES

# In an expression, decimals of any size meet, and two times make an interval.
SQL_TYPES: dict[str, Any] = {
    **{kind.name: kind.sql for kind in PLAIN_TYPES.values()},
    "decimal": sa.Numeric(),
    "interval": sa.Interval(),
    "time": sa.Time(),
    "uuid": sa.Uuid(),
    "bytes": sa.LargeBinary(),
    "json": JSONB(),
}
INT64 = range(-(1 << 63), 1 << 63)


class Untraceable(BaseException):
    """The check does something that has no known equal in SQL. Not an Exception, so that no `except Exception` of the
    check's own code takes it for one of pandas' and goes another way than it would in pandas."""


class AcrossRows(Untraceable):
    """It looks at other rows than the one it judges, so it can be asked of no part of a table either."""


def plain(value: object) -> object:
    """The plain number or text that a value of a kind of it holds: a member of an enum, a number of NumPy."""
    match value:
        case bool():
            return value
        case int():
            return int(value)  # `in range` would walk through all numbers for any other kind of int
        case float():
            return float(value)
        case str():
            return str.__str__(value)  # not what an enum calls its member
    return value


def listed(values: Iterable[object]) -> list[object]:
    """Values in an order that is the same in every process: a set has none."""
    return sorted(values, key=lambda value: repr(plain(value))) if isinstance(values, set | frozenset) else list(values)


def literal(value: object) -> tuple[Any, str]:
    """A Python value as a SQL expression, and its contract type (`interval` for a span of time).

    Raises:
        Untraceable: no contract type holds it exactly.
    """
    if hasattr(value, "to_pydatetime"):  # pandas.Timestamp
        if getattr(value, "nanosecond", 0):
            raise Untraceable("a timestamp finer than microseconds")
        value = value.to_pydatetime()
    elif hasattr(value, "to_pytimedelta"):
        value = value.to_pytimedelta()
    match value := plain(value):
        case bool():
            return sa.true() if value else sa.false(), "boolean"
        case int() if value in INT64:
            return sa.literal(value, sa.BigInteger()), "integer"
        case float() if abs(value) < float("inf"):
            return sa.cast(sa.literal(value, sa.Double()), sa.Double()), "float"
        case Decimal() if value.is_finite():
            return sa.literal(value, sa.Numeric()), "decimal"
        case str():
            return sa.literal(checked_text(value), sa.Text()), "text"
        case datetime() if value.tzinfo is None:
            return sa.literal(value, sa.DateTime()), "timestamp"
        case datetime():
            return sa.literal(value, sa.DateTime(timezone=True)), "timestamp with time zone"
        case date():
            return sa.literal(value, sa.Date()), "date"
        case timedelta():
            return sa.literal(value, sa.Interval()), "interval"
    raise Untraceable(f"the value {value!r}")


def checked_text(value: object) -> str:
    """A text that SQL can hold.

    Raises:
        Untraceable: it is not a text, or holds the NUL character.
    """
    if not isinstance(value, str) or "\0" in value:
        raise Untraceable(f"{value!r} as text")
    return value


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
