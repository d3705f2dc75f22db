"""What is asked of symbols, as SQL: one line for each operation, and each that is refused with its reason."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from sluice.contract.batches import Single
from sluice.contract.checks.symbols.literals import AcrossRows, Nulls, Untraceable, literal
from sluice.contract.checks.symbols.symbol import Symbol
from sluice.contract.checks.symbols.table import SymbolicTable
from sluice.contract.columns import Bool, Date, Float, Int, Money, Text, Timestamp, UtcTimestamp, column
from sluice.contract.contract import Contract, Files


class Model(pa.DataFrameModel):
    n: Int = column("A number.", nullable=True)
    m: Int = column("A number.", nullable=True)
    f: Float = column("A float.", nullable=True)
    d: Money = column("A price.", nullable=True)
    w: Text = column("A word.", nullable=True)
    b: Bool = column("A truth value.", nullable=True)
    began: Timestamp = column("A local time.", nullable=True)
    ended: Timestamp = column("A local time.", nullable=True)
    zoned: UtcTimestamp = column("A moment.", nullable=True)
    day: Date = column("A day.", nullable=True)


NAMES = {"date": date, "datetime": datetime, "timedelta": timedelta, "timezone": timezone}
NAMES |= {"Decimal": Decimal, "pd": pd, "re": re}


def table() -> SymbolicTable:
    return SymbolicTable(Contract("shop", "orders", "me", Model, Files("orders.csv", Single())).columns)


# The kind of what an operation makes, and its SQL
ROWS = {
    "t.n + 1": ("integer", "n + 1"),
    "1 + t.n": ("integer", "1 + n"),
    "t.n + t.m": ("integer", "n + m"),
    "t.n + t.d": ("decimal", "n + d"),
    "t.n + t.f": ("float", "CAST(n AS DOUBLE PRECISION) + f"),
    "t.f + 1": ("float", "f + CAST(1 AS DOUBLE PRECISION)"),
    "1 + t.f": ("float", "CAST(1 AS DOUBLE PRECISION) + f"),
    't.d + Decimal("1.5")': ("decimal", "d + 1.5"),
    "t.n - 1": ("integer", "n - 1"),
    "1 - t.n": ("integer", "1 - n"),
    "t.n - t.f": ("float", "CAST(n AS DOUBLE PRECISION) - f"),
    "t.n * 2": ("integer", "n * 2"),
    "2 * t.n": ("integer", "n * 2"),
    "t.d * t.d": ("decimal", "d * d"),
    "t.n / 2": ("float", "CAST(n AS DOUBLE PRECISION) / CAST(CAST(2 AS DOUBLE PRECISION) AS DOUBLE PRECISION)"),
    "t.n / 2.5": ("float", "CAST(n AS DOUBLE PRECISION) / CAST(CAST(2.5 AS DOUBLE PRECISION) AS DOUBLE PRECISION)"),
    "t.f / 2": ("float", "f / CAST(CAST(2 AS DOUBLE PRECISION) AS DOUBLE PRECISION)"),
    "-t.n": ("integer", "0 - n"),
    "-t.f": ("float", "CAST(0 AS DOUBLE PRECISION) - f"),
    "abs(t.n)": ("integer", "abs(n)"),
    "abs(t.d)": ("decimal", "abs(d)"),
    "t.f.abs()": ("float", "abs(f)"),
    "t.began - t.ended": ("interval", "began - ended"),
    "t.ended - t.began > timedelta(hours=1)": ("boolean", "ended - began > make_interval(secs=>3600.0)"),
    "t.began + timedelta(days=1)": ("timestamp", "began + make_interval(secs=>86400.0)"),
    "t.began - timedelta(days=1)": ("timestamp", "began - make_interval(secs=>86400.0)"),
    "(t.began - t.ended) + timedelta(days=1)": ("interval", "(began - ended) + make_interval(secs=>86400.0)"),
    't.began - pd.Timestamp("2024-01-01")': ("interval", "began - '2024-01-01 00:00:00'"),
    'pd.Timestamp("2024-02-01") - t.began': ("interval", "'2024-02-01 00:00:00' - began"),
    "t.n == 1": ("boolean", "n = 1"),
    "t.n != 1": ("boolean", "n != 1"),
    "t.n < t.m": ("boolean", "n < m"),
    "t.n <= 1": ("boolean", "n <= 1"),
    "t.n > 1.5": ("boolean", "CAST(n AS DOUBLE PRECISION) > CAST(1.5 AS DOUBLE PRECISION)"),
    "t.f != 1": ("boolean", "f != CAST(1 AS DOUBLE PRECISION)"),
    't.w == "a"': ("boolean", "w = 'a'"),
    't.w != "a"': ("boolean", "w != 'a'"),
    't.w >= "a"': ("boolean", '(w COLLATE "C") >= (\'a\' COLLATE "C")'),
    "t.b == True": ("boolean", "b = true"),
    "t.b != t.b": ("boolean", "b != b"),
    "t.day == date(2024, 1, 2)": ("boolean", "day = '2024-01-02'"),
    "t.began < datetime(2024, 1, 2, 3, 4, 5, 6)": ("boolean", "began < '2024-01-02 03:04:05.000006'"),
    't.began < pd.Timestamp("2024-01-02 03:04:05.000006")': ("boolean", "began < '2024-01-02 03:04:05.000006'"),
    't.zoned >= pd.Timestamp("2024-01-02", tz="UTC")': ("boolean", "zoned >= '2024-01-02 00:00:00+00:00'"),
    "t.zoned >= datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=2)))": (
        "boolean",
        "zoned >= '2024-01-02 00:00:00+02:00'",
    ),
    "t.began - t.ended > pd.Timedelta(hours=1)": ("boolean", "began - ended > make_interval(secs=>3600.0)"),
    't.began - t.ended > pd.Timedelta("1us")': ("boolean", "began - ended > make_interval(secs=>1e-06)"),
    "t.began - t.ended > timedelta(days=400, microseconds=5)": (
        "boolean",
        "began - ended > make_interval(secs=>34560000.000005)",
    ),
    "t.n == (1 << 63) - 1": ("boolean", "n = 9223372036854775807"),
    "t.n == -(1 << 63)": ("boolean", "n = -9223372036854775808"),
    't.d == Decimal("1.50")': ("boolean", "d = 1.50"),
    "t.n.between(1, 2)": ("boolean", "n >= 1 AND n <= 2"),
    't.n.between(1, 2, inclusive="left")': ("boolean", "n >= 1 AND n < 2"),
    't.n.between(1, 2, inclusive="right")': ("boolean", "n > 1 AND n <= 2"),
    't.n.between(1, 2, inclusive="neither")': ("boolean", "n > 1 AND n < 2"),
    't.w.between("a", "b")': (
        "boolean",
        '(w COLLATE "C") >= (\'a\' COLLATE "C") AND (w COLLATE "C") <= (\'b\' COLLATE "C")',
    ),
    "t.n.isin([1, 2])": ("boolean", "coalesce(n IN (1, 2), false)"),
    "t.n.isin((1,))": ("boolean", "coalesce(n IN (1), false)"),
    "t.n.isin([])": ("boolean", "false"),
    "t.n.isin([None])": ("boolean", "n IS NULL"),
    "t.f.isin([1.5])": ("boolean", "coalesce(f IN (CAST(1.5 AS DOUBLE PRECISION)), false)"),
    't.w.isin(["b", "a"])': ("boolean", "coalesce(w IN ('b', 'a'), false)"),
    't.w.isin({"b", "a"})': ("boolean", "coalesce(w IN ('a', 'b'), false)"),
    "t.n.isin({2, 10})": ("boolean", "coalesce(n IN (10, 2), false)"),
    't.w.isin(["a", None])': ("boolean", "coalesce(w IN ('a'), true)"),
    "t.day.isin([date(2024, 1, 2)])": ("boolean", "coalesce(day IN ('2024-01-02'), false)"),
    "t.n.isna()": ("boolean", "n IS NULL"),
    "t.n.notna()": ("boolean", "n IS NOT NULL"),
    "t.n.isnull()": ("boolean", "n IS NULL"),
    "t.n.notnull()": ("boolean", "n IS NOT NULL"),
    "t.n.fillna(0)": ("integer", "coalesce(n, 0)"),
    't.w.fillna("x") == "x"': ("boolean", "coalesce(w, 'x') = 'x'"),
    "t.n.fillna(t.m)": ("integer", "coalesce(n, m)"),
    "t.b & (t.n > 1)": ("boolean", "b AND n > 1"),
    "t.b | (t.n > 1)": ("boolean", "b OR n > 1"),
    "True & t.b": ("boolean", "b"),
    "False | t.b": ("boolean", "b"),
    "~t.b": ("boolean", "NOT b"),
    "t.w.str.len()": ("integer", "char_length(w)"),
    "t.w.str.len() == 3": ("boolean", "char_length(w) = 3"),
    't.w.str.startswith("a%_/")': ("boolean", "w LIKE 'a/%/_//' || '%' ESCAPE '/'"),
    't.w.str.startswith("a", na=False)': ("boolean", "coalesce((w LIKE 'a' || '%' ESCAPE '/'), false)"),
    't.w.str.startswith("a", na=True)': ("boolean", "coalesce((w LIKE 'a' || '%' ESCAPE '/'), true)"),
    't.w.str.endswith("b")': ("boolean", "w LIKE '%' || 'b' ESCAPE '/'"),
    't.w.str.endswith("b", na=True)': ("boolean", "coalesce((w LIKE '%' || 'b' ESCAPE '/'), true)"),
    't.w.str.contains("a.c")': ("boolean", "w ~ 'a[^\n]c'"),
    't.w.str.contains("a.c", regex=False)': ("boolean", "w LIKE '%' || 'a.c' || '%' ESCAPE '/'"),
    't.w.str.contains("a.c", regex=False, na=False)': (
        "boolean",
        "coalesce((w LIKE '%' || 'a.c' || '%' ESCAPE '/'), false)",
    ),
    't.w.str.contains("a", na=False)': ("boolean", "coalesce(w ~ 'a', false)"),
    't.w.str.match("a|b")': ("boolean", "w ~ '^(?:[ab])'"),
    't.w.str.match("a", na=False)': ("boolean", "coalesce(w ~ '^(?:a)', false)"),
    't.w.str.fullmatch("a")': ("boolean", "w ~ '^(?:a)$'"),
    't.w.str.fullmatch("a", na=True)': ("boolean", "coalesce(w ~ '^(?:a)$', true)"),
    "t.began.dt.year": ("integer", "CAST(EXTRACT(year FROM began) AS BIGINT)"),
    "t.began.dt.month": ("integer", "CAST(EXTRACT(month FROM began) AS BIGINT)"),
    "t.began.dt.day": ("integer", "CAST(EXTRACT(day FROM began) AS BIGINT)"),
    "t.began.dt.dayofweek": ("integer", "CAST(EXTRACT(isodow FROM began) AS BIGINT) + -1"),
    "t.began.dt.weekday": ("integer", "CAST(EXTRACT(isodow FROM began) AS BIGINT) + -1"),
    "t.began.dt.hour": ("integer", "CAST(date_part('hour', began) AS BIGINT)"),
    "t.began.dt.minute": ("integer", "CAST(date_part('minute', began) AS BIGINT)"),
    "t.zoned.dt.year": ("integer", "CAST(EXTRACT(year FROM timezone('UTC', zoned)) AS BIGINT)"),
    "t.zoned.dt.hour": ("integer", "CAST(date_part('hour', timezone('UTC', zoned)) AS BIGINT)"),
    "t.day.dt.year": ("integer", "CAST(EXTRACT(year FROM day) AS BIGINT)"),
    "t.day.dt.dayofweek": ("integer", "CAST(EXTRACT(isodow FROM day) AS BIGINT) + -1"),
    "(t.began - t.ended).dt.total_seconds()": ("float", "CAST(EXTRACT(epoch FROM began - ended) AS DOUBLE PRECISION)"),
    "(t.began - t.ended).dt.total_seconds() > 60": (
        "boolean",
        "CAST(EXTRACT(epoch FROM began - ended) AS DOUBLE PRECISION) > CAST(60 AS DOUBLE PRECISION)",
    ),
    't["n"]': ("integer", "n"),
    "t.b.isin([True])": ("boolean", "coalesce(b IN (true), false)"),
    't.w.str.contains(re.compile("a+"))': ("boolean", "w ~ '(?:a)+'"),
    't.w.str.contains("^a")': ("boolean", "w ~ '^a'"),
    't.w.str.contains("a$")': ("boolean", "w ~ 'a$'"),
    't.w.str.contains(r"\\Aa")': ("boolean", "w ~ '^a'"),
    't.w.str.contains(r"\\d\\s\\w")': ("boolean", "w ~ '[0-9][\t\n\x0c\r ][0-9A-Za-z_]'"),
    't.w.str.contains(r"\\D\\S\\W")': ("boolean", "w ~ '[^0-9][^\t\n\x0c\r ][^0-9A-Za-z_]'"),
    't.w.str.contains(r"[\\da-f_]")': ("boolean", "w ~ '[0-9a-f_]'"),
    't.w.str.contains(r"[^\\s,]")': ("boolean", "w ~ '[^\t\n\x0c\r ,]'"),
    't.w.str.contains("[^a]")': ("boolean", "w ~ '[^a]'"),
    't.w.str.contains("[a-]")': ("boolean", "w ~ '[a\\-]'"),
    't.w.str.contains(r"\\.\\*\\[")': ("boolean", "w ~ '\\.\\*\\['"),
    't.w.str.contains("a*b+c?")': ("boolean", "w ~ '(?:a)*(?:b)+(?:c)?'"),
    't.w.str.contains("a{2}b{2,}c{2,3}")': ("boolean", "w ~ '(?:a){2}(?:b){2,}(?:c){2,3}'"),
    't.w.str.contains("a{0,2}b{1,}c{0,1}")': ("boolean", "w ~ '(?:a){0,2}(?:b)+(?:c)?'"),
    't.w.str.contains("a{255}")': ("boolean", "w ~ '(?:a){255}'"),
    't.w.str.contains("a*?b+?")': ("boolean", "w ~ '(?:a)*(?:b)+'"),
    't.w.str.contains("(ab)(?:cd)(?P<x>e)")': ("boolean", "w ~ '(?:ab)cd(?:e)'"),
    't.w.str.contains("ab|cd|")': ("boolean", "w ~ '(?:ab|cd|)'"),
    't.w.str.contains("(ab|cd)+")': ("boolean", "w ~ '(?:(?:(?:ab|cd)))+'"),
    't.w.str.contains("(a$)+")': ("boolean", "w ~ '(?:(?:a$))+'"),
    't.w.str.contains("([^a])+")': ("boolean", "w ~ '(?:(?:[^a]))+'"),
    't.w.str.contains(r"(\\^)+")': ("boolean", "w ~ '(?:(?:\\^))+'"),
    't.w.str.contains("ä+")': ("boolean", "w ~ '(?:ä)+'"),
    't.w.str.contains(r"\\n\\t\\r\\f\\v")': ("boolean", "w ~ '\n\t\r\x0c\x0b'"),
    't.w.str.match("^a")': ("boolean", "w ~ '^(?:^a)'"),
    't.w.str.fullmatch("a|b")': ("boolean", "w ~ '^(?:[ab])$'"),
    't.w.str.fullmatch("a$")': ("boolean", "w ~ '^(?:a$)$'"),
    't.w.str.fullmatch("(^a|b)")': ("boolean", "w ~ '^(?:(?:(?:^a|b)))$'"),
}
ONE_VALUE = {
    "t.n.mean()": ("float", "CAST(avg(n) AS DOUBLE PRECISION)"),
    "t.f.mean()": ("float", "CAST(avg(f) AS DOUBLE PRECISION)"),
    "t.d.mean()": ("float", "CAST(avg(d) AS DOUBLE PRECISION)"),
    "t.b.mean()": ("float", "CAST(avg(CAST(b AS INTEGER)) AS DOUBLE PRECISION)"),
    "t.n.sum()": ("integer", "coalesce(sum(n), 0)"),
    "t.d.sum()": ("decimal", "coalesce(sum(d), 0)"),
    "t.b.sum()": ("integer", "coalesce(sum(CAST(b AS INTEGER)), 0)"),
    "t.n.min()": ("integer", "min(n)"),
    "t.began.min()": ("timestamp", "min(began)"),
    "t.day.max()": ("date", "max(day)"),
    "t.zoned.max()": ("timestamp with time zone", "max(zoned)"),
    "t.n.count()": ("integer", "count(n)"),
    "t.w.count()": ("integer", "count(w)"),
    "t.b.count()": ("integer", "count(b)"),
    "t.n.nunique()": ("integer", "count(DISTINCT n)"),
    "t.w.nunique()": ("integer", "count(DISTINCT w)"),
    "(t.n > 1).all()": ("boolean", "coalesce(bool_and(n > 1), true)"),
    "(t.n > 1).any()": ("boolean", "coalesce(bool_or(n > 1), false)"),
    "t.n.mean() > 1": ("boolean", "CAST(avg(n) AS DOUBLE PRECISION) > CAST(1 AS DOUBLE PRECISION)"),
    "t.n.mean() > t.m.mean()": ("boolean", "CAST(avg(n) AS DOUBLE PRECISION) > CAST(avg(m) AS DOUBLE PRECISION)"),
    "t.n.sum() + 1": ("integer", "coalesce(sum(n), 0) + 1"),
    "t.n.count() == t.n.nunique()": ("boolean", "count(n) = count(DISTINCT n)"),
    "t.b.all()": ("boolean", "coalesce(bool_and(b), true)"),
    "t.b.any()": ("boolean", "coalesce(bool_or(b), false)"),
    "t.began.count()": ("integer", "count(began)"),
}
REFUSED = {
    "t.d / 2": "decimal / 2",
    "t.n / 0": "integer / a column, or zero",
    "t.n / t.m": "integer / a column, or zero",
    "-t.w": "integer sub text",
    "abs(t.w)": "abs() of text",
    "abs(t.began - t.ended)": "abs() of interval",
    "t.began + t.ended": "timestamp add timestamp",
    "t.began * 2": "timestamp mul integer",
    "(t.began - t.ended) * 2": "interval mul integer",
    "timedelta(days=1) + t.began": "interval add timestamp",
    "t.zoned - t.began": "timestamp with time zone sub timestamp",
    "t.day - t.day": "date sub date",
    "t.day + timedelta(days=1)": "date add interval",
    't.w + "a"': "text add text",
    "t.b + 1": "boolean add integer",
    't.began < pd.Timestamp("2024-01-02 03:04:05.000006007")': "a timestamp finer than microseconds",
    't.began >= pd.Timestamp("2024-01-02", tz="UTC")': "compares timestamp with timestamp with time zone",
    "t.day == datetime(2024, 1, 2)": "compares date with timestamp",
    "t.n == None": "the value None",
    "t.n == 1 << 63": "the value 9223372036854775808",
    't.f < float("inf")': "the value inf",
    't.f < -float("inf")': "the value -inf",
    't.f < float("nan")': "the value nan",
    't.d < Decimal("NaN")': "the value Decimal('NaN')",
    't.d < Decimal("Infinity")': "the value Decimal('Infinity')",
    't.w == "a\\0"': "'a\\x00' as text",
    "t.n == [1]": "the value [1]",
    't.n.isin("ab")': "isin(str)",
    't.w.isin("ab")': "isin(str)",
    't.w.isin(b"ab")': "isin(bytes)",
    "t.n.isin(t.m)": "isin(Symbol)",
    "t.n.isin(3)": "isin(int)",
    "t.n.isin([1, 2.5])": "isin() of integer with values of another type",
    "t.f.isin([0.0])": "isin() with 0.0, which Arrow does not take for -0.0",
    "t.n.fillna(0.5)": "fillna() of integer with float",
    "t.b & 1": "boolean as a truth value",
    "t.n & t.b": "integer as a truth value",
    "~t.n": "~ of integer",
    't.w.str.startswith("a", na="x")': "na='x'",
    't.w.str.startswith(("a", "b"))': "('a', 'b') as text",
    "t.w.str.endswith(3)": "3 as text",
    't.w.str.contains("a", flags=2)': "a pattern with flags",
    "t.w.str.contains(3, regex=False)": "3 as text",
    't.w.str.match("a", case=False)': "a pattern with flags",
    't.w.str.match("a", flags=1)': "a pattern with flags",
    't.w.str.fullmatch("a", case=False)': "a pattern with flags",
    't.w.str.fullmatch("a", flags=1)': "a pattern with flags",
    "t.w.str.upper()": ".str.upper",
    "t.n.str": ".str of integer",
    "t.began.str": ".str of timestamp",
    "t.began.dt.second": ".dt.second",
    "t.day.dt.hour": ".dt.hour of date",
    "t.day.dt.minute": ".dt.minute of date",
    "t.began.dt.total_seconds()": ".dt.total_seconds() of timestamp",
    "(t.began - t.ended).dt.year": ".dt.year of an interval",
    "(t.began - t.ended).dt.hour": ".dt.hour of interval",
    "t.n.dt": ".dt of integer",
    "t.w.dt": ".dt of text",
    "t.n.mean().isin([1])": "isin() of one value",
    "t.n.mean().isna()": "isna() of one value",
    "t.n.mean().notna()": "notna() of one value",
    "t.n.mean().fillna(0)": "fillna() of one value",
    "t.w.nunique().str": ".str of integer",
    "t.began.min().dt": ".dt of timestamp",
    "bool(t.n)": "asks for one truth value",
    "list(t.n)": "walks over the values",
    "len(t.n)": "asks for the length",
    "float(t.n)": "asks for one number",
    "int(t.n)": "asks for one number",
    "t.n.apply": ".apply",
    't["x"]': "selects 'x'",
    "t[3]": "selects 3",
    "t[t.n]": "selects rows",
    't[["n"]]': "selects ['n']",
    "t.x": "selects 'x'",
    "t.size": ".size of the table",
    "t.began.dt.microsecond": ".dt.microsecond",
    't.w.str.contains(re.compile("a", re.I))': "a pattern with flags",
    't.w.str.contains(r"[^\\D]")': "a pattern with a class inside a set",
    't.w.str.contains(r"[\\D,]")': "a pattern with a class inside a set",
    't.w.str.contains("a{1,256}")': "a pattern that counts beyond 255",
    't.w.str.contains("a{256,}")': "a pattern that counts beyond 255",
    't.w.str.contains("(?i:a)")': "a pattern that engines read differently",
    't.w.str.contains("(^a)+")': "a pattern that repeats an anchor",
    't.w.str.contains("a(")': "a pattern that Python does not read: missing ), unterminated subpattern at position 1",
    't.w.str.contains("[a&&b]")': "a pattern that Python does not read: Possible set intersection at position 2",
    't.w.str.contains("a\\0")': "'a\\x00' as text",
    't.w.str.contains(r"\\ä")': "a pattern with an escape that engines read differently",
    't.w.str.contains(r"\\z")': "a pattern with an escape that engines read differently",
    't.w.str.contains(r"a\\Z")': "a pattern with an escape that engines read differently",
    't.w.str.match("^a|b")': "a pattern of alternatives that contain ^ or $",
    't.w.str.fullmatch("^ab|c")': "a pattern of alternatives that contain ^ or $",
    't.w.str.fullmatch("a|b$")': "a pattern of alternatives that contain ^ or $",
    't.w.str.contains("a**")': "a pattern that Python does not read: multiple repeat at position 2",
    't.w.str.contains("{")': "a pattern that engines read differently",
    't.w.str.contains("a{x}")': "a pattern that engines read differently",
    't.w.str.contains("(?#x)a")': "a pattern that engines read differently",
    't.w.str.contains("[[:digit:]]")': "a pattern that engines read differently",
}
ACROSS = {
    "t.w.mean()": "aggregate of text",
    "t.w.sum()": "aggregate of text",
    "t.w.max()": "aggregate of text",
    "t.b.max()": "aggregate of boolean",
    "t.n.all()": "aggregate of integer",
    "t.n.any()": "aggregate of integer",
    "t.n.mean().sum()": "aggregate of float",
    "t.n.mean() > t.n": "compares rows with an aggregate over all rows",
    "t.n > t.n.mean()": "compares rows with an aggregate over all rows",
    "t.n.std": ".std()",
    "t.n.fillna(t.n.mean())": "compares rows with an aggregate over all rows",
    "t.b.min()": "aggregate of boolean",
}


def asked(expression: str) -> Any:
    """What the symbols of the table answer to an expression in Python."""
    return eval(expression, {**NAMES, "t": table()})


def sql(symbol: Symbol) -> str:
    dialect = postgresql.dialect()
    dialect._backslash_escapes = False
    text = str(symbol.element.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return text.replace("%%", "%")


@pytest.mark.parametrize("expression", [*ROWS, *ONE_VALUE])
def test_an_operation_is_this_sql(expression: str) -> None:
    found = asked(expression)
    assert (found.kind, sql(found)) == (ROWS | ONE_VALUE)[expression]
    assert found.aggregate is (expression in ONE_VALUE)
    assert found.nulls is Nulls.KEPT, "a check of the table is asked about nulls as about any other value"


@pytest.mark.parametrize("expression", [*REFUSED, *ACROSS])
def test_an_operation_without_an_equal_is_refused_by_name(expression: str) -> None:
    with pytest.raises(Untraceable) as refused:
        asked(expression)
    assert (str(refused.value), type(refused.value)) == (
        (REFUSED | ACROSS)[expression],
        AcrossRows if expression in ACROSS else Untraceable,
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, sa.BigInteger()),
        (1.5, sa.Double()),
        (Decimal("1.5"), sa.Numeric()),
        ("a", sa.Text()),
        (datetime(2024, 1, 2), sa.DateTime()),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), sa.DateTime(timezone=True)),  # noqa: UP017 - as users write it
        (date(2024, 1, 2), sa.Date()),
        (timedelta(hours=1), sa.Interval()),
    ],
)
def test_a_value_goes_to_the_server_as_its_type(value: object, kind: Any) -> None:
    bound, _ = literal(value)
    inner = getattr(bound, "clause", bound)  # of a float, that is cast
    assert type(inner.type) is type(kind)
    assert getattr(inner.type, "timezone", None) == getattr(kind, "timezone", None)


def dropped(name: str) -> Symbol:
    """A column as its own check is given it."""
    symbol = table()[name]
    return Symbol(symbol.element, symbol.kind, nulls=Nulls.DROPPED)


@pytest.mark.parametrize(
    ("expression", "sql_of_it", "nulls"),
    [
        ("n > 1", "n > 1", Nulls.DROPPED),
        ("n.isin([1])", "n IN (1)", Nulls.DROPPED),
        ("n.isin([1, None])", "n IN (1)", Nulls.DROPPED),
        ("n.isin([])", "false", Nulls.GUARDED),
        ("n.isna()", "n IS NULL", Nulls.GUARDED),
        ("n.notna() & (n > 1)", "n IS NOT NULL AND n > 1", Nulls.GUARDED),
        ("(n > 1) | n.isna()", "n > 1 OR n IS NULL", Nulls.GUARDED),
        ("n.fillna(0) + 1 > 1", "coalesce(n, 0) + 1 > 1", Nulls.GUARDED),
        ("~n.isna()", "n IS NOT NULL", Nulls.GUARDED),
        ("n.mean() > 1", "CAST(avg(n) AS DOUBLE PRECISION) > CAST(1 AS DOUBLE PRECISION)", Nulls.KEPT),
        ("w.str.startswith('a', na=False)", "w LIKE 'a' || '%' ESCAPE '/'", Nulls.DROPPED),
        ("w.str.len() > 1", "char_length(w) > 1", Nulls.DROPPED),
    ],
)
def test_a_check_of_a_column_is_not_asked_about_nulls(expression: str, sql_of_it: str, nulls: Nulls) -> None:
    columns = {name: dropped(name) for name in ("n", "w")}
    found = eval(expression, columns)
    assert (sql(found), found.nulls) == (sql_of_it, nulls)


def test_an_aggregate_over_what_a_column_check_makes_of_nulls_is_refused() -> None:
    with pytest.raises(AcrossRows, match="over the nulls of a column"):
        dropped("n").fillna(0).mean()
