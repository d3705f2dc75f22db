"""Aggregates of a symbol: one value for the whole table. Pure: builds expressions, runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa

from sluice.contract.checks.symbols.expression import Expression
from sluice.contract.checks.symbols.literals import NUMBERS, SQL_TYPES, TIMES, AcrossRows, Nulls


class Aggregates(Expression):
    """What a symbol answers when it is asked for one value over all rows. Nulls are left out, as in pandas."""

    def _aggregate(self, function: Any, kind: str, allowed: Sequence[str]) -> Self:
        if self.aggregate or self.kind not in allowed:
            raise AcrossRows(f"aggregate of {self.kind}")
        if self.nulls is Nulls.GUARDED:
            raise AcrossRows("aggregate over the nulls of a column, which its checks are not asked about")
        return self._new(function, kind, aggregate=True)

    def _number(self) -> Any:
        """Of a truth value, 1 or 0."""
        return sa.cast(self.element, sa.Integer()) if self.kind == "boolean" else self.element

    def mean(self) -> Self:
        mean: Any = sa.cast(sa.func.avg(self._number()), sa.Double())
        return self._aggregate(mean, "float", (*NUMBERS, "boolean"))

    def sum(self) -> Self:
        total = sa.func.coalesce(sa.func.sum(self._number()), 0)
        kind = "integer" if self.kind == "boolean" else self.kind
        return self._aggregate(total, kind, (*NUMBERS, "boolean"))

    def min(self) -> Self:
        return self._aggregate(sa.func.min(self.element), self.kind, (*NUMBERS, "date", *TIMES))

    def max(self) -> Self:
        return self._aggregate(sa.func.max(self.element), self.kind, (*NUMBERS, "date", *TIMES))

    def count(self) -> Self:
        return self._aggregate(sa.func.count(self.element), "integer", tuple(SQL_TYPES))

    def nunique(self) -> Self:
        return self._aggregate(sa.func.count(sa.distinct(self.element)), "integer", tuple(SQL_TYPES))

    def all(self) -> Self:
        return self._aggregate(sa.func.coalesce(sa.func.bool_and(self.element), sa.true()), "boolean", ("boolean",))

    def any(self) -> Self:
        return self._aggregate(sa.func.coalesce(sa.func.bool_or(self.element), sa.false()), "boolean", ("boolean",))
