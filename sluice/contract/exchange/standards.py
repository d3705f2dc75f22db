"""Contracts of other standards, read: the Open Data Contract Standard, and models or sources in dbt's YAML. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluice.contract.authoring.annotations import quoted
from sluice.contract.columns import ColumnType
from sluice.contract.errors import ConfigError
from sluice.contract.exchange.database_types import type_named
from sluice.contract.exchange.drafted import Drafted, DraftedColumn

OPTIONS = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt", "pattern": "str_matches",
}  # fmt: skip
BOUNDED = ("integer", "number")  # logical types whose bounds are written as in Python
WARNS = ("warn", "warning")
PRIMARY = "primary_key"  # what dbt calls the constraint
NARROWED = ("where", "error_if", "warn_if", "fail_calc", "limit")  # settings of dbt by which a test asks something else
OTHER = ("severity", "config", "arguments", "name", "description", "tags", "meta", "quote", "enabled", "store_failures")


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


def _of_odcs(document: Mapping[str, Any], table: Mapping[str, Any]) -> Drafted:
    team = document.get("team") or {}
    members = team if isinstance(team, list) else team.get("members") or []
    owners = [each["username"] for each in members if each.get("role") == "owner" and each.get("username")]
    properties = table.get("properties") or ()
    keys = [str(each["name"]) for each in properties if each.get("primaryKey")]
    return Drafted(
        str(table["name"]),
        [_odcs_column(each, len(keys) == 1) for each in properties],
        table.get("description") or (document.get("description") or {}).get("purpose") or "",
        owners[0] if owners else "",
        [*_key_note(keys), *(_note(rule) for rule in table.get("quality") or () if not _demands_rows(rule))],
    )


def _key_note(keys: list[str]) -> list[str]:
    """What is said of a primary key of several columns: none of them alone is unique."""
    return [f"the primary key there is ({', '.join(keys)}): check that it is unique"] if len(keys) > 1 else []


def _demands_rows(rule: Mapping[str, Any]) -> bool:
    """Whether it demands no more than one row, which Sluice demands of every batch."""
    bounds = {key: value for key, value in rule.items() if key.startswith("must")}
    return "rowCount" in (rule.get("metric"), rule.get("rule")) and bounds in (
        {"mustBeGreaterThan": 0},
        {"mustBeGreaterOrEqualTo": 1},
    )


def _odcs_options(options: Mapping[str, Any], kind: ColumnType) -> tuple[dict[str, str], list[str]]:
    """The options of a type as arguments of column(), and a note of each that has no argument."""
    rules, notes = {}, []
    given = dict(options)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(given.get(exclusive), bool):  # as in ODCS 3.0, where it is a fact of the bound
            strict = given.pop(exclusive)
            if strict and bound in given:
                given[exclusive] = given.pop(bound)
    for key, value in given.items():
        number = type(value) in (int, float) and kind.logical in BOUNDED
        if (key == "pattern" and type(value) is str and kind.name == "text") or (key in OPTIONS and number):
            rules[OPTIONS[key]] = repr(value)
        elif key != "timezone":
            notes.append(f"write a check for {key}: {value}")
    return rules, notes


def _severity(rules: dict[str, str], applied: Mapping[str, Any], notes: list[str]) -> None:
    """Say that the column's checks only warn, where all of them do; else note which do."""
    said = {name: str(given or "error").lower() for name, given in applied.items()}
    notes += [f"the severity of {name} there is {each}" for name, each in said.items() if each not in (*WARNS, "error")]
    if applied and all(each in WARNS for each in said.values()):
        rules["severity"] = '"warn"'
    else:
        notes += [f"{name} only warns there" for name, each in said.items() if each in WARNS]


