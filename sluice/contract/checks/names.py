"""Names of checks; the references to other datasets, of which a contract has some in columns and some itself."""

from __future__ import annotations

import re
from hashlib import sha256

import pandera.pandas as pa

from sluice.contract.checks.pandera_check import is_builtin
from sluice.contract.checks.symbols.literals import listed, plain
from sluice.contract.columns import NAME, Column, Reference
from sluice.contract.contract import Contract
from sluice.contract.errors import ContractError

_LABELS = {
    "equal_to": "{c} = {value}",
    "not_equal_to": "{c} <> {value}",
    "greater_than": "{c} > {min_value}",
    "greater_than_or_equal_to": "{c} >= {min_value}",
    "less_than": "{c} < {max_value}",
    "less_than_or_equal_to": "{c} <= {max_value}",
    "in_range": "{c} between {min_value} and {max_value}",
    "isin": "{c} in ({allowed_values})",
    "notin": "{c} not in ({forbidden_values})",
    "str_matches": "{c} matches {pattern}",
    "str_contains": "{c} contains {pattern}",
    "str_startswith": "{c} starts with {string}",
    "str_endswith": "{c} ends with {string}",
}
SEVERAL = re.compile(r"([^()\s]+)\(([^()]+)\)")  # shop__lines(order_id, line)  # of several columns
LONGEST = 200  # characters; it stands in each rejected row, and in an index, which holds 2,704 bytes


def short(name: str) -> str:
    """A name that is not too long for a reason; cut ones differ in their end."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 20]}... ({sha256(name.encode()).hexdigest()[:8]})"


def parse_check_name(column: Column) -> str:
    """The name of the check that every cell of a column could be read as its type."""
    return f"{column.name} is {column.type}"


def dataset_check_name(dataset_id: str, column: Column) -> str:
    """The name of the check that no other published batch has a column's values."""
    return f"{column.name} unique in {dataset_id}"


def check_name(column: str, check: pa.Check) -> str:
    """A column check's name in words, with its numbers: `passenger_count >= 1`."""
    return short(_in_words(column, check))


def _in_words(column: str, check: pa.Check) -> str:
    statistics = dict(check.statistics or {})
    name = str(check.name)
    if not is_builtin(check):
        return f"{column}: {name}"
    if name == "str_length":
        return f"{column} {_length(**statistics)}"
    if name not in _LABELS or not statistics:
        return f"{column}: {name}"
    if name == "in_range" and not (statistics["include_min"] and statistics["include_max"]):
        return f"{column} in range {statistics}"
    words = {
        key: ", ".join(map(_word, listed(value))) if key.endswith("_values") else _word(value)
        for key, value in statistics.items()
    }
    return _LABELS[name].format(c=column, **words)


def _length(min_value: int | None = None, max_value: int | None = None, exact_value: int | None = None) -> str:
    if exact_value is not None:
        return f"has {exact_value} characters"
    if max_value is None:
        return "not empty" if min_value == 1 else f"has {min_value} or more characters"
    return f"has {min_value or 0} to {max_value} characters"


def _word(value: object) -> str:
    return repr(plain(value)) if isinstance(value, str | int | float) else str(value)


SHAPE_CHECK = "row is well-formed"


def references_of(contract: Contract) -> tuple[Reference, ...]:
    """Every reference: those of single columns in their order, then those of several.

    Raises:
        ContractError: one of several columns names no column of the contract, or is not written as it should be.
    """
    single = [reference_of(column) for column in contract.columns if column.references is not None]
    return (*single, *(_of_several(contract, key, str(written)) for key, written in contract.references.items()))


def reference_of(column: Column) -> Reference:
    """That of a column which has one."""
    assert column.references is not None
    dataset, name = column.references
    return Reference((column.name,), dataset, (name,), column.severity, column.tolerance)


def _of_several(contract: Contract, key: tuple[str, ...], written: str) -> Reference:
    known = {column.name for column in contract.columns}
    found = SEVERAL.fullmatch(written.strip())
    names = tuple(name.strip() for name in found[2].split(",")) if found else ()
    columns = (key,) if isinstance(key, str) else tuple(key)
    example = 'references={("order_id", "line"): "shop__lines(order_id, line)"}'
    if not (found and NAME.fullmatch(found[1]) and "__" in found[1] and all(map(NAME.fullmatch, names))):
        raise ContractError(f"{contract}: references: {written!r}: name a dataset and its columns, as in {example}")
    if len(columns) != len(names) or len({*columns}) != len(columns) or len({*names}) != len(names):
        raise ContractError(f"{contract}: references: {columns} and {names} are not pairs of columns, as in {example}")
    if len(columns) < 2:
        single = f"column(references='{found[1]}.{names[0]}')"
        raise ContractError(f"{contract}: references: {written!r} is one column: use {single}")
    if missing := [name for name in columns if name not in known]:
        raise ContractError(f"{contract}: references: it has no column {missing[0]!r}")
    return Reference(columns, found[1], names)
