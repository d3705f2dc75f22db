"""Types as a contract file writes them: which holds a typed column of a file, and its annotation. Pure."""

from __future__ import annotations

import pyarrow as pa

from sluice.contract.columns import MONEY, PLAIN_TYPES, ColumnType, column_type
from sluice.contract.values.casts import deliverable

_MONEY = column_type(pa.decimal128(*MONEY))
NAMES = tuple(kind.annotation for kind in (*PLAIN_TYPES.values(), _MONEY))


def holding(given: pa.DataType) -> ColumnType | None:
    """The contract type that holds a file's typed column as it is; None if there is none."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    if isinstance(given, pa.BaseExtensionType):
        return column_type(pa.binary(16)) if given.extension_name == "arrow.uuid" else holding(given.storage_type)
    if pa.types.is_null(given):
        return column_type(pa.string())
    if given == pa.uint64():
        return column_type(pa.decimal128(20, 0))
    if pa.types.is_nested(given):
        return column_type(pa.large_string())
    if pa.types.is_fixed_size_binary(given):
        return column_type(pa.binary())
    if pa.types.is_decimal(given) and 0 <= given.scale <= given.precision <= 38:
        return column_type(pa.decimal128(given.precision, given.scale))
    if pa.types.is_floating(given):  # before integers, which a file may deliver as doubles
        return column_type(pa.float64())
    kinds = [kind for arrow, kind in PLAIN_TYPES.items() if arrow != pa.float64()]
    return next((kind for kind in kinds if deliverable(given, kind)), None)


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where that needs no escape."""
    written = repr(text)
    return written if '"' in text or written.startswith('"') else f'"{written[1:-1]}"'
