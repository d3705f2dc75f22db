"""The types of columns as databases and other standards call them. Pure."""

from __future__ import annotations

import re

import pyarrow as pa

from sluice.contract.columns import PLAIN_TYPES, ColumnType, column_type

# What databases call the types, and ODCS where it has no physical type
BY_NAME = {
    "integer": ("integer", "int", "int2", "int4", "int8", "int64", "bigint", "smallint", "serial", "bigserial", "long"),
    "float": ("number", "float", "float4", "float8", "float64", "double", "double precision", "real"),
    "text": ("string", "text", "varchar", "character varying", "char", "character", "bpchar", "citext"),
    "boolean": ("boolean", "bool"),
    "date": ("date",),
    "timestamp": ("timestamp", "timestamp without time zone", "datetime", "timestamp_ntz"),
    "timestamp with time zone": ("timestamp with time zone", "timestamptz", "timestamp_tz", "timestamp_ltz"),
    "time": ("time", "time without time zone"),
    "uuid": ("uuid",),
    "bytes": ("bytea", "bytes", "binary", "varbinary"),
    "json": ("json", "jsonb", "object", "array", "variant", "super"),
}
NAMED = {name: kind for kind in PLAIN_TYPES.values() for name in BY_NAME[kind.name]}
DECIMAL = re.compile(r"(?:numeric|decimal|number)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


def type_named(physical: str | None, logical: str | None, zoned: bool = False) -> tuple[ColumnType, list[str]]:
    """The type that holds it; text, with a note, where none is known."""
    written = (physical or "").lower().strip()
    if (sized := DECIMAL.fullmatch(written)) and 0 < int(sized[1]) <= 38:
        return column_type(pa.decimal128(int(sized[1]), int(sized[2] or 0))), []
    plain = re.sub(r"\s*\(.*?\)", "", written)
    if plain in ("numeric", "decimal"):
        return column_type(pa.decimal128(38, 9)), [f"{written} has no size there"]
    for each in (plain, (logical or "").lower()):
        if each == "timestamp" and zoned:
            return NAMED["timestamptz"], []
        if each in NAMED:
            return NAMED[each], []
    return NAMED["text"], [f"its type there is {physical or logical or 'not said'}"]
