"""Any sequence of what happens to a warehouse, beside a model of what must come of it.

The engine is real, on a real PostgreSQL; Prefect and dbt are left out. The marts are one table, built from `staging`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluice.contract.batches import Monthly
from sluice.contract.contract import Files
from sluice.contract.errors import ConfigError, DataError
from sluice.contract.gate import decide
from sluice.ledger import builds, loads, write_right
from sluice.marts import publish as marts
from sluice.marts.publish import Publication
from sluice.marts.rollback import rollback
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish, reload
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse
from tests.support import shops

BATCHES = ("2021-01", "2021-02", "2021-03")
MOST_REJECTED = 0.5
CONTRACT = replace(
    shops.contract(max_rejected=MOST_REJECTED), files=Files(url="orders_{batch}.csv", batches=Monthly(start="2021-01"))
)
names, points = st.sampled_from(BATCHES), st.sampled_from(("begun", "loaded", "audited"))


@dataclass(frozen=True)
class Content:
    """A file: rows that every check passes, with numbers from `first` on, and rows of a shop that is not known."""

    first: int
    good: int
    bad: int

    @property
    def orders(self) -> frozenset[int]:
        """Numbers of the rows that are accepted."""
        return frozenset(range(self.first, self.first + self.good))

    def write(self, folder: Path) -> Path:
        bad = range(self.first + self.good, self.first + self.good + self.bad)
        lines = [f"{n},2021-01-02 10:00:00,nowhere,1,9.50,1.5," for n in bad]
        name = f"orders_{self.first}_{self.good}_{self.bad}.csv"
        return shops.write(folder / name, [*shops.good_lines(self.good, self.first), *lines])


@dataclass
class Expected:
    """What the warehouse must hold.

    Attributes:
        published, held: what readers of `staging` have of each batch, and what waits for a person.
        newest: which of the two a replay takes.
        sides: the orders on each side of the marts and whether its last build was published; the live one is last.
        back: whether the marts were rolled back last.
    """

    published: dict[str, Content] = field(default_factory=dict)
    held: dict[str, Content] = field(default_factory=dict)
    newest: dict[str, Content] = field(default_factory=dict)
    sides: list[tuple[list[int], bool]] = field(default_factory=list)
    back: bool = False

    def opens(self, batch: str, content: Content) -> bool:
        """Whether the gate lets this file in as this batch."""
        same = {name for name, each in self.published.items() if each == content}
        twin = bool(same) and batch not in same
        return not twin and content.bad <= MOST_REJECTED * (content.good + content.bad)

    def judge(self, batch: str, content: Content) -> bool:
        """Take the file in, or hold it. Returns whether the gate is open."""
        opened = self.opens(batch, content)
        self.lose_held(batch)
        (self.published if opened else self.held)[batch] = content
        self.newest[batch] = content
        return opened

    def lose_held(self, batch: str) -> None:
        """Another load took the place of the one that was held."""
        if self.held.pop(batch, None) is not None:
            self.newest.pop(batch)
            if batch in self.published:
                self.newest[batch] = self.published[batch]

    @property
    def orders(self) -> list[int]:
        """In order; twice where a person released the same file under two names."""
        return sorted(order for content in self.published.values() for order in content.orders)


class Nights(RuleBasedStateMachine):
    """Deliver, deliver again, correct, rename, crash, replay, release, build, roll back; in any order."""

    make: Callable[[], tuple[Warehouse, Callable[[], None]]]  # an empty warehouse, and what drops it
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.warehouse, self.drop = type(self).make()
        self.expected, self.next = Expected(), 1
        self.warehouse.data.make_tables(self.warehouse.engine, CONTRACT)

    def teardown(self) -> None:
        self.drop()

    # What happens

    @initialize()
    def first_night(self) -> None:
        self.deliver("2021-01", Content(self._numbers(4), 4, 1))
        self.build()

    @rule(batch=names, good=st.integers(1, 6), bad=st.integers(0, 6))
    def bring_new_file(self, batch: str, good: int, bad: int) -> None:
        """A new batch, or a correction of one."""
        self.deliver(batch, Content(self._numbers(good + bad), good, bad))

    @rule(batch=names)
    @precondition(lambda self: self.expected.newest)
    def deliver_again(self, batch: str) -> None:
        if batch in self.expected.newest:
            self.deliver(batch, self.expected.newest[batch])

    @rule(batch=names, as_batch=names)
    @precondition(lambda self: self.expected.newest)
    def rename(self, batch: str, as_batch: str) -> None:
        if batch in self.expected.newest:
            self.deliver(as_batch, self.expected.newest[batch])

    @rule(batch=names, good=st.integers(1, 6), bad=st.integers(0, 6), point=points)
    def crash(self, batch: str, good: int, bad: int, point: str) -> None:
        """A load ends at a point without a word: its process is gone, and its sessions with it."""
        self.deliver(batch, Content(self._numbers(good + bad), good, bad), stop=point)

    @rule(batch=names, point=st.one_of(st.none(), points))
    @precondition(lambda self: self.expected.newest)
    def replay(self, batch: str, point: str | None) -> None:
        if batch not in self.expected.newest:
            try:
                reload.replayed(self.warehouse, CONTRACT, batch)
            except DataError:
                return
            raise AssertionError(f"{batch} has nothing to replay")
        content, of = self.expected.newest[batch], reload.replayed(self.warehouse, CONTRACT, batch)
        with self.warehouse.engine.begin() as connection:
            begun = loads.begin_replay(connection, CONTRACT, of, None)
        self._judge(content, begun, partial(reload.load_again, self.warehouse, CONTRACT, begun, of), point)

    @rule(batch=names)
    @precondition(lambda self: self.expected.held)
    def release(self, batch: str) -> None:
        with self.warehouse.engine.begin() as connection:
            held = loads.latest(connection, CONTRACT.dataset_id, batch, "held")
        assert (held is not None) == (batch in self.expected.held)
        if held is None:
            return
        publish.release(self.warehouse, CONTRACT, Batch(CONTRACT.dataset_id, batch, held.load_id), "me", "I say so")
        content = self.expected.held.pop(batch)
        self.expected.published[batch] = self.expected.newest[batch] = content

    @rule(crash=st.booleans())
    def build_marts(self, crash: bool) -> None:
        self.build(crash)

    @rule()
    def roll_back(self) -> None:
        sides, possible = self.expected.sides, len(self.expected.sides) == 2 and self.expected.sides[0][1]
        try:
            rollback(self.warehouse)
        except ConfigError:
            assert not possible or self.expected.back
            return
        assert (possible, self.expected.back) == (True, False)
        sides.reverse()
        self.expected.back = True

    # How it is done

    def deliver(self, batch: str, content: Content, stop: str | None = None) -> None:
        file = fetch.fetch(fetch.look(str(content.write(self.folder))), self.folder / "downloads")
        with self.warehouse.engine.begin() as connection:
            begun = loads.begin(connection, CONTRACT, batch, file, None)
        with open_rows(file, CONTRACT, batch) as stream:
            filled = partial(load.load, self.warehouse, CONTRACT, begun, stream)
            self._judge(content, begun, filled, stop, takes_held=True)

    def _judge(
        self, content: Content, begun: Batch, fill: Callable[[], Batch], stop: str | None, takes_held: bool = False
    ) -> None:
        if stop == "begun":
            return
        filled = fill()
        if stop is not None and takes_held:
            self.expected.lose_held(begun.batch)
        if stop == "loaded":
            return
        report = audit.audit(self.warehouse, CONTRACT, filled)
        if stop == "audited":
            return
        with self.warehouse.engine.begin() as connection:
            decision = decide(CONTRACT.gate, report, loads.known(connection, CONTRACT, filled))
        (publish.publish if decision.open else publish.hold)(self.warehouse, CONTRACT, filled, report, decision)
        assert decision.open == self.expected.judge(begun.batch, content), (str(decision), begun, content)

    def build(self, crash: bool = False) -> None:
        with self.warehouse.engine.begin() as connection:
            builds.take_over(connection)
            side = builds.candidate(connection)
            build_id = builds.begin(connection, side, "project", [], None)
        write_right.clear(self.warehouse, side)
        with write_right.held(self.warehouse, side, build_id) as connection, connection.begin():
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {side}.fct CASCADE"))
            connection.execute(sa.text(f"CREATE TABLE {side}.fct AS SELECT order_id FROM staging.shop__orders"))
        sides = self.expected.sides
        live = sides[-1:]
        if crash:
            self.expected.sides = [([], False), *live] if live else []
            return
        with self.warehouse.engine.begin() as connection:
            builds.finish(connection, build_id, "passed")
        marts.publish_marts(self.warehouse, Publication(side, ("fct",), str(build_id), build_id), build_id)
        self.expected.sides, self.expected.back = [*live, (self.expected.orders, True)], False

    def _numbers(self, count: int) -> int:
        """So many numbers that no file had yet."""
        first, self.next = self.next, self.next + count
        return first

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    # What must hold after each

    @invariant()
    def staging_is_what_was_let_in(self) -> None:
        found = self._rows("SELECT _batch, array_agg(order_id ORDER BY order_id) FROM staging.shop__orders GROUP BY 1")
        wanted = {batch: sorted(each.orders) for batch, each in self.expected.published.items()}
        assert dict(found) == wanted

    @invariant()
    def every_row_is_accounted_for(self) -> None:
        ended = self._rows(
            "SELECT b.status, b.batch, rows_read, rows_accepted, rows_rejected, (SELECT count(*) FROM "
            "quarantine.shop__orders q WHERE q._load_id = b.load_id) FROM ops.batches b "
            "WHERE status IN ('published', 'held')"
        )
        found = {(status, batch): tuple(counts) for status, batch, *counts in ended}
        assert len(found) == len(ended), "a batch has two loads of the same status"
        kinds = {"published": self.expected.published, "held": self.expected.held}
        assert found == {
            (status, batch): (each.good + each.bad, each.good, each.bad, each.bad)
            for status, batches in kinds.items()
            for batch, each in batches.items()
        }

    @invariant()
    def at_most_one_load_is_under_way(self) -> None:
        assert len(self._rows("SELECT load_id FROM ops.batches WHERE status = 'started'")) <= 1

    @invariant()
    def readers_have_the_marts_that_were_published_last(self) -> None:
        if self.expected.sides:
            found = self._rows("SELECT order_id FROM marts.fct")
            assert sorted(order for (order,) in found) == self.expected.sides[-1][0]


FIXED = 500  # sequences, the same in each run; the variable SEQUENCES draws as many other ones
SEQUENCES = int(os.environ.get("SEQUENCES", FIXED))
