"""Contracts made of drawn rules, as an author would have written them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandera.pandas as pa
from hypothesis import strategies as st

from sluice.contract.batches import Single
from sluice.contract.checks.compile import Check
from sluice.contract.columns import Bool, Date, Float, Int, Money, Text, Timestamp, UtcTimestamp
from sluice.contract.columns import column as columns_column
from sluice.contract.contract import Contract, Files, Gate
from tests.two_ways.column_rules import FieldRule, bounds, field_rules, keys, text_rules
from tests.two_ways.row_rules import ATOMS, atoms, rows_rules
from tests.two_ways.rules import Rule
from tests.two_ways.table_rules import one_value, shares

TYPES = {"a": Int, "b": Int, "f": Float, "g": Float, "m": Money, "n": Money, "s": Text, "t": Timestamp}
TYPES |= {"u": Timestamp, "y": UtcTimestamp, "z": UtcTimestamp, "k": Bool, "d": Date}


@dataclass(frozen=True)
class Drawn:
    """What a contract is made of."""

    table: tuple[Rule, ...]
    column: tuple[tuple[Rule, bool], ...]  # with pandera's ignore_na
    fields: tuple[FieldRule, ...]
    unique: tuple[str, ...] | None

    def contract(self) -> Contract:
        """An ordinary contract, as an author would have written it."""
        options = {name: {"nullable": True} for name in TYPES}
        for rule in self.fields:
            options[rule.column] |= rule.options
        members: dict[str, Any] = {"__annotations__": TYPES, "__module__": __name__}
        members |= {name: columns_column("Something.", **options[name]) for name in TYPES}
        for number, rule in enumerate(self.table):
            members[f"table_{number}"] = pa.dataframe_check(name=f"table {number}")(_method(rule.judge))
        for number, (rule, ignore_na) in enumerate(self.column):
            [name] = rule.columns
            judge = _method(lambda x, rule=rule, name=name: rule.judge({name: x}))
            members[f"column_{number}"] = pa.check(name, name=f"column {number}", ignore_na=ignore_na)(judge)
        if self.unique:
            members["Config"] = type("Config", (), {"unique": list(self.unique)})
        model = type("Things", (pa.DataFrameModel,), members)
        return Contract("test", "things", "me@example.com", model, Files("x.csv", Single()), Gate())

    def kinds_and_columns(self, check: Check) -> tuple[frozenset[str], frozenset[str]]:
        """What a check of the contract tries, and the columns it looks at."""
        label = check.name.split(": ")[-1]
        if label.startswith("table "):
            rule = self.table[int(label[6:])]
            return rule.kinds, rule.columns
        if label.startswith("column "):
            rule, ignore_na = self.column[int(label[7:])]
            return rule.kinds | {"column check" if ignore_na else "column check, ignore_na=False"}, rule.columns
        if len(check.columns) == 2:
            return frozenset(["table unique"]), frozenset(check.columns)
        [kind] = [rule.kind for rule in self.fields if rule.column == check.columns[0]]
        return frozenset([kind]), frozenset(check.columns)


def _method(judge: Any) -> Any:
    def judged(cls: Any, things: Any) -> Any:
        return judge(things)

    return judged


def contracts_of(table: Any, on_columns: Any, fields: Any) -> st.SearchStrategy[Drawn]:
    """Contracts of a few rules of these kinds. A rule over one column may stand as a check of the column."""
    one_column = on_columns.filter(lambda rule: len(rule.columns) == 1)
    return st.builds(
        Drawn,
        st.lists(table, min_size=2, max_size=4).map(tuple),
        st.lists(st.tuples(one_column, st.booleans()), min_size=1, max_size=2).map(tuple),
        st.lists(fields, min_size=1, max_size=3, unique_by=lambda rule: rule.column).map(tuple),
        st.sampled_from([None, ("a", "s"), ("f", "z"), ("m", "d")]),
    )


CONTRACTS = {
    **{what: contracts_of(st.one_of(*rules), st.one_of(*rules), field_rules) for what, rules in ATOMS.items()},
    "combined": contracts_of(rows_rules, atoms, field_rules),
    "aggregates": contracts_of(one_value, one_value, keys),
    "shares": contracts_of(shares, shares, keys),
    "bounds of columns": contracts_of(atoms, atoms, bounds),
    "texts of columns": contracts_of(atoms, atoms, text_rules),
    "keys": contracts_of(atoms, atoms, keys),
}
