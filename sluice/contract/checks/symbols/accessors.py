"""The `.str` and `.dt` of a symbol. Pure: builds expressions, runs nothing."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, TypeVar

import sqlalchemy as sa

from sluice.contract.checks.symbols.expression import Expression
from sluice.contract.checks.symbols.literals import TIMES, Untraceable, checked_text
from sluice.contract.checks.symbols.patterns import contains_pattern, fullmatch_pattern, match_pattern

T = TypeVar("T", bound=Expression)


class SymbolicText(Generic[T]):
    """The `.str` of a text column. Case and white space differ between engines and are left out."""

    def __init__(self, symbol: T) -> None:
        self._symbol = symbol
        self._element = symbol.element

    def len(self) -> T:
        return self._symbol._part(sa.func.char_length(self._element), "integer")

    def startswith(self, pat: object, na: object = None) -> T:
        return self._found(self._element.startswith(checked_text(pat), autoescape=True), na)

    def endswith(self, pat: object, na: object = None) -> T:
        return self._found(self._element.endswith(checked_text(pat), autoescape=True), na)

    def contains(self, pat: object, case: bool = True, flags: int = 0, na: object = None, regex: bool = True) -> T:
        _plain(case, flags)
        if not regex:
            return self._found(self._element.contains(checked_text(pat), autoescape=True), na)
        return self._found(self._element.regexp_match(contains_pattern(pat)), na)

    def match(self, pat: object, case: bool = True, flags: int = 0, na: object = None) -> T:
        _plain(case, flags)
        return self._found(self._element.regexp_match(match_pattern(pat)), na)

    def fullmatch(self, pat: object, case: bool = True, flags: int = 0, na: object = None) -> T:
        _plain(case, flags)
        return self._found(self._element.regexp_match(fullmatch_pattern(pat)), na)

    def _found(self, element: Any, na: object) -> T:
        if na is None:
            return self._symbol._part(element, "boolean")
        if not isinstance(na, bool):
            raise Untraceable(f"na={na!r}")
        return self._symbol._part(self._symbol._if_null(element, na), "boolean")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".str.{name}")


def _plain(case: bool, flags: int) -> None:
    if not case or flags:
        raise Untraceable("a pattern with flags")


class SymbolicTime(Generic[T]):
    """The `.dt` of a timestamp, date or interval."""

    def __init__(self, symbol: T) -> None:
        self._symbol = symbol
        zoned = symbol.kind == "timestamp with time zone"  # pandas holds them in UTC
        self._element = sa.func.timezone("UTC", symbol.element, type_=sa.DateTime()) if zoned else symbol.element

    def _part(self, field: str, shift: int = 0) -> T:
        if self._symbol.kind == "interval":
            raise Untraceable(f".dt.{field} of an interval")
        part = sa.cast(sa.extract(field, self._element), sa.BigInteger())
        return self._symbol._part(part + shift if shift else part, "integer")

    year = property(lambda self: self._part("year"))
    month = property(lambda self: self._part("month"))
    day = property(lambda self: self._part("day"))
    dayofweek = property(lambda self: self._part("isodow", -1))  # Monday is 0
    weekday = dayofweek

    def _clock(self, field: str) -> T:
        if self._symbol.kind not in TIMES:
            raise Untraceable(f".dt.{field} of {self._symbol.kind}")
        return self._symbol._part(sa.cast(sa.func.date_part(field, self._element), sa.BigInteger()), "integer")

    hour = property(lambda self: self._clock("hour"))
    minute = property(lambda self: self._clock("minute"))

    def total_seconds(self) -> T:
        if self._symbol.kind != "interval":
            raise Untraceable(f".dt.total_seconds() of {self._symbol.kind}")
        return self._symbol._part(sa.cast(sa.extract("epoch", self._element), sa.Double()), "float")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".dt.{name}")
