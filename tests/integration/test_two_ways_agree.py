"""The same check, in pandas and in the database, over generated rules and rows: the same rows must fail.

SLUICE_EXAMPLES sets how many pairs are tried (300 if not set); the counts of what they were are printed with -s.
"""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.checks import Check, checks_of
from contracts.columns import Float, Int, Money, Text, Timestamp, column
from contracts.contract import Contract, Files, Gate, Single
from contracts.derive.ddl import sql_type
from flows.audit_pandas import failing_rows

EXAMPLES = int(os.environ.get("SLUICE_EXAMPLES", "300"))
tried: Counter[str] = Counter()


class Things(pa.DataFrameModel):
    a: Int = column("Integer.", nullable=True)
    b: Int = column("Integer.", nullable=True)
    f: Float = column("Float.", nullable=True)
    g: Float = column("Float.", nullable=True)
    m: Money = column("Money.", nullable=True)
    n: Money = column("Money.", nullable=True)
    s: Text = column("Text.", nullable=True)
    t: Timestamp = column("Time.", nullable=True)
    u: Timestamp = column("Time.", nullable=True)


BASE = Contract("test", "things", "me@example.com", Things, Files("x.csv", Single()), Gate())


@dataclass(frozen=True)
class Rule:
    """A check function, and what it is called in reports."""

    words: str
    judge: Callable[[Any], Any]

    def __repr__(self) -> str:
        return self.words


def constant(name: str, *values: Any) -> st.SearchStrategy[Rule]:
    return st.sampled_from(values).map(lambda value: Rule(repr(value), lambda _: value))


def col(name: str) -> Rule:
    return Rule(name, lambda things: things[name])


def combine(words: str, compute: Callable[..., Any], *rules: Rule) -> Rule:
    told = words.format(*(rule.words for rule in rules))
    return Rule(told, lambda things: compute(*(rule.judge(things) for rule in rules)))


COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}

numbers = st.sampled_from([col(name) for name in "abfgmn"])
whole = constant("whole", 0, 1, -1, 2, 7, 100)
real = constant("real", 0.5, -0.25, 1e6)
sums = st.builds(
    lambda sign, left, right: combine(f"({{}} {sign} {{}})", ARITHMETIC[sign], left, right),
    st.sampled_from(sorted(ARITHMETIC)),
    numbers,
    numbers | whole,
)
negatives = st.builds(lambda rule: combine("-{}", operator.neg, rule), numbers)
absolutes = st.builds(lambda rule: combine("abs({})", abs, rule), numbers)
number = numbers | sums | negatives | absolutes
words = constant("text", "", "a", "A", "é", "a%b", "_", "z")
moments = constant("time", pd.Timestamp("2021-01-01"), datetime(2021, 6, 1, 12, 30))
spans = constant("span", pd.Timedelta(0), pd.Timedelta(hours=2), pd.Timedelta(days=-1))


def comparison(left: st.SearchStrategy[Rule], right: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda sign, one, other: combine(f"({{}} {sign} {{}})", COMPARE[sign], one, other),
        st.sampled_from(sorted(COMPARE)),
        left,
        right,
    )


