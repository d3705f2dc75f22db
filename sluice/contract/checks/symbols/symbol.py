"""Symbols: a check function called with them writes down what it would compute, as a SQL expression.

Only operations known to mean the same in pandas (Arrow-backed columns) and in SQL are answered. Everything
else raises Untraceable, and the check goes the pandas way. Pure: builds expressions, runs nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NoReturn

import pandas as pd
import sqlalchemy as sa

from sluice.contract.checks import across_rows
from sluice.contract.checks.symbols.accessors import SymbolicText, SymbolicTime
from sluice.contract.checks.symbols.aggregates import Aggregates
from sluice.contract.checks.symbols.arithmetic import Arithmetic
from sluice.contract.checks.symbols.literals import (
    NUMBERS,
    TIMES,
    AcrossRows,
    Nulls,
    Untraceable,
    as_float,
    listed,
)


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refusing(*_: object, **__: object) -> NoReturn:
        raise Untraceable(what)

    return refusing


def _of_rows(method: Callable[..., Symbol]) -> Callable[..., Symbol]:
    """A method that a column has, and one value (of an aggregate) has not."""

    @wraps(method)
    def asked(self: Symbol, *given: Any, **named: Any) -> Symbol:
        if self.aggregate:
            raise Untraceable(f"{method.__name__}() of one value")
        return method(self, *given, **named)

    return asked


class Symbol(Aggregates, Arithmetic):
    """What a check function is given: one column, or an expression over columns."""

    __class__ = property(lambda self: Symbol if self.aggregate else pd.Series)  # the answer to isinstance()

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
            left, right = as_float(self), as_float(other)
        return self._made(compare(left, right), "boolean", other)

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

    @_of_rows
    def between(self, left: object, right: object, inclusive: str = "both") -> Symbol:
        if inclusive not in ("both", "left", "right", "neither"):
            raise Untraceable(f"between() with inclusive={inclusive!r}")
        lower = self >= left if inclusive in ("both", "left") else self > left
        upper = self <= right if inclusive in ("both", "right") else self < right
        return lower & upper

    @_of_rows
    def isin(self, values: object) -> Symbol:
        """As pandas has it, a null is in no list without a null: the answer is false, not unknown."""
        if isinstance(values, str | bytes | Symbol) or not isinstance(values, Iterable):
            raise Untraceable(f"isin({type(values).__name__})")
        all_of_them = listed(values)
        others = [self._other(value) for value in all_of_them if value is not None]
        if any(o.kind != self.kind for o in others):
            raise Untraceable(f"isin() of {self.kind} with values of another type")
        if self.kind == "float" and 0.0 in all_of_them:
            raise Untraceable("isin() with 0.0, which Arrow does not take for -0.0")
        if not others:
            return self.isna() if all_of_them else self._made(sa.false(), "boolean", nulls=self._guarded())
        found = self.element.in_([o.element for o in others])
        return self._made(self._if_null(found, len(others) < len(all_of_them)), "boolean")

    # -- nulls -----------------------------------------------------------------------------------------

    def _guarded(self) -> Nulls:
        """For an expression that is not unknown for a null."""
        return Nulls.KEPT if self.nulls is Nulls.KEPT else Nulls.GUARDED

    @_of_rows
    def isna(self) -> Symbol:
        return self._made(self.element.is_(None), "boolean", nulls=self._guarded())

    @_of_rows
    def notna(self) -> Symbol:
        return self._made(self.element.is_not(None), "boolean", nulls=self._guarded())

    isnull = isna
    notnull = notna

    @_of_rows
    def fillna(self, value: object) -> Symbol:
        other = self._other(value)
        if other.kind != self.kind:
            raise Untraceable(f"fillna() of {self.kind} with {other.kind}")
        return self._made(sa.func.coalesce(self.element, other.element), self.kind, other, self._guarded())

    # -- boolean operators (three-valued in both engines) --------------------------------------------------

    def _logic(self, value: object, combine: Callable[[Any, Any], Any]) -> Symbol:
        other = self._other(value)
        if self.kind != "boolean" or other.kind != "boolean":
            raise Untraceable(f"{self.kind} as a truth value")
        return self._made(combine(self.element, other.element), "boolean", other)

    def __and__(self, value: object) -> Symbol:
        return self._logic(value, sa.and_)

    def __or__(self, value: object) -> Symbol:
        return self._logic(value, sa.or_)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Symbol:
        if self.kind != "boolean":
            raise Untraceable(f"~ of {self.kind}")
        return self._made(sa.not_(self.element), "boolean")

    # -- parts of texts and times -----------------------------------------------------------------------------

    @property
    def str(self) -> SymbolicText[Symbol]:
        if self.kind != "text" or self.aggregate:
            raise Untraceable(f".str of {self.kind}")
        return SymbolicText(self)

    @property
    def dt(self) -> SymbolicTime[Symbol]:
        if self.kind not in (*TIMES, "date", "interval") or self.aggregate:
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

    def __getattr__(self, name: object) -> NoReturn:
        if name in across_rows.NAMES:  # the check's own code may not show it, where a library asks
            raise AcrossRows(f".{name}()")
        raise Untraceable(f".{name}")
