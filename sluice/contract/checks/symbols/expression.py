"""A SQL expression with its kind and nulls, which creates others of the same class. Pure: runs nothing."""

from __future__ import annotations

from typing import Any, Self

import sqlalchemy as sa

from sluice.contract.checks.symbols.literals import AcrossRows, Nulls, literal


class Expression:
    """One column, or an expression over columns.

    Attributes:
        element: the SQL expression.
        kind: contract type of its values, or `interval` for the difference of two timestamps.
        aggregate: whether it is one value for the whole table.
        nulls: whether rows in which its column is null are asked about, and what the expression says of them.
    """

    def __init__(self, element: Any, kind: str, aggregate: bool = False, nulls: Nulls = Nulls.KEPT) -> None:
        self.element = element
        self.kind = kind
        self.aggregate = aggregate
        self.nulls = nulls

    def _new(self, element: Any, kind: str, aggregate: bool = False, nulls: Nulls = Nulls.KEPT) -> Self:
        """Another expression of the same class."""
        return type(self)(element, kind, aggregate, nulls)

    def _made(self, element: Any, kind: str, other: Self | None = None, nulls: Nulls = Nulls.KEPT) -> Self:
        """An expression made from this one and another."""
        theirs = self.nulls if other is None else other.nulls
        return self._new(element, kind, self.aggregate, max(self.nulls, nulls, theirs))

    def _part(self, element: Any, kind: str) -> Self:
        """An expression over the same rows, such as the year of a date."""
        return self._new(element, kind, nulls=self.nulls)

    def _if_null(self, element: Any, answer: bool) -> Any:
        """A truth value that is `answer` for a null; the nulls of a column check are not asked about."""
        return sa.func.coalesce(element, sa.literal(answer)) if self.nulls is Nulls.KEPT else element

    def _other(self, value: object) -> Self:
        """A value that stands beside this expression."""
        if isinstance(value, type(self)):
            if value.aggregate != self.aggregate:
                raise AcrossRows("compares rows with an aggregate over all rows")
            return value
        return self._new(*literal(value), self.aggregate, self.nulls)
