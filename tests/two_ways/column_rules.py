"""What `column(...)` is told, drawn at random: pandera's own checks, `unique` and `nullable`."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from tests.two_ways.texts import patterns


@dataclass(frozen=True)
class FieldRule:
    """What `column(...)` is told: one of pandera's own checks, `unique` or `nullable`."""

    kind: str
    column: str
    options: dict[str, Any] = field(hash=False)

    def __repr__(self) -> str:
        return f"{self.column}: {self.options}"


_bounds = {
    "a": st.sampled_from([0, 1, -1, 7]),
    "f": st.sampled_from([0.0, 0.5, -0.25, 1e6]),
    "m": st.sampled_from([Decimal("0.00"), Decimal("1.50"), Decimal(-7)]),
    "s": st.sampled_from(["", "a", "b", "é"]),
    "t": st.sampled_from([pd.Timestamp("2021-01-01"), pd.Timestamp("2021-06-01 12:30")]),
    "z": st.sampled_from([pd.Timestamp("2021-01-01", tz="UTC"), pd.Timestamp("2021-01-01", tz="Europe/Paris")]),
}


def _range(bounds: list[Any], low: bool, high: bool) -> dict[str, Any]:
    return {"min_value": min(bounds), "max_value": max(bounds), "include_min": low, "include_max": high}


def _on(column: str) -> st.SearchStrategy[FieldRule]:
    bound = _bounds[column]
    ranges = st.builds(_range, st.lists(bound, min_size=2, max_size=2, unique=True), st.booleans(), st.booleans())
    found = [(key, bound) for key in ("eq", "ne", "gt", "ge", "lt", "le")] + [("in_range", ranges)]
    if column in "ams":
        found += [(key, st.lists(bound, max_size=3, unique=True)) for key in ("isin", "notin")]
    return st.one_of(
        *(values.map(lambda value, key=key: FieldRule(key, column, {key: value})) for key, values in found)
    )


_lengths = st.sampled_from([{"min_value": 1}, {"max_value": 2}, {"min_value": 1, "max_value": 3}, {"exact_value": 2}])
bounds = st.one_of(*(_on(column) for column in _bounds))
text_rules = st.one_of(
    patterns.map(lambda p: FieldRule("str_matches", "s", {"str_matches": p})),
    patterns.map(lambda p: FieldRule("str_contains", "s", {"str_contains": p})),
    st.sampled_from(["", "a", "%"]).map(lambda p: FieldRule("str_startswith", "s", {"str_startswith": p})),
    st.sampled_from(["", "b", "_"]).map(lambda p: FieldRule("str_endswith", "s", {"str_endswith": p})),
    _lengths.map(lambda value: FieldRule("str_length", "s", {"str_length": value})),
)
keys = st.one_of(
    st.sampled_from("abfmstzkd").map(lambda c: FieldRule("not null", c, {"nullable": False})),
    st.builds(
        lambda c, keep: FieldRule(f"unique keep={keep}", c, {"unique": True, "keep": keep}),
        st.sampled_from("abfmstzkd"),
        st.sampled_from(["first", "last", False]),
    ),
)
field_rules = bounds | text_rules | keys
