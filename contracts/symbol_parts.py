"""The `.str` and `.dt` of a symbol. Pure: builds expressions, runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa

from contracts.literals import Untraceable, checked_text

if TYPE_CHECKING:
    from contracts.symbols import Symbol


def _symbol(element: Any, kind: str) -> Symbol:
    from contracts.symbols import Symbol  # a symbol has parts, and a part of a symbol is a symbol

    return Symbol(element, kind)


class SymbolicText:
    """The `.str` of a text column. Case, white space and patterns differ between engines and are left out."""

    def __init__(self, symbol: Symbol) -> None:
        self._element = symbol.element

    def len(self) -> Symbol:
        return _symbol(sa.func.char_length(self._element), "integer")

    def startswith(self, pat: object, na: object = None) -> Symbol:
        return self._found(self._element.startswith(checked_text(pat), autoescape=True), na)

    def endswith(self, pat: object, na: object = None) -> Symbol:
        return self._found(self._element.endswith(checked_text(pat), autoescape=True), na)

    def contains(self, pat: object, na: object = None, regex: bool = True) -> Symbol:
        text = checked_text(pat)
        if regex and not all(c.isalnum() or c in " _-,:;/@" for c in text):
            raise Untraceable("a pattern")
        return self._found(self._element.contains(text, autoescape=True), na)

    @staticmethod
    def _found(element: Any, na: object) -> Symbol:
        if na not in (None, False, True):
            raise Untraceable(f"na={na!r}")
        return _symbol(element if na is None else sa.func.coalesce(element, sa.literal(na)), "boolean")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".str.{name}")


class SymbolicTime:
    """The `.dt` of a timestamp, date or interval."""

    def __init__(self, symbol: Symbol) -> None:
        self._symbol = symbol

    def _part(self, field: str, shift: int = 0) -> Symbol:
        if self._symbol.kind == "interval":
            raise Untraceable(f".dt.{field} of an interval")
        return _symbol(sa.cast(sa.extract(field, self._symbol.element), sa.BigInteger()) + shift, "integer")

    year = property(lambda self: self._part("year"))
    month = property(lambda self: self._part("month"))
    day = property(lambda self: self._part("day"))
    dayofweek = property(lambda self: self._part("isodow", -1))  # Monday is 0
    weekday = dayofweek

    def _clock(self, field: str) -> Symbol:
        if self._symbol.kind != "timestamp":
            raise Untraceable(f".dt.{field} of {self._symbol.kind}")
        return _symbol(sa.cast(sa.func.date_part(field, self._symbol.element), sa.BigInteger()), "integer")

    hour = property(lambda self: self._clock("hour"))
    minute = property(lambda self: self._clock("minute"))

    def total_seconds(self) -> Symbol:
        if self._symbol.kind != "interval":
            raise Untraceable(f".dt.total_seconds() of {self._symbol.kind}")
        return _symbol(sa.cast(sa.extract("epoch", self._symbol.element), sa.Double()), "float")

    def __getattr__(self, name: str) -> NoReturn:
        raise Untraceable(f".dt.{name}")
