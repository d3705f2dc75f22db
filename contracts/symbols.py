"""A symbolic table: a check function called with it writes down what it would compute, as a SQL expression.

Only operations known to mean the same in pandas (Arrow-backed columns) and in SQL are answered. Everything
else raises Untraceable, and the check goes the pandas way. Pure: builds expressions, runs nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import sqlalchemy as sa

from contracts.columns import Column

SQL_TYPES: dict[str, Any] = {
    "integer": sa.BigInteger(),
    "float": sa.Double(),
    "decimal": sa.Numeric(),
    "text": sa.Text(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
    "timestamp with time zone": sa.DateTime(timezone=True),
    "interval": sa.Interval(),
}
NUMBERS = ("integer", "decimal", "float")  # in order: the wider of two is the later
INT64 = range(-(1 << 63), 1 << 63)


class Untraceable(Exception):
    """The check does something that has no known equal in SQL."""


def symbol_of(column: Column) -> Symbol:
    """The symbol of a contract's column."""
    kind = "decimal" if column.type.name.startswith("decimal") else column.type.name
    return Symbol(sa.column(column.name, SQL_TYPES[kind]), kind)


class SymbolicTable:
    """Stands for the frame that a dataframe check is given: `table["fare"]` or `table.fare`."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self._symbols = {column.name: symbol_of(column) for column in columns}

    def __getitem__(self, name: object) -> Symbol:
        if not isinstance(name, str) or name not in self._symbols:
            raise Untraceable(f"selects {name!r}")
        return self._symbols[name]

    def __getattr__(self, name: str) -> Symbol:
        return self[name]


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refusing(*_: object, **__: object) -> NoReturn:
        raise Untraceable(what)

    return refusing


class Symbol:
    """One column, or an expression over columns.

    Attributes:
        element: the SQL expression.
        kind: contract type of its values, or `interval` for the difference of two timestamps.
        aggregate: whether it is one value for the whole table.
    """

    def __init__(self, element: Any, kind: str, aggregate: bool = False) -> None:
        self.element = element
        self.kind = kind
        self.aggregate = aggregate

    # -- values that stand beside a symbol ------------------------------------------------------------

    def _other(self, value: object) -> Symbol:
        if isinstance(value, Symbol):
            if value.aggregate != self.aggregate:
                raise Untraceable("compares rows with an aggregate over all rows")
            return value
        symbol = literal(value)
        return Symbol(symbol.element, symbol.kind, self.aggregate)

    # -- comparison ------------------------------------------------------------------------------------

    def _compare(self, value: object, compare: Callable[[Any, Any], Any]) -> Symbol:
        other = self._other(value)
        numbers = self.kind in NUMBERS and other.kind in NUMBERS
        if not numbers and self.kind != other.kind:
            raise Untraceable(f"compares {self.kind} with {other.kind}")
        left, right = self.element, other.element
        if self.kind == "text" and compare not in (operator.eq, operator.ne):
            left, right = left.collate("C"), right.collate("C")  # code point order, as Arrow sorts
        elif numbers and "float" in (self.kind, other.kind):
            left, right = _as_float(self), _as_float(other)
        return Symbol(compare(left, right), "boolean", self.aggregate)

    def __eq__(self, value: object) -> Symbol:  # type: ignore[override]
        return self._compare(value, operator.eq)

    def __ne__(self, value: object) -> Symbol:  # type: ignore[override]
        return self._compare(value, operator.ne)

    def __lt__(self, value: object) -> Symbol:
        return self._compare(value, operator.lt)

    def __le__(self, value: object) -> Symbol:
        return self._compare(value, operator.le)

    def __gt__(self, value: object) -> Symbol:
        return self._compare(value, operator.gt)

    def __ge__(self, value: object) -> Symbol:
        return self._compare(value, operator.ge)

    def between(self, left: object, right: object, inclusive: str = "both") -> Symbol:
        lower = self >= left if inclusive in ("both", "left") else self > left
        upper = self <= right if inclusive in ("both", "right") else self < right
        return lower & upper

    def isin(self, values: object) -> Symbol:
        """As pandas has it, a null is in no list: the answer is false, not unknown."""
        if self.aggregate or isinstance(values, str | bytes | Symbol) or not isinstance(values, Iterable):
            raise Untraceable(f"isin({type(values).__name__})")
        listed = list(values)
        if any(value is None for value in listed):
            raise Untraceable("isin() with a null in the list")
        others = [self._other(value) for value in listed]
        if any(o.kind != self.kind for o in others):
            raise Untraceable(f"isin() of {self.kind} with values of another type")
        found = self.element.in_([o.element for o in others])
        return Symbol(sa.func.coalesce(found, sa.false()), "boolean")

    # -- nulls -----------------------------------------------------------------------------------------

    def isna(self) -> Symbol:
        return Symbol(self.element.is_(None), "boolean", self.aggregate)

    def notna(self) -> Symbol:
        return Symbol(self.element.is_not(None), "boolean", self.aggregate)

    isnull = isna
    notnull = notna

    def fillna(self, value: object) -> Symbol:
        other = self._other(value)
        if other.kind != self.kind:
            raise Untraceable(f"fillna() of {self.kind} with {other.kind}")
        return Symbol(sa.func.coalesce(self.element, other.element), self.kind, self.aggregate)

    # -- boolean operators (three-valued in both engines) --------------------------------------------------

    def _logic(self, value: object, combine: Callable[[Any, Any], Any]) -> Symbol:
        other = self._other(value)
        if self.kind != "boolean" or other.kind != "boolean":
            raise Untraceable(f"{self.kind} as a truth value")
        return Symbol(combine(self.element, other.element), "boolean", self.aggregate)

    def __and__(self, value: object) -> Symbol:
        return self._logic(value, sa.and_)

    def __or__(self, value: object) -> Symbol:
        return self._logic(value, sa.or_)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Symbol:
        if self.kind != "boolean":
            raise Untraceable(f"~ of {self.kind}")
        return Symbol(sa.not_(self.element), "boolean", self.aggregate)

    # -- arithmetic --------------------------------------------------------------------------------------

    def _arithmetic(self, value: object, compute: Callable[[Any, Any], Any], swap: bool = False) -> Symbol:
        other = self._other(value)
        left, right = (other, self) if swap else (self, other)
        kind = _result_kind(left.kind, right.kind, compute)
        operands = (_as_float(left), _as_float(right)) if kind == "float" else (left.element, right.element)
        return Symbol(sa.type_coerce(compute(*operands), SQL_TYPES[kind]), kind, self.aggregate)

    def __add__(self, value: object) -> Symbol:
        return self._arithmetic(value, operator.add)

    def __sub__(self, value: object) -> Symbol:
        return self._arithmetic(value, operator.sub)

    def __mul__(self, value: object) -> Symbol:
        return self._arithmetic(value, operator.mul)

    def __radd__(self, value: object) -> Symbol:
        return self._arithmetic(value, operator.add, swap=True)

    def __rsub__(self, value: object) -> Symbol:
        return self._arithmetic(value, operator.sub, swap=True)

    __rmul__ = __mul__

    def __truediv__(self, value: object) -> Symbol:
        """By a number other than zero only: by a column, pandas answers infinity where SQL raises."""
        plain = isinstance(value, int | float) and not isinstance(value, bool) and value != 0
        if not plain or self.kind not in ("integer", "float"):
            raise Untraceable(f"{self.kind} / {value if plain else 'a column, or zero'}")
        return Symbol(_as_float(self) / _as_float(self._other(value)), "float", self.aggregate)

    def __neg__(self) -> Symbol:
        return self._arithmetic(0, operator.sub, swap=True)

    def __abs__(self) -> Symbol:
        if self.kind not in NUMBERS:
            raise Untraceable(f"abs() of {self.kind}")
        return Symbol(sa.func.abs(self.element, type_=SQL_TYPES[self.kind]), self.kind, self.aggregate)

    abs = __abs__

    # -- aggregates over all rows ----------------------------------------------------------------------------

    def _aggregate(self, function: Any, kind: str, allowed: Sequence[str]) -> Symbol:
        if self.aggregate or self.kind not in allowed:
            raise Untraceable(f"aggregate of {self.kind}")
        return Symbol(function, kind, aggregate=True)

    def mean(self) -> Symbol:
        return self._aggregate(sa.cast(sa.func.avg(self.element), sa.Double()), "float", NUMBERS)

    def sum(self) -> Symbol:
        total = sa.func.coalesce(sa.func.sum(self.element), 0)
        return self._aggregate(total, self.kind, NUMBERS)

    def min(self) -> Symbol:
        return self._aggregate(sa.func.min(self.element), self.kind, (*NUMBERS, "date", "timestamp"))

    def max(self) -> Symbol:
        return self._aggregate(sa.func.max(self.element), self.kind, (*NUMBERS, "date", "timestamp"))

    def count(self) -> Symbol:
        return self._aggregate(sa.func.count(self.element), "integer", tuple(SQL_TYPES))

    def nunique(self) -> Symbol:
        return self._aggregate(sa.func.count(sa.distinct(self.element)), "integer", tuple(SQL_TYPES))

    # -- parts of texts and times -----------------------------------------------------------------------------

    @property
    def str(self) -> SymbolicText:
        if self.kind != "text" or self.aggregate:
            raise Untraceable(f".str of {self.kind}")
        return SymbolicText(self)

    @property
    def dt(self) -> SymbolicTime:
        if self.kind not in ("timestamp", "date", "interval") or self.aggregate:
            raise Untraceable(f".dt of {self.kind}")
        return SymbolicTime(self)

    # -- what would need the values now --------------------------------------------------------------------------

    __hash__ = None  # type: ignore[assignment]
    __bool__ = _refuse("asks for one truth value")
    __iter__ = _refuse("walks over the values")
    __len__ = _refuse("asks for the length")
    __array__ = _refuse("hands the values to NumPy")
    __float__ = _refuse("asks for one number")
    __int__ = _refuse("asks for one number")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".{name}")


class SymbolicText:
    """The `.str` of a text column. Case, white space and patterns differ between engines and are left out."""

    def __init__(self, symbol: Symbol) -> None:
        self._element = symbol.element

    def len(self) -> Symbol:
        return Symbol(sa.func.char_length(self._element), "integer")

    def startswith(self, pat: object, na: object = None) -> Symbol:
        return self._found(self._element.startswith(_text(pat), autoescape=True), na)

    def endswith(self, pat: object, na: object = None) -> Symbol:
        return self._found(self._element.endswith(_text(pat), autoescape=True), na)

    def contains(self, pat: object, na: object = None, regex: bool = True) -> Symbol:
        text = _text(pat)
        if regex and not all(c.isalnum() or c in " _-,:;/@" for c in text):
            raise Untraceable("a pattern")
        return self._found(self._element.contains(text, autoescape=True), na)

    @staticmethod
    def _found(element: Any, na: object) -> Symbol:
        if na not in (None, False, True):
            raise Untraceable(f"na={na!r}")
        return Symbol(element if na is None else sa.func.coalesce(element, sa.literal(na)), "boolean")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".str.{name}")


class SymbolicTime:
    """The `.dt` of a timestamp, date or interval."""

    def __init__(self, symbol: Symbol) -> None:
        self._symbol = symbol

    def _part(self, field: str, shift: int = 0) -> Symbol:
        if self._symbol.kind == "interval":
            raise Untraceable(f".dt.{field} of an interval")
        return Symbol(sa.cast(sa.extract(field, self._symbol.element), sa.BigInteger()) + shift, "integer")

    year = property(lambda self: self._part("year"))
    month = property(lambda self: self._part("month"))
    day = property(lambda self: self._part("day"))
    dayofweek = property(lambda self: self._part("isodow", -1))  # Monday is 0
    weekday = dayofweek

    def _clock(self, field: str) -> Symbol:
        if self._symbol.kind != "timestamp":
            raise Untraceable(f".dt.{field} of {self._symbol.kind}")
        return Symbol(sa.cast(sa.func.date_part(field, self._symbol.element), sa.BigInteger()), "integer")

    hour = property(lambda self: self._clock("hour"))
    minute = property(lambda self: self._clock("minute"))

    def total_seconds(self) -> Symbol:
        if self._symbol.kind != "interval":
            raise Untraceable(f".dt.total_seconds() of {self._symbol.kind}")
        return Symbol(sa.cast(sa.extract("epoch", self._symbol.element), sa.Double()), "float")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".dt.{name}")


def literal(value: object) -> Symbol:
    """A Python value as a symbol.

    Raises:
        Untraceable: no contract type holds it exactly.
    """
    if hasattr(value, "to_pydatetime"):  # pandas.Timestamp
        if getattr(value, "nanosecond", 0):
            raise Untraceable("a timestamp finer than microseconds")
        value = value.to_pydatetime()
    elif hasattr(value, "to_pytimedelta"):
        value = value.to_pytimedelta()
    match value:
        case bool():
            return Symbol(sa.true() if value else sa.false(), "boolean")
        case int() if value in INT64:
            return Symbol(sa.literal(value, sa.BigInteger()), "integer")
        case float() if abs(value) < float("inf"):
            return Symbol(sa.cast(sa.literal(value, sa.Double()), sa.Double()), "float")
        case Decimal() if value.is_finite():
            return Symbol(sa.literal(value, sa.Numeric()), "decimal")
        case str():
            return Symbol(sa.literal(_text(value), sa.Text()), "text")
        case datetime() if value.tzinfo is None:
            return Symbol(sa.literal(value, sa.DateTime()), "timestamp")
        case datetime():
            return Symbol(sa.literal(value, sa.DateTime(timezone=True)), "timestamp with time zone")
        case date():
            return Symbol(sa.literal(value, sa.Date()), "date")
        case timedelta():
            return Symbol(sa.literal(value, sa.Interval()), "interval")
    raise Untraceable(f"the value {value!r}")


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise Untraceable(f"{value!r} as text")
    return value


def _as_float(symbol: Symbol) -> Any:
    return symbol.element if symbol.kind == "float" else sa.cast(symbol.element, sa.Double())


def _result_kind(left: str, right: str, compute: Callable[[Any, Any], Any]) -> str:
    if left in NUMBERS and right in NUMBERS:
        return max(left, right, key=NUMBERS.index)
    if left == right == "timestamp" and compute is operator.sub:
        return "interval"
    if (left, right) == ("timestamp", "interval") and compute is not operator.mul:
        return "timestamp"
    if left == right == "interval" and compute is not operator.mul:
        return "interval"
    raise Untraceable(f"{left} {compute.__name__} {right}")
