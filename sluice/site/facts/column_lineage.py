"""From which columns of which tables each column of a query comes, read from its SQL by sqlglot. Runs no query.

Uses of sqlglot only what has had one name since its version 27: `lineage()` with a scope, `qualify`, `traverse_scope`'s
scopes, and the arguments `where`, `having`, `joins` and `on` of a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

AS_IT_IS, RENAMED, COMPUTED = HOW = ("as it is", "renamed", "computed")  # each hides more than the one before
CHOOSES, JOINS = "chooses rows", "joins rows"
EPHEMERAL = "__dbt__cte__"  # what dbt calls the CTE into which it copies an ephemeral model
DIALECT = "postgres"

Table = tuple[str, str]  # schema and name; ("", model) of an ephemeral model
Origin = tuple[Table, str, str]  # table, column, and how: one of HOW, or CHOOSES, JOINS


@dataclass(frozen=True, slots=True)
class Lineage:
    """Of one query.

    Attributes:
        origins: for each column that was asked for, what it is built from; empty for a constant or `count(*)`.
        rows_by: the columns that decide which rows there are.
        problems: what could not be followed, as phrases.
    """

    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    rows_by: tuple[Origin, ...] = ()
    problems: tuple[str, ...] = ()


def read(query: str, columns: Sequence[str], tables: Mapping[Table, Iterable[str]]) -> Lineage:
    """Read a query of PostgreSQL.

    Args:
        columns: names of its columns, as the database has them.
        tables: the tables that it may read, with their columns, by which `*` and bare names are resolved.
    """
    from sqlglot import exp, parse_one  # half a second, which only a publish is worth
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    nested: Any = {}
    for (place, name), known in tables.items():
        nested.setdefault(place, {})[name] = dict.fromkeys(known, "text")  # no type is asked for
    schema = MappingSchema(nested, dialect=DIALECT, normalize=False)
    try:
        options: Any = {"identify": False, "validate_qualify_columns": False, "allow_partial_qualification": True}
        whole: Any = qualify(parse_one(query, dialect=DIALECT), dialect=DIALECT, schema=schema, **options)
        scope = build_scope(whole)
    except (SqlglotError, RecursionError) as error:
        return Lineage(dict.fromkeys(columns, ()), (), (_in_short(error),))
    if scope is None:
        return Lineage(dict.fromkeys(columns, ()), (), (f"{type(whole).__name__} is not a query",))
    reader = _Reader(schema)
    origins = {name: reader.of(exp.column(name, quoted=True), scope) for name in columns}
    rows_by = [
        (table, column, how)
        for clause, how, inside in _row_clauses(scope)
        for each, owner in _columns(clause, inside)
        for table, column, _ in reader.behind(each, owner)
    ]
    return Lineage(origins, tuple(dict.fromkeys(rows_by)), tuple(dict.fromkeys(reader.problems)))


class _Reader:
    """Follows columns of one query to tables; notes what it cannot follow."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self.problems: list[str] = []

    def of(self, column: Any, scope: Any) -> tuple[Origin, ...]:
        """The origins of one output column of a scope."""
        from sqlglot.errors import SqlglotError
        from sqlglot.lineage import lineage

        try:
            root = lineage(column, scope.expression, self._schema, dialect=DIALECT, scope=scope, trim_selects=False)
        except (SqlglotError, ValueError, RecursionError) as error:
            self.problems.append(f"column {column.name}: {_in_short(error)}")
            return ()
        return tuple(sorted((*of, HOW[how]) for of, how in self._leaves(root, column.name, {}).items()))

    def behind(self, column: Any, scope: Any) -> tuple[Origin, ...]:
        """The origins of a column as one scope uses it; of an outer scope, in a correlated subquery."""
        from sqlglot import exp
        from sqlglot.optimizer.scope import Scope

        while scope is not None and column.table not in scope.sources:
            scope = scope.parent
        source = scope.sources[column.table] if scope is not None else None
        if isinstance(source, Scope):
            if (model := _ephemeral(scope, column.table)) is not None:
                return ((("", model), column.name, AS_IT_IS),)
            return self.of(exp.column(column.name, quoted=True), source)
        if isinstance(source, exp.Table):
            return (((source.db, source.name), column.name, AS_IT_IS),)
        self.problems.append(f"column {column.sql(dialect=DIALECT)} belongs to no known table")
        return ()

    def _leaves(self, node: Any, name: str, known: dict[int, dict[tuple[Table, str], int]]) -> dict:
        """Tables' columns below a node, each with the place in HOW of what was done to it on the way."""
        from sqlglot import exp

        if (found := known.get(id(node))) is not None:
            return found
        found = known[id(node)] = {}
        if node.reference_node_name.startswith(EPHEMERAL):
            place = ("", node.reference_node_name.removeprefix(EPHEMERAL))
            found[place, node.name.rpartition(".")[2]] = 0
        elif isinstance(node.expression, exp.Table):
            if node.name == "*":
                self.problems.append(f"column {name}: the columns of {node.expression.name} are not known")
            else:
                found[(node.expression.db, node.expression.name), exp.to_column(node.name, dialect=DIALECT).name] = 0
        elif isinstance(node.expression, exp.Placeholder):
            self.problems.append(f"column {name}: {node.name} belongs to no known table")
        else:
            done = _done(node.expression)
            for below in node.downstream:
                for leaf, how in self._leaves(below, name, known).items():
                    found[leaf] = max(found.get(leaf, 0), how, done)
        return found


def _done(select: Any) -> int:
    """The place in HOW of what one SELECT does for a column of its list."""
    from sqlglot import exp

    inner = select.this if isinstance(select, exp.Alias) else select
    if isinstance(select, exp.Query):  # a union: each of its queries has its own
        return 0
    if not isinstance(inner, exp.Column):
        return HOW.index(COMPUTED)
    return HOW.index(AS_IT_IS if inner.name == select.alias_or_name else RENAMED)


def _ephemeral(scope: Any, alias: str) -> str | None:
    node, _ = scope.selected_sources.get(alias, (None, None))
    name = getattr(node, "name", "")
    return name.removeprefix(EPHEMERAL) if name.startswith(EPHEMERAL) else None


def _row_clauses(root: Any) -> Iterator[tuple[Any, str, Any]]:
    """Every condition on rows, what it does, and the scope that it stands in."""
    for scope in root.traverse():
        for name in ("where", "having"):
            if clause := scope.expression.args.get(name):
                yield clause, CHOOSES, scope
        for join in scope.expression.args.get("joins") or ():
            if clause := join.args.get("on"):
                yield clause, JOINS, scope


def _columns(clause: Any, scope: Any) -> Iterator[tuple[Any, Any]]:
    """The columns in a part of a query, also in what its subqueries select, each with the scope that it stands in."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import walk_in_scope

    inner = {id(each.expression): each for each in scope.subquery_scopes}
    for part in walk_in_scope(clause):
        if isinstance(part, exp.Column):
            yield part, scope
        elif part is not clause and (below := inner.get(id(part))) is not None:
            for select in getattr(below.expression, "selects", ()):
                yield from _columns(select, below)


def _in_short(error: BaseException) -> str:
    """The first line of a message, without the colours that sqlglot marks a place with."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", str(error) or type(error).__name__).strip().splitlines()[0]
