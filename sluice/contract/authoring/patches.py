"""What to change in a contract so that a drifted file is accepted: a line of Python for each column. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sluice.contract.authoring.annotations import holding, quoted
from sluice.contract.authoring.names import column_names
from sluice.contract.batches import Calendar
from sluice.contract.checks.names import parse_check_name
from sluice.contract.columns import Column
from sluice.contract.contract import DATING, Contract
from sluice.contract.formatting import percent
from sluice.contract.gate import AuditReport

MOST = 0.5  # of a column's cells: rather another type than a bad delivery


def heading(contract: Contract, whole: bool) -> str:
    """Where the lines belong.

    Args:
        whole: whether nothing is left that no contract could accept.
    """
    what = "the file" if whole else "all else"
    return (
        f"If the source has changed for good, this patch of {_file(contract)} accepts {what} "
        "(... stands for the existing arguments):"
    )


def renamed(column: Column, name: str) -> str:
    """The column, known by one more name."""
    names = ", ".join(map(quoted, (*column.sources, name)))
    return f"{column.name}: {_stands(column)} = column(..., source=({names}))"


def missing(contract: Contract, column: Column, batch: str) -> str:
    """The column, which a file need not have."""
    later = ""
    if isinstance(contract.files.batches, Calendar):
        after = contract.files.batches.after(batch)
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
    words = "Text" if kind is None else kind.annotation
    hint = "  # or another type" if given is None else ""
    return f'{new}: {words} = column("what it holds"{source}, nullable=True){hint}'


def retyped(contract: Contract, column: Column, given: pa.DataType) -> str | None:
    """The column with the file's type; None if no column can have it."""
    kind = holding(given)
    dates = column.name == contract.files.batches.by
    if kind is None or (dates and kind.name not in DATING):
        return None
    return f"{column.name}: {kind.annotation} = column(...)  # was {_stands(column)}"


def unread(contract: Contract, report: AuditReport) -> list[str]:
    """Columns that are retyped as far as a text file shows it: most of their cells are not valid values of the type."""
    shares = {result.name: result.share for result in report.results}
    return [
        f"{column.name} is no {column.type} in {percent(shares[parse_check_name(column)])} of rows: if the source has "
        f"changed for good, this patch of {_file(contract)} accepts them: "
        f"{column.name}: Text = column(...)  # was {_stands(column)}; or another type that holds them"
        for column in contract.columns
        if shares.get(parse_check_name(column), 0) > MOST and column.name != contract.files.batches.by
    ]


def _file(contract: Contract) -> str:
    *_, folder, name = ("", *contract.schema.__module__.split("."))
    return f"{folder}/{name}.py" if folder == "contracts" else f"the model of {contract}"


def _stands(column: Column) -> str:
    return column.type.annotation
