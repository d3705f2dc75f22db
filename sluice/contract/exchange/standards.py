"""Contracts of other standards, read: the Open Data Contract Standard, and models or sources in dbt's YAML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from sluice.contract.authoring.annotations import quoted
from sluice.contract.columns import PLAIN_TYPES, ColumnType, column_type
from sluice.contract.errors import ConfigError
from sluice.contract.exchange.drafted import Drafted, DraftedColumn

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
SAID = (int, float, str)
OPTIONS = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt", "pattern": "str_matches",
}  # fmt: skip


def read(document: Any, table: str | None = None) -> Drafted:
    """A table of a document: of ODCS, or of dbt's YAML.

    Args:
        table: which, where there are several.

    Raises:
        ConfigError: it is neither, or has no such table.
    """
    found: list[Drafted] = []
    if isinstance(document, Mapping) and document.get("kind") == "DataContract":
        found = [_of_odcs(document, each) for each in document.get("schema") or ()]
    elif isinstance(document, Mapping) and (document.get("models") or document.get("sources")):
        tables = [*(document.get("models") or ())]
        tables += [each for source in document.get("sources") or () for each in source.get("tables") or ()]
        found = [_of_dbt(each) for each in tables]
    if not found:
        raise ConfigError(
            "the file is not a contract of the Open Data Contract Standard, and has no model or source of dbt"
        )
    names = ", ".join(each.name for each in found)
    chosen = [each for each in found if table in (None, each.name)]
    if len(chosen) != 1:
        raise ConfigError(f"the file has the tables {names}: choose one with --table")
    if not chosen[0].columns:
        raise ConfigError(f"table {chosen[0].name} has no columns, so there is nothing to draft a contract from")
    return chosen[0]


def _type(physical: str | None, logical: str | None, zoned: bool = False) -> tuple[ColumnType, list[str]]:
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


def _of_odcs(document: Mapping[str, Any], table: Mapping[str, Any]) -> Drafted:
    team = document.get("team") or {}
    members = team if isinstance(team, list) else team.get("members") or []
    owners = [each["username"] for each in members if each.get("role") == "owner" and each.get("username")]
    return Drafted(
        str(table["name"]),
        [_odcs_column(each) for each in table.get("properties") or ()],
        table.get("description") or (document.get("description") or {}).get("purpose") or "",
        owners[0] if owners else "",
        [_note(rule) for rule in table.get("quality") or () if rule.get("metric") != "rowCount"],
    )


def _odcs_column(given: Mapping[str, Any]) -> DraftedColumn:
    options = given.get("logicalTypeOptions") or {}
    kind, notes = _type(given.get("physicalType"), given.get("logicalType"), bool(options.get("timezone")))
    rules = {OPTIONS[key]: repr(value) for key, value in options.items() if key in OPTIONS and type(value) in SAID}
    if given.get("unique") or given.get("primaryKey"):
        rules["unique"] = "True"
    if codes := [each["value"] for each in given.get("enum") or () if "value" in each]:
        rules["isin"] = _listed(codes)
    nullable = not (given.get("required") or given.get("primaryKey"))
    for rule in given.get("quality") or ():
        name, none = rule.get("metric") or rule.get("rule"), rule.get("mustBe") == 0
        valid = (rule.get("arguments") or {}).get("validValues")
        if name == "invalidValues" and valid and none:
            rules["isin"] = _listed(valid)
        elif name == "duplicateValues" and none:
            rules["unique"] = "True"
        elif name == "nullValues" and none:
            nullable = False
        else:
            notes.append(_note(rule))
    own = {each.get("property"): each.get("value") for each in given.get("customProperties") or ()}
    if own.get("unit"):
        rules["unit"] = quoted(str(own["unit"]))
    if own.get("sinceBatch"):
        rules["since"] = quoted(str(own["sinceBatch"]))
    if own.get("optionalInFiles"):
        rules["required"] = "False"
    named = str(own.get("sourceNames") or given.get("physicalName") or given["name"]).split(", ")
    personal = str(given.get("classification", "")).lower() in ("personal", "pii", "sensitive")
    return DraftedColumn(tuple(named), kind, given.get("description") or "", nullable, personal, rules, notes)


def _note(rule: Mapping[str, Any]) -> str:
    """A rule that is to be written by hand, in one line."""
    what = rule.get("query") or rule.get("description") or rule.get("name") or rule.get("metric") or "a rule"
    return (
        f"write a check for the rule {' '.join(str(rule.get('name') or what).split())!r}: {' '.join(str(what).split())}"
    )


def _of_dbt(table: Mapping[str, Any]) -> Drafted:
    config = table.get("config") or {}
    meta = {**(table.get("meta") or {}), **(config.get("meta") or {})}
    tests = [*(table.get("tests") or ()), *(table.get("data_tests") or ())]
    columns = [_dbt_column(each) for each in table.get("columns") or ()]
    notes = [f"write a check for the test {_test(each)[0]}" for each in tests]
    return Drafted(str(table["name"]), columns, table.get("description") or "", str(meta.get("owner") or ""), notes)


def _dbt_column(given: Mapping[str, Any]) -> DraftedColumn:
    kind, notes = _type(given.get("data_type"), None)
    rules, nullable = {}, True
    meta = {**(given.get("meta") or {}), **((given.get("config") or {}).get("meta") or {})}
    for rule in (*(given.get("constraints") or ()), *(given.get("tests") or ()), *(given.get("data_tests") or ())):
        name, arguments = _test(rule)
        if name in ("not_null", "primary_key"):
            nullable = False
        if name in ("unique", "primary_key"):
            rules["unique"] = "True"
        elif name == "accepted_values":
            rules["isin"] = _listed(arguments.get("values") or ())
        elif name != "not_null":
            notes.append(f"write a check for the test {name}" + (f" ({arguments})" if arguments else ""))
    return DraftedColumn(
        (str(given["name"]),), kind, given.get("description") or "", nullable, bool(meta.get("pii")), rules, notes
    )


def _test(rule: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and arguments of a test or constraint, in each of dbt's spellings."""
    if isinstance(rule, str):
        return rule, {}
    if "type" in rule:  # a constraint
        return str(rule["type"]), {}
    if isinstance(name := rule.get("test_name") or rule.get("name"), str) and "test_name" in rule:
        return name, rule.get("arguments") or {}
    name, arguments = next(iter(rule.items()))
    arguments = arguments or {}
    return str(name), arguments.get("arguments") or arguments


def _listed(codes: Iterable[Any]) -> str:
    plain = (int, float, bool)
    return "[" + ", ".join(repr(each) if isinstance(each, plain) else quoted(str(each)) for each in codes) + "]"
