"""One contract, two ways to run it, the same verdict: drawn contracts and frames, judged in pandas and in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.contract import Contract
from sluice.warehouse.postgres.rows.tables import incoming_table, marked_table
from tests.two_ways import judges
from tests.two_ways.contracts import Drawn
from tests.two_ways.frames import frames
from tests.two_ways.judges import BATCH, Unsettled

MEETINGS = ("held", "with nulls", "with NaN", "failing")


class Difference(AssertionError):
    """The two ways do not give one verdict, or report other rows than pandera does."""


class Tried:
    """What a run has tried.

    Attributes:
        pairs: contracts with a frame; in `wholly traced` ones each check ran in SQL.
        checks: what became of each check.
        kinds: by kind of check, how often both ways were held together, and what the frame had in it.
    """

    def __init__(self) -> None:
        self.pairs: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.kinds: dict[str, Counter[str]] = {}

    def add(self, other: Tried) -> None:
        """Take in what another run has tried."""
        self.pairs.update(other.pairs)
        self.checks.update(other.checks)
        for kind, met in other.kinds.items():
            self.kinds.setdefault(kind, Counter()).update(met)

    def met(self, kinds: frozenset[str], nulls: bool, numberless: bool, failing: bool) -> None:
        """Write down that both ways gave one verdict."""
        self.checks["held together, failing" if failing else "held together, passing"] += 1
        for kind in kinds:
            count = self.kinds.setdefault(kind, Counter())
            count.update({"held": 1, "with nulls": nulls, "with NaN": numberless, "failing": failing})


@contextmanager
def warehouse(url: sa.URL) -> Iterator[sa.Connection]:
    """A connection whose transaction has the tables that a trial needs, and is rolled back in the end."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("SET TIME ZONE 'America/New_York'"))  # a verdict is none of the session's business
        for schema in ("staging",):
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        for table in (incoming_table, marked_table):
            table(Drawn((), (), (), ("a", "s")).contract(), BATCH.batch).create(connection)
        yield connection
        connection.rollback()


def agree(connection: sa.Connection, drawn: Drawn, rows: list[tuple[Any, ...]], tried: Tried) -> None:
    """Judge a contract and a frame in both ways, row by row and check by check.

    Raises:
        Difference: the verdicts are not one.
    """
    contract = drawn.contract()
    frame, rejected = judges.delivered(contract, rows)
    if rejected != {n for n, row in enumerate(rows, 1) if any(_is_no_number(cell) for cell in row)}:
        raise Difference(f"rows rejected while parsing: {rejected} of {rows}")
    judges.store(connection, contract, frame)
    checks = checks_of(contract, BATCH.batch)
    tried.pairs["contracts with a frame"] += 1
    tried.pairs["wholly traced"] += all(check.kind != "pandas" for check in checks)
    tried.pairs["frames without a row"] += not rows
    for check in checks:
        _hold_together(connection, contract, drawn, check, frame, bool(rejected), tried)


def _hold_together(
    connection: sa.Connection,
    contract: Contract,
    drawn: Drawn,
    check: Check,
    frame: Any,
    numberless: bool,
    tried: Tried,
) -> None:
    kinds, columns = drawn.kinds_and_columns(check)
    tried.checks["all"] += 1
    if check.kind == "pandas":
        tried.checks[f"not traced: {check.untraced}"] += 1
        return
    tried.checks["traced"] += 1
    try:
        expected = judges.in_pandas(check, frame, columns, kinds)
        found = judges.in_the_database(connection, contract, check, len(frame))
    except Unsettled as why:
        tried.checks[f"traced, not comparable: {why}"] += 1
        return
    if found != expected:
        raise Difference(f"{check.name}: rows {sorted(expected)} fail in pandas, {sorted(found)} in SQL: {drawn}")
    reported = judges.pandera_says(check, frame)
    null_rows = set(frame.index[frame.isna().all(axis="columns")]) if not check.columns else set()
    if reported is not None and reported != found - null_rows:
        raise Difference(f"{check.name}: pandera reports {reported}, {sorted(found)} fail in SQL: {drawn}")
    tried.met(kinds, any(frame[name].isna().any() for name in columns), numberless, bool(found))


def _is_no_number(cell: object) -> bool:
    return isinstance(cell, float) and (cell != cell or abs(cell) == float("inf"))


def hold(
    connection: sa.Connection,
    tried: Tried,
    contracts: st.SearchStrategy[Drawn],
    pairs: int,
    number: int = 0,
    phases: Sequence[Phase] = (Phase.generate,),
) -> None:
    """Draw contracts and frames, and hold both ways together over each.

    Args:
        number: seeds what is drawn; the same number draws the same.
        phases: hypothesis' own; without `Phase.shrink`, the first difference is shown as it was found.

    Raises:
        Difference: of the pair that hypothesis shows.
    """
    options: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "database": None, "deadline": None}

    @seed(number)
    @settings(max_examples=pairs, phases=phases, report_multiple_bugs=False, **options)
    @given(drawn=contracts, rows=frames)
    def agreeing(drawn: Drawn, rows: list[Any]) -> None:
        agree(connection, drawn, rows, tried)

    agreeing()
