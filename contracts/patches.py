"""What to change in a contract so that a drifted file is accepted: a line of Python for each column. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from contracts.annotations import annotation, holding, quoted
from contracts.columns import Column
from contracts.contract import DATING, Contract, Monthly
from contracts.scaffold.names import column_names


def heading(contract: Contract, whole: bool) -> str:
    """Where the lines belong.

    Args:
        whole: whether nothing is left that no contract could accept.
    """
    module = contract.schema.__module__
    where = f"{module.replace('.', '/')}.py" if module.startswith("contracts.datasets.") else f"the model of {contract}"
    what = "the file" if whole else "all else"
    return f"If the source has changed for good, this patch of {where} accepts {what} (... is what stands there):"


def renamed(column: Column, name: str) -> str:
    """The column, known by one more name."""
    names = ", ".join(map(quoted, (*column.sources, name)))
    return f"{column.name}: {_stands(column)} = column(..., source=({names}))"


def missing(contract: Contract, column: Column, batch: str) -> str:
    """The column, which a file need not have."""
    later = ""
    if isinstance(contract.files.batches, Monthly):
        after = contract.files.batches.window(batch)[1].strftime("%Y-%m")
        later = f'; or column(..., nullable=True, since="{after}"), if it begins then'
    return f"{column.name}: Optional[{_stands(column)}] = column(..., nullable=True)  # of typing{later}"


def extra(name: str, given: pa.DataType | None, taken: Sequence[str]) -> str | None:
    """A new column; None for a type that no column holds.

    Args:
        given: the file's type; None for a file of text.
    """
    kind = None if given is None else holding(given)
    if given is not None and kind is None:
        return None
    new = column_names([*taken, name])[-1]
    source = "" if new == name else f", source={quoted(name)}"
    words = "Text" if kind is None else annotation(kind)
    hint = "  # or another type" if given is None else ""
    return f'{new}: {words} = column("what it holds"{source}, nullable=True){hint}'


def retyped(contract: Contract, column: Column, given: pa.DataType) -> str | None:
    """The column with the file's type; None if no column can have it."""
    kind = holding(given)
    dates = column.name == contract.files.batches.by
    if kind is None or (dates and kind.name not in DATING):
        return None
    return f"{column.name}: {annotation(kind)} = column(...)  # was {_stands(column)}"


def _stands(column: Column) -> str:
    return annotation(column.type)
