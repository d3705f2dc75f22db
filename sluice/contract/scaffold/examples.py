"""Guesses -> test data: rows that every check passes, and a bad row for each check that one cell can fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.checks.names import short
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ConfigError
from sluice.contract.scaffold.guess import Guess
from sluice.contract.values.written import readable

GOOD_ROWS = 3
FAILS = "fails_check"  # the last column of bad.csv: the check that the row must fail


def good_rows(contract: Contract, batch: str, guesses: Sequence[Guess]) -> list[list[Any]]:
    """The first rows of the sample that would be accepted, with personal values made up.

    Raises:
        ConfigError: no row of the sample lies within the batch.
    """
    good = np.ones(len(guesses[0].values), dtype=bool)
    window = contract.files.batches.window(batch)
    for guess in guesses:
        if not guess.nullable:
            good &= np.asarray(guess.values.is_valid())
        if guess.type.name == "text":
            odd = pc.match_substring_regex(guess.values, r"^$|[\x00-\x1f]").fill_null(False)
            good &= ~np.asarray(odd)
        if window is not None and guess.name == contract.files.batches.by:
            good &= _within(guess.values, *window)
    rows = np.flatnonzero(good)[:GOOD_ROWS]
    if window is not None and not len(rows):
        raise ConfigError(
            f"no row of the sample has its {contract.files.batches.by} in {batch}: "
            "set --batch to the period of the sample, and --by to the column that dates its rows"
        )
    taken = [
        (guess.values if guess.cells is None else guess.cells).take(pa.array(rows)).to_pylist() for guess in guesses
    ]
    return [
        [_made_up(guess, n) if guess.pii else value for guess, value in zip(guesses, row, strict=True)]
        for n, row in enumerate(zip(*taken, strict=True), start=1)
    ]


def good_csv(contract: Contract, guesses: Sequence[Guess], rows: Sequence[Sequence[Any]]) -> str:
    """The file of good rows, under the source's own column names."""
    return _csv(contract, [guess.source for guess in guesses], rows)


def bad_csv(contract: Contract, guesses: Sequence[Guess], rows: Sequence[Sequence[Any]]) -> str:
    """The file of bad rows: the first good one, with one cell spoilt in each."""
    bad = []
    spoilt = [(place, *how) for place, guess in enumerate(guesses) for how in _spoilt(guess)] if rows else []
    for number, (place, check, value) in enumerate(spoilt):
        row = [_unlike(guess, rows[0][n], number) for n, guess in enumerate(guesses)]
        bad.append([*row[:place], value, *row[place + 1 :], check])
    return _csv(contract, [*(guess.source for guess in guesses), FAILS], bad)


def _unlike(guess: Guess, value: Any, number: int) -> Any:
    """The value, or another one in each row if it must be unique: a row is to fail the one check it is there for."""
    return guess.values[number % len(guess.values)].as_py() if guess.unique and not guess.pii else value


def _spoilt(guess: Guess) -> Iterable[tuple[str, Any]]:
    spec = guess.name
    if guess.type.name != "text":
        yield f"{spec} is {guess.type}", "?"
    if guess.required:
        yield f"{spec} not null", None
    if guess.totals:
        yield short(f"{spec} not in ({', '.join(map(repr, guess.totals))})"), guess.totals[0]


def _csv(contract: Contract, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    files = contract.files
    lines = [files.delimiter.join(_cell(cell, files) for cell in row) for row in [names, *rows]]
    before = ["-"] * files.skip
    text = "\n".join([*before, *(lines if files.header else lines[1:])]) + "\n"
    return text if files.encoding == "utf-8" else f"\ufeff{text}"  # the mark goes before the contract's encoding


def _cell(value: Any, files: Files) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    text = value if isinstance(value, str) else readable(value) if isinstance(value, bytes) else str(value)
    special = text in files.null_values or set(text) & set(f"{files.quote}{files.delimiter}{files.escape}\r\n")
    if not special or not files.quote:
        return text
    text = text.replace(files.escape, files.escape * 2) if files.escape else text
    return files.quote + text.replace(files.quote, files.quote * 2) + files.quote


def _within(values: pa.Array, first: datetime, after: datetime) -> np.ndarray:
    inside = pc.and_(
        pc.greater_equal(values, pa.scalar(first, values.type)), pc.less(values, pa.scalar(after, values.type))
    )
    return np.asarray(inside.fill_null(False))


def _made_up(guess: Guess, number: int) -> Any:
    """A value in the place of a person's."""
    if guess.type.name != "text":
        return {"date": date(2000, 1, number), "integer": number}.get(guess.type.name)
    return f"person{number}@example.com" if "mail" in guess.name else f"made up {number}"
