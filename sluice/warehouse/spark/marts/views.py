"""The views that readers have of the marts, as statements. Pure.

A view has a branch for each publication that it can show: a table of a side, at the snapshot that was published. The
row of `live` chooses one. With a publication that it has no branch for, the view fails: it never is empty instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sluice.warehouse.spark.marts.names import filled, quoted, text

Columns = Mapping[str, str]  # type by name, in order
BRANCHES = "sluice.branches"  # the property of a view that says what is in it
IN_BETWEEN = (
    "the marts were published while this query was being planned: run it again. If that does not help, this session "
    "keeps old tables: set spark.sql.catalog.{catalog}.cache-enabled to false"
)


@dataclass(frozen=True, slots=True)
class Branch:
    """What a view shows with one publication.

    Attributes:
        table: schema and name of the mart on a side.
        snapshot: of Iceberg; None if the mart is a view.
        columns: those of the mart.
    """

    publication: str
    table: tuple[str, str]
    snapshot: int | None
    columns: Columns = field(default_factory=dict)


def written(branches: Sequence[Branch]) -> str:
    """The branches as a property of their view."""
    return json.dumps([asdict(branch) for branch in branches])


def read(written: str) -> tuple[Branch, ...]:
    """The branches that a property says."""
    return tuple(Branch(**{**each, "table": tuple(each["table"])}) for each in json.loads(written))


def columns_of(branches: Sequence[Branch]) -> Columns:
    """The columns of a view with these branches, the newest last: its types where they differ, and all names."""
    found: dict[str, str] = {}
    for branch in branches:
        found |= branch.columns
    return found


def statement(catalog: str, view: tuple[str, str], live: str, branches: Sequence[Branch]) -> str:
    """The statement that makes the view, or replaces it."""
    properties = f"TBLPROPERTIES ({text(BRANCHES)} = {text(written(branches))})"
    return f"CREATE OR REPLACE VIEW {quoted(catalog, *view)} {properties} AS {query(catalog, live, branches)}"


def query(catalog: str, live: str, branches: Sequence[Branch]) -> str:
    """What the view asks.

    A column that a branch lacks is null in it, and one that it has with another type is cast, which fails where a value
    does not fit: a reader gets an error rather than another value.
    """
    columns = columns_of(branches)
    parts = [_branch(catalog, branch, columns, live) for branch in branches]
    known = ", ".join(text(branch.publication) for branch in branches)
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in columns.items())
    fail = f"raise_error({text(IN_BETWEEN.format(catalog=catalog))})"
    otherwise = (
        "SELECT {nulls} FROM {live} AS live WHERE CASE WHEN live.publication IN ({known}) THEN false ELSE {fail} END"
    )
    parts.append(filled(otherwise, nulls=nulls, live=live, known=known, fail=fail))
    return " UNION ALL ".join(parts)


def _branch(catalog: str, branch: Branch, columns: Columns, live: str) -> str:
    cells = ", ".join(f"{_cell(branch, name, kind)} AS {quoted(name)}" for name, kind in columns.items())
    version = "" if branch.snapshot is None else f" VERSION AS OF {branch.snapshot}"
    select = "SELECT {cells} FROM {table} AS mart CROSS JOIN {live} AS live WHERE live.publication = {publication}"
    table = quoted(catalog, *branch.table) + version
    return filled(select, cells=cells, table=table, live=live, publication=text(branch.publication))


def _cell(branch: Branch, name: str, kind: str) -> str:
    if branch.columns.get(name) == kind:
        return f"mart.{quoted(name)}"
    return f"CAST(mart.{quoted(name)} AS {kind})" if name in branch.columns else f"CAST(NULL AS {kind})"
