"""Arithmetic of symbols, with the kinds that pandas would give its results. Pure: builds expressions, runs nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Self

import sqlalchemy as sa

from sluice.contract.checks.symbols.expression import Expression
from sluice.contract.checks.symbols.literals import NUMBERS, SQL_TYPES, Untraceable, as_float, result_kind


class Arithmetic(Expression):
    """What a symbol answers to +, -, *, / and abs()."""

    def _arithmetic(self, value: object, compute: Callable[[Any, Any], Any], swap: bool = False) -> Self:
        other = self._other(value)
        left, right = (other, self) if swap else (self, other)
        kind = result_kind(left.kind, right.kind, compute)
        operands = (as_float(left), as_float(right)) if kind == "float" else (left.element, right.element)
        return self._made(sa.type_coerce(compute(*operands), SQL_TYPES[kind]), kind, other)

    def __add__(self, value: object) -> Self:
        return self._arithmetic(value, operator.add)

    def __sub__(self, value: object) -> Self:
        return self._arithmetic(value, operator.sub)

    def __mul__(self, value: object) -> Self:
        return self._arithmetic(value, operator.mul)

    def __radd__(self, value: object) -> Self:
        return self._arithmetic(value, operator.add, swap=True)

    def __rsub__(self, value: object) -> Self:
        return self._arithmetic(value, operator.sub, swap=True)

    __rmul__ = __mul__

    def __truediv__(self, value: object) -> Self:
        """By a number other than zero only: by a column, pandas answers infinity where SQL raises."""
        plain = isinstance(value, int | float) and not isinstance(value, bool) and value != 0
        if not plain or self.kind not in ("integer", "float"):
            raise Untraceable(f"{self.kind} / {value if plain else 'a column, or zero'}")
        return self._made(as_float(self) / as_float(self._other(value)), "float")

    def __neg__(self) -> Self:
        return self._arithmetic(0, operator.sub, swap=True)

    def __abs__(self) -> Self:
        if self.kind not in NUMBERS:
            raise Untraceable(f"abs() of {self.kind}")
        return self._made(sa.func.abs(self.element, type_=SQL_TYPES[self.kind]), self.kind)

    abs = __abs__
