"""Rules of one value for the whole table, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.two_ways.row_rules import anything, numbers, whole
from tests.two_ways.rules import COMPARE, Rule, combine, comparison, constant, method

AGGREGATES: dict[str, Callable[[Any], Any]] = {
    "mean": lambda x: x.mean(),
    "sum": lambda x: x.sum(),
    "min": lambda x: x.min(),
    "max": lambda x: x.max(),
    "count": lambda x: x.count(),
    "nunique": lambda x: x.nunique(),
}


def aggregate(name: str) -> st.SearchStrategy[Rule]:
    on = anything if name in ("count", "nunique") else numbers
    value = on.map(lambda rule: combine(f"aggregate {name}", f"{{}}.{name}()", AGGREGATES[name], rule))
    return st.builds(
        lambda sign, one, other: combine((f"aggregate {name}", sign), f"{{}} {sign} {{}}", COMPARE[sign], one, other),
        st.sampled_from(sorted(COMPARE)),
        value,
        constant(0, 1, 2, 7) if name in ("count", "nunique") else whole | constant(0.5, 10),
    )


one_value = st.one_of(*(aggregate(name) for name in AGGREGATES))
of_nulls = st.one_of(
    method("aggregate share", ".isna().mean() <= 0.5", lambda x: x.isna().mean() <= 0.5, anything),
    method("aggregate share", ".isna().sum() < 2", lambda x: x.isna().sum() < 2, anything),
)
shares = st.one_of(
    of_nulls,
    method("aggregate all", ".all()", lambda x: x.all(), comparison("numbers", numbers, whole)),
    method("aggregate any", ".any()", lambda x: x.any(), comparison("numbers", numbers, whole)),
)