def _odcs_column(given: Mapping[str, Any], only_key: bool) -> DraftedColumn:
    options = given.get("logicalTypeOptions") or {}
    kind, notes = type_named(given.get("physicalType"), given.get("logicalType"), bool(options.get("timezone")))
    rules, unused = _odcs_options(options, kind)
    notes += unused
    if given.get("unique") or (given.get("primaryKey") and only_key):
        rules["unique"] = "True"
    if codes := [each["value"] for each in given.get("enum") or () if "value" in each]:
        rules["isin"] = _listed(codes)
    nullable = not (given.get("required") or given.get("primaryKey"))
    applied: dict[str, Any] = dict.fromkeys(rules) | ({} if nullable else {"required": None})
    for rule in given.get("quality") or ():
        name, none = rule.get("metric") or rule.get("rule"), rule.get("mustBe") == 0
        arguments = rule.get("arguments") or {}
        if name == "invalidValues" and [*arguments] == ["validValues"] and none:
            rules["isin"] = _listed(arguments["validValues"])
        elif name == "duplicateValues" and none and not arguments:
            rules["unique"] = "True"
        elif name == "nullValues" and none:
            nullable = False
        else:
            notes.append(_note(rule))
            continue
        applied[f"the rule {name}"] = rule.get("severity")
    _severity(rules, applied, notes)
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
    limits = {key: value for key, value in rule.items() if key.startswith("must") or key == "arguments"}
    bounds = f" ({_plain(limits)})" if limits and "query" not in rule else ""
    warns = ", which only warns there" if str(rule.get("severity")).lower() in WARNS else ""
    return f"write a check for the rule {_plain(rule.get('name') or what)!r}: {_plain(what)}{bounds}{warns}"


def _plain(value: object) -> str:
    return " ".join(str(value).split())


def _of_dbt(table: Mapping[str, Any]) -> Drafted:
    config = table.get("config") or {}
    meta = {**(table.get("meta") or {}), **(config.get("meta") or {})}
    given = table.get("columns") or ()
    keys = [str(each["name"]) for each in given if any(_test(rule)[0] == PRIMARY for rule in _rules(each))]
    columns = [_dbt_column(each, len(keys) == 1) for each in given]
    notes = [*_key_note(keys), *(_test_note(*_test(each)) for each in _rules(table))]
    return Drafted(str(table["name"]), columns, table.get("description") or "", str(meta.get("owner") or ""), notes)


def _rules(given: Mapping[str, Any]) -> list[Any]:
    """Constraints and tests of a column or model."""
    return [rule for key in ("constraints", "tests", "data_tests") for rule in given.get(key) or ()]


def _dbt_column(given: Mapping[str, Any], only_key: bool) -> DraftedColumn:
    kind, notes = type_named(given.get("data_type"), None)
    rules: dict[str, str] = {}
    applied: dict[str, Any] = {}
    meta = {**(given.get("meta") or {}), **((given.get("config") or {}).get("meta") or {})}
    for rule in _rules(given):
        name, arguments, settings = _test(rule)
        codes = arguments.get("values") if name == "accepted_values" else None
        if (name not in ("not_null", PRIMARY, "unique") and not codes) or settings.keys() & set(NARROWED):
            notes.append(_test_note(name, arguments, settings))
            continue
        if name == "unique" or (name == PRIMARY and only_key):
            rules["unique"] = "True"
        elif codes:
            rules["isin"] = _listed(codes)
        applied[name] = settings.get("severity")
    nullable = not applied.keys() & {"not_null", PRIMARY}
    _severity(rules, applied, notes)
    return DraftedColumn(
        (str(given["name"]),), kind, given.get("description") or "", nullable, bool(meta.get("pii")), rules, notes
    )


def _test_note(name: str, arguments: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """A test that is to be written by hand, in one line."""
    asked = {**arguments, **settings}
    return f"write a check for the test {name}" + (f" ({_plain(asked)})" if asked else "")


def _test(rule: Any) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Name, arguments and settings of a test or constraint, in each of dbt's spellings."""
    if isinstance(rule, str):
        return rule, {}, {}
    body = dict(rule)
    key = next((key for key in ("type", "test_name") if isinstance(body.get(key), str)), None)
    name = body.pop(key) if key else next(iter(body))
    if not key:
        given = body.pop(name)
        body |= given if isinstance(given, Mapping) else {}
    settings = {each: body[each] for each in (*NARROWED, "severity") if each in body} | (body.get("config") or {})
    arguments = {each: value for each, value in body.items() if each not in (*NARROWED, *OTHER)}
    known = {each: value for each, value in settings.items() if each in (*NARROWED, "severity")}
    return str(name), arguments | (body.get("arguments") or {}), known


def _listed(codes: Iterable[Any]) -> str:
    plain = (int, float, bool)
    return "[" + ", ".join(repr(each) if isinstance(each, plain) else quoted(str(each)) for each in codes) + "]"
