"""The contracts drawn from rules, the frames delivered to them, and the verdict of each of the two ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pandas as pd
import pyarrow
import sqlalchemy as sa

from sluice.contract.checks.compile import Check
from sluice.contract.checks.in_pandas import failing_rows
from sluice.contract.contract import Contract
from sluice.contract.values import casts
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.audit import marked_rows
from sluice.warehouse.postgres.rows.tables import incoming_table, marked_table

BATCH = Batch("test__things", "all", 1)
LONGEST_SPAN = timedelta(days=292 * 365)


class Unsettled(Exception):
    """pandas is wrong here, or has no answer; docs/decisions/0001 says what Sluice does."""


def delivered(contract: Contract, rows: Sequence[tuple[Any, ...]]) -> tuple[pd.DataFrame, set[int]]:
    """The rows as the loader casts them, and those it rejects because a number is none."""
    columns = list(zip(*rows, strict=True)) or [()] * len(contract.columns)
    arrays, rejected = {}, set()
    for spec, values in zip(contract.columns, columns, strict=True):
        arrays[spec.name], bad = casts.cast(pyarrow.array(values, spec.type.arrow), spec.type)
        rejected |= {number for number, cell in enumerate(bad or (), 1) if cell.as_py()}
    frame = pyarrow.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)
    frame.index = pd.RangeIndex(1, len(rows) + 1)
    return frame, rejected


def store(connection: sa.Connection, contract: Contract, frame: pd.DataFrame) -> None:
    """Fill the incoming table anew."""
    table = incoming_table(contract, BATCH.batch)
    connection.execute(table.delete())
    values = pyarrow.Table.from_pandas(frame, preserve_index=False).to_pylist()
    if values:
        connection.execute(table.insert(), [{"_row_number": n, **row} for n, row in enumerate(values, 1)])


def in_the_database(connection: sa.Connection, contract: Contract, check: Check, rows: int) -> set[int]:
    """The rows that fail: of an aggregate, all or none.

    Raises:
        Unsettled: a number is out of range, so that the check is errored.
    """
    if check.kind == "unique":
        connection.execute(marked_table(contract, BATCH.batch).delete())
        marked_rows.mark_keys(connection, contract, BATCH, check)
        return set(connection.scalars(sa.select(marked_table(contract, BATCH.batch).c._row_number)))
    try:
        with connection.begin_nested():
            return _failing(connection, incoming_table(contract, BATCH.batch), check, rows)
    except sa.exc.DataError as error:
        if "out of range" not in str(error):
            raise
        raise Unsettled("errored in SQL, out of range, where pandas goes on with infinity") from None


def _failing(connection: sa.Connection, table: sa.Table, check: Check, rows: int) -> set[int]:
    if check.kind == "aggregate":
        failed = connection.scalar(sa.select(sa.not_(check.passes)).select_from(table))
        return set(range(1, rows + 1)) or {0} if failed else set()
    return set(connection.scalars(sa.select(table.c._row_number).where(sa.not_(check.passes))))


def in_pandas(check: Check, frame: pd.DataFrame, columns: frozenset[str], kinds: frozenset[str]) -> set[int]:
    """The rows that fail by pandera's own functions and pandas' own `duplicated`.

    Raises:
        Unsettled: pandas has no answer, or a wrong one.
    """
    if check.kind == "unique":
        if len(check.columns) > 1 and any(_has_both_zeros(frame[name]) for name in set("fg") & set(check.columns)):
            raise Unsettled("pandas tells -0.0 from 0.0 in a key of several columns, though not in one of one column")
        return set(frame.index[frame.duplicated(list(check.columns), keep=check.keep)])
    if check.pandera is None:
        return set(frame.index[frame[check.columns[0]].isna()])
    if "spans" in kinds and _longest(frame[sorted(columns)]) > LONGEST_SPAN:
        raise Unsettled("pandas counts a span in 64 bits of nanoseconds, which wrap around after 292 years")
    if check.kind == "row":
        try:
            return set(failing_rows(check, frame))
        except Exception as error:
            raise Unsettled(f"pandas raises {type(error).__name__}") from error
    _aggregates_exactly(frame[sorted(columns)])
    return set() if _passes(check, frame) else set(frame.index) or {0}


def _passes(check: Check, frame: pd.DataFrame) -> bool:
    try:
        return bool(check.pandera(frame, *check.columns).check_passed)
    except NotImplementedError:  # pandera, of an answer that is pd.NA
        return False
    except Exception as error:
        raise Unsettled(f"pandas raises {type(error).__name__}") from error


def _has_both_zeros(values: pd.Series) -> bool:
    return len({math.copysign(1, value) for value in values.dropna() if value == 0}) == 2


def _longest(frame: pd.DataFrame) -> timedelta:
    """Between the earliest and the latest time that the frame holds."""
    moments = [time for name in set("tuyz") & set(frame) for time in frame[name].dropna().dt.to_pydatetime()]
    times = [time.replace(tzinfo=None) for time in moments]  # those with a zone are in UTC
    return max(times) - min(times) if times else timedelta(0)


def _aggregates_exactly(frame: pd.DataFrame) -> None:
    for name in set("abfgmn") & set(frame):
        values = [Fraction(value) for value in frame[name].dropna()]
        if any(abs(value) > 1 << 52 or ((value * 4) % 1 and name in "fg") for value in values):
            raise Unsettled("aggregates round or overflow")
        if name in "mn" and values and (sum(values) / len(values) * 100) % 1:
            raise Unsettled("pandas rounds the mean of decimals to their scale")


def pandera_says(check: Check, frame: pd.DataFrame) -> set[int] | bool | None:
    """What pandera reports of a row check: the rows, whether it passes, or None where its report crashes.

    It cannot report an answer that holds both false and unknown, and passes a row in which every column is null.
    """
    if check.kind != "row" or check.pandera is None:
        return None
    try:
        result = check.pandera(frame, *check.columns)
    except Exception:  # noqa: BLE001 - whatever a report crashes with
        return None
    answer = result.check_output.astype("boolean")
    return {int(number) for number in answer.index[(~answer).fillna(False)]}
