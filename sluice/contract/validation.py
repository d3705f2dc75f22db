"""What a contract does not support, refused by name: an unknown option, a part of a pandera model that would be
passed over. Pure: reads the model, raises ContractError."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import get_args

import pandera.pandas as pa

from sluice.contract.errors import ContractError

# Columns that every PostgreSQL table has.
POSTGRES_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"})
_OF_MODEL = {
    "parsers": "parsers change data; rename and compute in the stg_ model",
    "index": "a file has no index; declare a column",
    "drop_invalid_rows": "rejected rows go to quarantine",
    "add_missing_columns": "a column that may be missing is Optional[...]",
    "dtype": "each column declares its type",
    "ordered": "columns are found by their names, in any order",
}
_OF_COLUMN = {
    "parsers": "parsers change data; rename and compute in the stg_ model",
    "default": "a null stays null; give a default in the stg_ model",
    "regex": "declare each column",
}

LONGEST_DELIMITER = 8  # characters


def refuse_wrong_signs(delimiter: str, quote: str, escape: str) -> None:
    """Raises ContractError if a CSV file cannot be written with these."""
    for name, given in {"quote": quote, "escape": escape}.items():
        if given and (len(given.encode()) != 1 or given in "\r\n"):
            raise ContractError(f"{name} is one ASCII character, not {given!r}")
    if not 0 < len(delimiter) <= LONGEST_DELIMITER or set("\r\n") & set(delimiter):
        raise ContractError(
            f"delimiter is 1 to {LONGEST_DELIMITER} characters, none of them a line end, not {delimiter!r}"
        )
    if set(delimiter) & {quote, escape} or (quote and quote == escape):
        raise ContractError("delimiter, quote and escape must be different characters")


def refuse_unkept(dataset_id: str, schema: pa.DataFrameSchema) -> None:
    """Refuse what pandera would do with a frame and Sluice does not with a file.

    Raises:
        ContractError: names it, and what to do instead.
    """
    _refuse(dataset_id, schema, _OF_MODEL)
    if schema.strict == "filter":
        raise ContractError(f"{dataset_id}: strict='filter' is not supported: an unknown column is drift")
    for name, column in schema.columns.items():
        _refuse(f"{dataset_id}: {name}", column, _OF_COLUMN)
    unique = [schema.unique] if isinstance(schema.unique, str) else schema.unique or []
    if unknown := [name for name in unique if name not in schema.columns]:
        raise ContractError(f"{dataset_id}: unique names {unknown[0]!r}, which is not one of its columns")


def _refuse(where: str, spec: object, reasons: dict[str, str]) -> None:
    for part, instead in reasons.items():
        given = getattr(spec, part, None)
        if not (given is None or given is False or (isinstance(given, list) and not given)):
            raise ContractError(f"{where}: {part} is not supported: {instead}")


def refuse_unless(what: str, value: object, words: object) -> None:
    """Refuse a value that is not one of a `Literal`'s.

    Raises:
        ContractError: names those there are.
    """
    known: Collection[object] = get_args(words)
    if value not in known:
        raise ContractError(f"{what} is {' or '.join(map(repr, known))}, not {value!r}")


def refuse_unless_span(what: str, value: object) -> None:
    """Refuse a number where a span of time is meant.

    Raises:
        ContractError: says how to write it.
    """
    if not isinstance(value, timedelta):
        raise ContractError(f"{what} must be a span of time: days({value!r}), with `from sluice import days`")


def refuse_unless_share(what: str, value: object) -> None:
    """Refuse what is not a share of rows.

    Raises:
        ContractError: says what a share is.
    """
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ContractError(f"{what} must be a share of rows from 0 to 1, not {value!r}")