def method(words: str, call: Callable[[Any], Any], on: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return on.map(lambda rule: combine(words, call, rule))


text, time = st.just(col("s")), st.sampled_from([col("t"), col("u")])
span = st.just(combine("({} - {})", operator.sub, col("u"), col("t")))
anything = st.sampled_from([col(name) for name in "abfgmnstu"])
atoms = st.one_of(
    comparison(number, number | whole | real),
    comparison(text, words),
    comparison(time, time | moments),
    comparison(span, spans),
    method("{}.isna()", lambda x: x.isna(), anything),
    method("{}.notna()", lambda x: x.notna(), anything),
    method("{}.isin([0, 1, 7])", lambda x: x.isin([0, 1, 7]), st.sampled_from([col("a"), col("b")])),
    method("{}.isin(['a', ''])", lambda x: x.isin(["a", ""]), text),
    method("{}.between(-1, 7)", lambda x: x.between(-1, 7), numbers),
    method("{}.fillna(0) == 0", lambda x: x.fillna(0) == 0, st.sampled_from([col("a"), col("b")])),
    method("{}.str.len() > 1", lambda x: x.str.len() > 1, text),
    method("{}.str.startswith('a')", lambda x: x.str.startswith("a"), text),
    method("{}.str.endswith('b')", lambda x: x.str.endswith("b"), text),
    method("{}.str.contains('%')", lambda x: x.str.contains("%", regex=False), text),
    method("{}.dt.month == 6", lambda x: x.dt.month == 6, time),
    method("{}.dt.dayofweek < 5", lambda x: x.dt.dayofweek < 5, time),
    method("{}.dt.hour >= 12", lambda x: x.dt.hour >= 12, time),
)
rules = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda one, other: combine("({} & {})", operator.and_, one, other), inner, inner),
        st.builds(lambda one, other: combine("({} | {})", operator.or_, one, other), inner, inner),
        inner.map(lambda rule: combine("~{}", operator.invert, rule)),
    ),
    max_leaves=4,
)

maybe = st.none()
integers = maybe | st.sampled_from([0, 1, -1, 7]) | st.integers(-(1 << 40), 1 << 40)
floats = (
    maybe | st.sampled_from([0.0, -0.0, 0.5, 1e6]) | st.floats(-1e12, 1e12).map(lambda x: x if abs(x) > 1e-12 else 0.0)
)
money = maybe | st.decimals(Decimal("-99999"), Decimal("99999"), places=2)
texts = (
    maybe
    | st.sampled_from(["", "a", "ab", "A", "é", "a%b", "_"])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
)
times = maybe | st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1))
row = st.tuples(integers, integers, floats, floats, money, money, texts, times, times)


@pytest.fixture(scope="module")
def connection(postgres_url: sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        TABLE.create(connection)
        yield connection
        connection.rollback()
    print("\ntwo ways:", dict(sorted(tried.items())))  # noqa: T201 - for who counts what was tried


TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("_row_number", sa.BigInteger()),
    *(sa.Column(c.name, sql_type(c.type)) for c in BASE.columns),
    prefixes=["TEMPORARY"],
)


def check_of(rule: Rule) -> Check:
    class Model(Things):
        @pa.dataframe_check(name="rule")
        def judged(cls, things: Any) -> Any:
            return rule.judge(things)

    contract = Contract("test", "things", "me@example.com", Model, BASE.files, BASE.gate)
    return next(check for check in checks_of(contract, "all") if check.name == "rule")


def in_pandas(check: Check, rows: list[tuple[Any, ...]]) -> list[int] | str:
    columns = list(zip(*rows, strict=True)) or [()] * len(BASE.columns)
    arrays = {c.name: pyarrow.array(values, c.type.arrow) for c, values in zip(BASE.columns, columns, strict=True)}
    frame = pyarrow.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)
    frame.index = pd.RangeIndex(1, len(rows) + 1)
    return sorted(failing_rows(check, frame))


def in_the_database(connection: sa.Connection, check: Check, rows: list[tuple[Any, ...]]) -> list[int]:
    connection.execute(TABLE.delete())
    names = [c.name for c in BASE.columns]
    values = [{"_row_number": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(rows, 1)]
    if values:
        connection.execute(TABLE.insert(), values)
    query = sa.select(TABLE.c._row_number).where(sa.not_(check.passes)).order_by(TABLE.c._row_number)
    return list(connection.scalars(query))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rule=rules, rows=st.lists(row, max_size=6))
def test_a_traced_check_fails_the_same_rows_in_both(connection: sa.Connection, rule: Rule, rows: list[Any]) -> None:
    check = check_of(rule)
    tried[check.kind] += 1
    if check.kind != "row":
        return
    try:
        expected = in_pandas(check, rows)
    except Exception as error:  # noqa: BLE001 - what pandas cannot do, the pandas way reports as errored
        tried[f"pandas cannot: {type(error).__name__}"] += 1
        return
    found = in_the_database(connection, check, rows)
    tried["some rows fail" if found else "no row fails"] += 1
    assert found == expected, rule.words
