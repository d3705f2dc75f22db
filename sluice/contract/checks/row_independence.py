"""Find out whether a check judges each row alone, by evaluating it on different selections of the same rows.

A check that looks at other rows answers for a part of a table, not for the table. Where neither its code nor its
trace shows that (across_rows.py), some company does: a row alone, among rows of one value, among its own
copies, in another order, in a piece of the chunk. Reads no database.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import cycle, islice
from typing import Any

import pandas as pd
import pyarrow

from sluice.contract.columns import Column
from sluice.contract.contract import Contract

Ask = Callable[[pd.DataFrame], Sequence[int]]  # the labels of the rows that fail

ROWS = 24  # of each of the two kinds that are asked one by one; the whole costs less than asking one chunk twice
COPIES = 200  # of one row, so that a mean, a rank or a count is about that row
SHARE = 8  # of every chunk, the part that is judged again alone

_VALUES: tuple[object, ...] = (
    *(0, 1, -1, 2, 100, 1_000_000, -1_000_000, 0.5, True, False, "", "a", "A b", "0", "zzzz"),
    *(date(1970, 1, 1), date(2000, 2, 29), date(2100, 1, 1), datetime(2024, 12, 31, 23, 59, 59)),
)


class NotARowCheck(Exception):
    """The check does not answer row by row, so chunks do not show its result for the whole table."""


def examples(contract: Contract) -> pd.DataFrame:
    """Rows of the values that the contract itself names (its ranges and code lists), and of ordinary ones."""
    shuffled = random.Random(0)
    columns = {}
    for column in contract.columns:
        values = [*_named(contract, column), *_VALUES, *([None] if column.nullable else [])]
        known = [value for value in values if _fits(value, column)] or [None]
        shuffled.shuffle(known)
        columns[column.name] = pyarrow.array(islice(cycle(known), ROWS), column.type.arrow)
    return pyarrow.table(columns).to_pandas(types_mapper=pd.ArrowDtype)


def _named(contract: Contract, column: Column) -> Iterator[object]:
    for check in contract.pandera_schema.columns[column.name].checks:
        for value in (check.statistics or {}).values():
            yield from list(value)[:ROWS] if isinstance(value, list | tuple | set | frozenset) else [value]


def _fits(value: Any, column: Column) -> bool:
    try:
        pyarrow.array([value], column.type.arrow)[0].as_py()  # a number of days may be no date of Python's
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def refuse(ask: Ask, chunk: pd.DataFrame, failing: Sequence[int], made_up: pd.DataFrame | None) -> None:
    """Ask again of a chunk's rows in other company.

    Args:
        failing: the labels of the chunk's rows that fail when it is asked as it is.
        made_up: for the first chunk, `examples`: it is asked in more ways, row by row too.

    Raises:
        NotARowCheck: a row gets another answer for other rows.
    """
    fails = chunk.index.isin(failing).tolist()
    _compare(ask, chunk, fails, range(len(chunk) // SHARE + 1))
    if made_up is None:
        return
    whole = range(len(chunk))
    _compare(ask, chunk, fails, [*reversed(whole), *whole[: len(chunk) // 2 + 1]])
    some = list(whole[:: len(chunk) // ROWS + 1])
    rows = pd.concat([chunk.iloc[some], made_up], ignore_index=True)
    alone = [_alone(ask, rows.iloc[[place]]) for place in range(len(rows))]
    if any(answer is not None and answer != fails[place] for place, answer in zip(some, alone, strict=False)):
        raise _depends()
    able = [place for place, answer in enumerate(alone) if answer is not None]
    for company in (able, able[::-1], *([*able, *[place] * COPIES] for place in able)):
        _compare(ask, rows, alone, company)


def _alone(ask: Ask, row: pd.DataFrame) -> bool | None:
    """Whether a row fails alone; None where the check cannot be evaluated for it."""
    with suppress(Exception):  # a made-up row may be none that the author thought of
        return bool(ask(row))
    return None


def _compare(ask: Ask, rows: pd.DataFrame, fails: Sequence[bool | None], company: Sequence[int]) -> None:
    failing = set(ask(rows.iloc[list(company)].set_axis(range(len(company)))))
    if any((number in failing) != fails[place] for number, place in enumerate(company)):
        raise _depends()


def _depends() -> NotARowCheck:
    return NotARowCheck("its result for a row depends on other rows")
