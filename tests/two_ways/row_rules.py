"""Rules that judge row by row, drawn at random."""

from __future__ import annotations

import operator
from datetime import UTC, date, datetime

import pandas as pd
from hypothesis import strategies as st

from tests.two_ways.rules import ARITHMETIC, Rule, col, cols, combine, comparison, constant, method
from tests.two_ways.texts import found

numbers = cols("abfgmn")
whole = constant(0, 1, -1, 2, 7, 100)
real = constant(0.5, -0.25, 1e6)
sums = st.builds(
    lambda sign, left, right: combine(f"number {sign}", f"({{}} {sign} {{}})", ARITHMETIC[sign], left, right),
    st.sampled_from(sorted(ARITHMETIC)),
    numbers,
    numbers | whole,
)
number = (
    numbers
    | sums
    | st.builds(lambda rule: combine("negative", "-{}", operator.neg, rule), numbers)
    | st.builds(lambda rule: combine("abs", "abs({})", abs, rule), numbers)
    | method("division", " / 4", lambda x: x / 4, cols("afb"))
)
text, time, zoned = cols("s"), cols("tu"), cols("yz")
words = constant("", "a", "A", "é", "a%b", "_", "z")
moments = constant(pd.Timestamp("2021-01-01"), datetime(2021, 6, 1, 12, 30))
instants = constant(
    pd.Timestamp("2021-01-01", tz="Europe/Paris"),
    datetime(2021, 6, 1, 12, 30, tzinfo=UTC),
    pd.Timestamp("2020-03-29 02:30", tz="America/New_York"),
)
spans = constant(pd.Timedelta(0), pd.Timedelta(hours=2), pd.Timedelta(days=-1))
span = st.sampled_from(
    [combine("difference", "({} - {})", operator.sub, col(x), col(y)) for x, y in ("ut", "tu", "zy")]
)


def part(name: str) -> st.SearchStrategy[Rule]:
    limits = {"year": 2021, "month": 6, "day": 15, "dayofweek": 5, "hour": 12, "minute": 30}
    on = time | zoned | cols("d") if name in ("year", "month", "day", "dayofweek") else time | zoned
    return method(f".dt.{name}", f".dt.{name} < {limits[name]}", lambda x: getattr(x.dt, name) < limits[name], on)


anything = cols("abfgmnstuyzkd")
ATOMS: dict[str, list[st.SearchStrategy[Rule]]] = {
    "numbers": [comparison("numbers", number, number | whole | real)] * 2,
    "texts": [
        comparison("texts", text, words),
        method(".str.len", ".str.len() > 1", lambda x: x.str.len() > 1, text),
        method(".str.startswith", ".str.startswith('a')", lambda x: x.str.startswith("a"), text),
        method(".str.endswith", ".str.endswith('b', na=False)", lambda x: x.str.endswith("b", na=False), text),
        method(".str.contains plain", ".str.contains('%')", lambda x: x.str.contains("%", regex=False), text),
    ],
    "patterns": [found(how) for how in ("contains", "match", "fullmatch")],
    "times": [
        comparison("times", time, time | moments),
        comparison("times with zone", zoned, zoned | instants),
        comparison("dates", cols("d"), constant(date(2021, 1, 1), date(1999, 12, 31))),
        comparison("spans", span, spans),
        method("total_seconds", ".dt.total_seconds() < 60", lambda x: x.dt.total_seconds() < 60, span),
    ],
    "parts of times": [part(name) for name in ("year", "month", "day", "dayofweek", "hour", "minute")],
    "nulls": [
        method("isna", ".isna()", lambda x: x.isna(), anything),
        method("notna", ".notna()", lambda x: x.notna(), anything),
        method("fillna", ".fillna(0) == 0", lambda x: x.fillna(0) == 0, cols("ab")),
    ],
    "lists": [
        cols("k").map(lambda rule: combine("boolean column", "{}", lambda x: x, rule)),
        method("table isin", ".isin([0, 1, 7])", lambda x: x.isin([0, 1, 7]), cols("ab")),
        method("table isin", ".isin(['a', ''])", lambda x: x.isin(["a", ""]), text),
        method("isin of nothing", ".isin([])", lambda x: x.isin([]), cols("ab")),
        method("isin with a null", ".isin([1, None])", lambda x: x.isin([1, None]), cols("ab")),
        st.sampled_from(["both", "left", "right", "neither"]).flatmap(
            lambda how: method("between", f".between(-1, 7, {how!r})", lambda x: x.between(-1, 7, how), numbers)
        ),
    ],
}
atoms = st.one_of(*(rule for rules in ATOMS.values() for rule in rules))
rows_rules = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda one, other: combine("&", "({} & {})", operator.and_, one, other), inner, inner),
        st.builds(lambda one, other: combine("|", "({} | {})", operator.or_, one, other), inner, inner),
        inner.map(lambda rule: combine("~", "~{}", operator.invert, rule)),
    ),
    max_leaves=4,
)
