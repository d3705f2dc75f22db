"""Drawn contracts and frames judged by pandas, PostgreSQL and Spark: Spark refuses a check, or says what they say.

`make test-spark` runs it, in an environment that has Spark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sluice.contract.checks.compile import Check, checks_of
from sluice.warehouse.spark import dialect
from tests.two_ways import judges
from tests.two_ways.contracts import CONTRACTS, TYPES, Drawn
from tests.two_ways.frames import frames
from tests.two_ways.judges import BATCH, Unsettled
from tests.two_ways.rules import Rule
from tests.two_ways.trial import Difference, warehouse

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:This pattern")]

PAIRS, MANY = 200, 2000


@pytest.fixture(scope="module")
def connection(postgres_url: sa.URL) -> Iterator[sa.Connection]:
    with warehouse(postgres_url) as connection:
        yield connection


def drawn(contracts: st.SearchStrategy[Drawn], pairs: int, number: int = 0) -> list[tuple[Drawn, list[Any]]]:
    """So many contracts, each with the rows of a frame: the same for the same number."""
    found: list[tuple[Drawn, list[Any]]] = []
    options: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "database": None, "deadline": None}

    @seed(number)
    @settings(max_examples=pairs, phases=[Phase.generate], **options)
    @given(contract=contracts, rows=frames)
    def draw(contract: Drawn, rows: list[Any]) -> None:
        found.append((contract, rows))

    draw()
    return found


def hold(
    connection: sa.Connection, spark: Any, folder: Path, pairs: list[tuple[Drawn, list[Any]]]
) -> tuple[Counter[str], set[str]]:
    """Judge each pair in three ways.

    Returns:
        What became of the checks, by its name and how many; why Spark refused any.

    Raises:
        Difference: Spark says something else than PostgreSQL, or than pandas where PostgreSQL has no answer.
    """
    from tests.two_ways.spark import Pair, judge

    tried, refused = Counter[str](), set[str]()
    delivered = []
    for contract, rows in pairs:
        frame, _ = judges.delivered(contract.contract(), rows)
        checks = tuple(check for check in checks_of(contract.contract(), BATCH.batch) if check.kind != "pandas")
        delivered.append(Pair(frame, checks))
    for (contract, _), pair, said in zip(pairs, delivered, judge(spark, folder, delivered), strict=True):
        judges.store(connection, contract.contract(), pair.frame)
        for check in pair.checks:
            found = said[check.name]
            if isinstance(found, str) and found.startswith("refused"):
                refused.add(found)
            else:
                tried[_outcome(connection, contract, check, pair.frame, found)] += 1
    return tried, refused


def _outcome(connection: sa.Connection, contract: Drawn, check: Check, frame: Any, found: set[int] | str) -> str:
    try:
        expected = judges.in_the_database(connection, contract.contract(), check, len(frame))
    except Unsettled:  # an error of PostgreSQL, which Spark may have too
        if isinstance(found, str):
            return "errored"
        try:
            expected = judges.in_pandas(check, frame, *reversed(contract.kinds_and_columns(check)))
        except Unsettled:
            return "not comparable"
    if found != expected:
        raise Difference(f"{check.name}: {expected} fail elsewhere, {found} in Spark: {contract}")
    return "failing" if found else "passing"


def judged(connection: sa.Connection, spark: Any, folder: Path, what: str, pairs: int) -> None:
    tried, refused = hold(connection, spark, folder, drawn(CONTRACTS[what], pairs // len(CONTRACTS) + 1))
    assert refused == set()
    assert min(tried["passing"], tried["failing"]) > 0


@pytest.mark.parametrize("what", CONTRACTS)
def test_spark_finds_the_rows_that_the_others_find(
    connection: sa.Connection, spark: Any, tmp_path: Path, what: str
) -> None:
    judged(connection, spark, tmp_path, what, PAIRS)


@pytest.mark.long(minutes=1)
@pytest.mark.parametrize("what", CONTRACTS)
def test_spark_finds_them_in_thousands(connection: sa.Connection, spark: Any, tmp_path: Path, what: str) -> None:
    judged(connection, spark, tmp_path, what, MANY)


def table(**rules: Any) -> tuple[Rule, ...]:
    """Checks of the table, each with its name."""
    return tuple(Rule(words, judge) for words, judge in rules.items())


def rows(**columns: list[Any]) -> list[tuple[Any, ...]]:
    """Rows of these cells, and null in all other columns."""
    count = len(next(iter(columns.values())))
    return list(zip(*(columns.get(name, [None] * count) for name in TYPES), strict=True))


# What Spark says otherwise if it is asked plainly, with rows in which it shows.
EXAMPLES: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]]]] = {
    "patterns": (
        {
            "end": lambda x: x["s"].str.contains("a$"),
            "whole": lambda x: x["s"].str.fullmatch("a"),
            "set": lambda x: x["s"].str.contains(r"[a\&\&b]"),
        },
        rows(s=["a", "a\n", "&", "b", "a\u2028", "c"]),
    ),
    "weekdays": ({"Sunday": lambda x: x["t"].dt.dayofweek == 6}, rows(t=[datetime(2026, 11, d) for d in (28, 29, 30)])),
    "spans": (
        {"seconds": lambda x: (x["u"] - x["t"]).dt.total_seconds() == 172800.5},
        rows(t=[datetime(1969, 12, 30)] * 2, u=[datetime(1970, 1, 1, 0, 0, 0, 500000), datetime(1960, 1, 1)]),
    ),
    "local time": (
        {"hour": lambda x: x["y"].dt.hour == 0},
        rows(y=[datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 1, 4, tzinfo=UTC)]),
    ),
    "infinities": ({"difference": lambda x: (x["f"] * x["f"]) - (x["g"] * x["g"]) > 0}, rows(f=[1e200], g=[1e200])),
    "means of decimals": (
        {
            "tenth": lambda x: x["m"].mean() == 0.1,
            "third": lambda x: x["n"].mean() > 0.333333,
        },
        rows(m=[Decimal("0.10")] * 3, n=[Decimal(0), Decimal(0), Decimal(1)]),
    ),
    "sums of integers": ({"large": lambda x: x["a"].sum() > 7}, rows(a=[(1 << 63) - 1] * 2)),
    "products of decimals": (
        {"digits": lambda x: x["m"] * x["n"] * x["m"] * x["n"] == Decimal("1.04060401")},
        rows(m=[Decimal("1.01")] * 2, n=[Decimal("1.01"), Decimal("1.02")]),
    ),
    "order of texts": ({"below": lambda x: x["s"] < "a"}, rows(s=["B", "ä", "_", "\U0001f600", "\uffff", ""])),
    "old dates": (
        {"year": lambda x: x["d"].dt.day == 3},
        rows(d=[date(1, 1, 3), date(1582, 10, 3), date(9999, 12, 3)]),
    ),
}


def example(what: str) -> tuple[Drawn, list[Any]]:
    rules, some = EXAMPLES[what]
    return Drawn(table(**rules), (), (), None), some


@pytest.mark.parametrize("what", EXAMPLES)
def test_what_spark_says_otherwise_is_put_right(
    connection: sa.Connection, spark: Any, tmp_path: Path, what: str
) -> None:
    _, refused = hold(connection, spark, tmp_path, [example(what)])
    assert refused == set()


# What is broken in the dialect, and the example that finds it.
MUTANTS: dict[str, tuple[str, Any, str, Any]] = {
    "Java's $": ("patterns", dialect, "java_pattern", lambda pattern: pattern),
    "Sunday first": ("weekdays", dialect, "_FIELDS", {"isodow": "DOW"}),
    "spans without days": ("spans", dialect, "_PARTS", ("HOUR", "HOUR", "MINUTE", "SECOND")),
    "infinities are let through": ("infinities", dialect, "_checked", lambda text: text),
    "Spark's own mean": ("means of decimals", dialect._Expressions, "visit_avg_func", None),
    "Spark's own sum": ("sums of integers", dialect._Expressions, "visit_sum_func", None),
}


@pytest.mark.parametrize("broken", MUTANTS)
def test_a_wrong_translation_is_found(
    connection: sa.Connection, spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    what, where, name, wrong = MUTANTS[broken]
    if wrong is None:
        monkeypatch.delattr(where, name)
    else:
        monkeypatch.setattr(where, name, wrong)
    with pytest.raises(Difference):
        hold(connection, spark, tmp_path, [example(what)])


@pytest.mark.parametrize(
    ("what", "setting", "other"),
    [
        ("products of decimals", "spark.sql.decimalOperations.allowPrecisionLoss", "true"),
        ("local time", "spark.sql.session.timeZone", "America/New_York"),
        ("old dates", "spark.sql.parquet.datetimeRebaseModeInRead", "LEGACY"),
    ],
)
def test_a_session_with_other_settings_says_otherwise(
    connection: sa.Connection, spark: Any, tmp_path: Path, what: str, setting: str, other: str
) -> None:
    spark.conf.set(setting, other)
    try:
        with pytest.raises(Difference):
            hold(connection, spark, tmp_path, [example(what)])
    finally:
        spark.conf.set(setting, dialect.SETTINGS[setting])
