"""One incident per cause, told by an outbox: a real PostgreSQL, a real mail server, a real HTTP receiver, no waiting.

Time is the warehouse's clock, which the tests set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from pytest_httpserver import HTTPServer

from sluice.alerts import downstream, missed_nights, outbox, rules
from sluice.alerts.channels import AppriseAddress, unusable
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError
from sluice.ledger import tables
from sluice.marts import freshness
from sluice.runs import lifecycle
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import new_warehouse
from tests.support import shops
from tests.support.mailbox import Mailbox

BAD = [f"{n},2021-01-02 10:00:00,north,11,0.00,1.5,secret{n}@example.com" for n in range(100, 112)]  # free in bulk
HEAVY = [f"{n},2021-01-02 10:00:00,north,1,9.50,-1,a{n}@example.com" for n in range(200, 205)]  # weight > 0 warns


class Clock:
    """What time it is, as a test says."""

    def __init__(self) -> None:
        self.now = datetime(2021, 2, 1, 10, 30, tzinfo=UTC)  # half past five in New York

    def __call__(self) -> datetime:
        return self.now

    def go(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warehouse(database: sa.URL, clock: Clock) -> Iterator[Warehouse]:
    """An empty warehouse whose time the test sets."""
    with new_warehouse(database, clock) as opened:
        yield opened


@pytest.fixture
def mailbox(prefect_server: str) -> Mailbox:
    """The owner's mailbox; its server is down until a test starts it."""
    box = Mailbox()
    AppriseAddress(url=box.address).save("shop", overwrite=True)
    # The first block that is loaded makes Prefect import its collections. So long, on a busy machine, that the test's
    # clock would be hours further, and the message be taken for one whose sender was killed.
    assert not unusable("apprise-address/shop")
    return box


@dataclass
class Shop:
    """A dataset, and the nights in which it is delivered."""

    contract: Contract
    folder: Path
    put: Callable[..., object]

    def deliver(self, *lines: str, batch: str = "2021-01") -> None:
        self.put(self.contract, batch, shops.write(self.folder / "o.csv", [*shops.good_lines(10), *lines]))


@pytest.fixture
def shop(deliver, tmp_path: Path) -> Shop:
    contract = shops.contract(tolerance={"not_free_in_bulk": 0.5})
    return Shop(replace(contract, alerts="apprise-address/shop"), tmp_path, deliver)


def test_a_closed_gate_is_told_once_then_every_day_then_its_recovery(shop, warehouse, mailbox, clock) -> None:
    with mailbox.up():
        for _ in range(3):  # three nights, with three looks at the outbox in each
            shop.deliver(*BAD)
            for _ in range(3):
                outbox.deliver(warehouse)
                clock.go(hours=8)
        shop.deliver()
        outbox.deliver(warehouse)
        clock.go(days=3)
        outbox.deliver(warehouse)
    assert mailbox.subjects == [
        "shop__orders 2021-01: gate closed",
        "shop__orders 2021-01: gate closed, day 2",
        "shop__orders 2021-01: gate closed, day 3",
        "shop__orders 2021-01: recovered from gate closed",
    ]
    first, _, third, recovery = [letter.get_body(("plain",)).get_content() for letter in mailbox.letters]
    assert "54.55% of rows fail not_free_in_bulk (tolerance 50%)" in first
    assert first.count("_row_number=") == 5
    assert "email=***" in first
    assert "secret" not in first, "personal data is masked"
    assert "Readers see: shop__orders as before this load of 2021-01" in first
    assert "Next: sluice quarantine show shop__orders 2021-01" in first
    assert "It has lasted 2 days: since 2021-02-01 10:30 UTC, seen in 3 runs." in third
    assert "shop__orders 2021-01: published: 10 of 10 rows accepted" in recovery
    assert "54.55% of rows fail not_free_in_bulk (tolerance 50%)" in recovery
    assert "It lasted 3 days" in recovery


def test_a_corrected_file_that_is_bad_for_another_reason_is_told_anew(shop, warehouse, mailbox, clock) -> None:
    with mailbox.up():
        shop.deliver(*BAD)
        clock.go(hours=1)
        shop.deliver(*BAD[:11], *[line.replace("north", "east") for line in BAD])
        shop.deliver()
        outbox.deliver(warehouse)
    told = "shop__orders 2021-01: gate closed"
    assert mailbox.subjects == [told, told, "shop__orders 2021-01: recovered from gate closed"]


def test_messages_wait_for_an_endpoint_that_is_down_and_keep_their_order(
    shop, warehouse, mailbox, clock, rows, caplog
) -> None:
    shop.deliver(*BAD)
    for _ in range(20):
        outbox.deliver(warehouse)
        clock.go(seconds=30)
    [waiting] = rows("select attempts, last_error from ops.outbox where channel like 'apprise%'")
    assert waiting.attempts <= 7, "it is left more and more time"
    assert "Connection error" in waiting.last_error
    assert caplog.text.count("nobody was alerted") == 1, "the same reason is said once, not with each try"
    shop.deliver()
    clock.go(minutes=10)
    with mailbox.up():
        outbox.deliver(warehouse)
    assert mailbox.subjects == [
        "shop__orders 2021-01: gate closed",
        "shop__orders 2021-01: recovered from gate closed",
    ]


def test_an_incident_is_written_with_its_verdict_or_not_at_all(shop, warehouse, mailbox, rows, monkeypatch) -> None:
    monkeypatch.setattr(downstream, "of_dataset", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        shop.deliver(*BAD)
    assert rows("select status from ops.batches") == [("started",)]
    assert rows("select * from ops.incidents") == []
    monkeypatch.undo()
    shop.deliver(*BAD)
    assert rows("select kind, count(*) from ops.incidents group by 1") == [("gate_closed", 1)]


def test_a_deliverer_that_is_killed_leaves_its_message_to_the_next(shop, warehouse, mailbox, clock) -> None:
    shop.deliver(*BAD)
    assert outbox._claim(warehouse) is not None  # Prefect's event
    assert outbox._claim(warehouse) is not None  # the letter: claimed, and then its sender is killed
    with mailbox.up():
        outbox.deliver(warehouse)
        assert mailbox.subjects == [], "who has claimed it may still be sending"
        clock.go(minutes=1)
        outbox.deliver(warehouse)
        outbox.deliver(warehouse)
    assert mailbox.subjects == ["shop__orders 2021-01: gate closed"]


def test_a_run_that_was_killed_is_noticed_by_the_next_and_told_as_recovered_when_that_one_finishes(
    warehouse, mailbox, clock, rows
) -> None:
    AppriseAddress(url=mailbox.address).save("taxi-data", overwrite=True)
    with mailbox.up():
        with warehouse.engine.begin() as connection:
            known = {"id": "1", "name": "all datasets what is new", "nightly": True, "began_at": clock()}
            connection.execute(tables.runs.insert().values(**known))
        with lifecycle.running(warehouse, "one at work"):
            lifecycle.look_for_lost(warehouse)  # finds the killed one once, and never the one that is at work
    assert mailbox.subjects == ["sluice: run crashed", "sluice: recovered from run crashed"]
    assert rows("select name, ended_as from ops.runs order by 1") == [
        ("all datasets what is new", "lost"),
        ("one at work", "finished"),
    ]


def test_a_missed_night_is_found_by_the_schedule_on_the_prefect_server(warehouse, mailbox, clock, rows) -> None:
    def began(*, hours_ago: float) -> None:
        night = {"id": str(hours_ago), "name": "all", "nightly": True, "began_at": clock() - timedelta(hours=hours_ago)}
        with warehouse.engine.begin() as connection:
            connection.execute(tables.runs.insert().values(**night, ended_at=clock(), ended_as="finished"))

    schedule = DeploymentScheduleCreate(schedule=NIGHTLY)
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("nightly")
        deployment = client.create_deployment(flow, f"at-five-{warehouse.url.database}", schedules=[schedule])
        try:
            missed_nights.find(warehouse)  # there never was a night: the first is not late
            began(hours_ago=24.4)
            clock.go(minutes=20)
            missed_nights.find(warehouse)  # it was due 50 minutes ago
            assert rows("select * from ops.incidents") == []
            clock.go(minutes=20)
            missed_nights.find(warehouse)
            missed_nights.find(warehouse)
        finally:
            client.delete_deployment(deployment)
    [incident] = rows("select kind, times_seen, facts->'reasons'->>0 as reason from ops.incidents")
    assert (incident.kind, incident.times_seen) == ("run_missed", 1)
    assert "one was due at 2021-02-01 10:00 UTC" in incident.reason


NIGHTLY = CronSchedule(cron="0 5 * * *", timezone="America/New_York")
DBT = DataError("dbt build: 1 of 40 nodes failed\n  test assert_no_free_rides: 3 failing rows")


@dataclass
class Fortnight:
    """Nights at 5:30 in New York, and somebody who looks at the outbox by day."""

    shop: Shop
    warehouse: Warehouse
    clock: Clock

    def night(self, *lines: str, dbt: str = "published", stale: bool = False) -> None:
        """One nightly run: a delivery, the marts, the age of a source."""
        with lifecycle.running(self.warehouse, "all datasets what is new", nightly=True):
            self.shop.deliver(*lines)
            rules.write(self.warehouse, self._failed if dbt == "failed" else self._published)
            too_old = [freshness.Stale("tlc__zones", "error", "newest row 2020-12-01, 2,400 hours old")]
            freshness.tell(self.warehouse, too_old if stale else [])
        self.day()

    def day(self) -> None:
        """The rest of the day, until the next night: `sluice up` looks now and then."""
        for _ in range(7):
            self.clock.go(hours=3)
            lifecycle.look_for_lost(self.warehouse)
            missed_nights.judge(self.warehouse, [NIGHTLY])
            outbox.deliver(self.warehouse)
        self.clock.go(hours=3)

    def killed_night(self) -> None:
        """A run that is killed before it did anything."""
        known = {"id": "killed", "name": "all datasets what is new", "nightly": True, "began_at": self.clock()}
        with self.warehouse.engine.begin() as connection:
            connection.execute(tables.runs.insert().values(**known))
        self.day()

    @staticmethod
    def _failed(connection: sa.Connection, now: datetime) -> None:
        rules.marts_failed(connection, DBT, now)

    @staticmethod
    def _published(connection: sa.Connection, now: datetime) -> None:
        rules.marts_published(connection, ["fct_trips"], {}, now)


def test_a_fortnight_of_good_bad_and_missed_nights_yields_exactly_these_messages(
    shop, warehouse, mailbox, httpserver: HTTPServer, clock, rows
) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    AppriseAddress(url=httpserver.url_for("/hook").replace("http://", "json://")).save("taxi-data", overwrite=True)
    nights = Fortnight(shop, warehouse, clock)
    with mailbox.up():
        nights.night()  # 1: all is well
        nights.night(*BAD)  # 2: the gate is closed
    nights.night(*BAD)  # 3: and again, and the mail server is down all day
    with mailbox.up():
        nights.day()  # 4: nothing ran
        nights.night()  # 5: a corrected file
        nights.night(*HEAVY)  # 6: published with a warning
        nights.night(*HEAVY)  # 7: and again
        nights.night()  # 8
        nights.night(dbt="failed")  # 9
        nights.night(dbt="failed")  # 10
        nights.night()  # 11
        nights.night(stale=True)  # 12
        nights.killed_night()  # 13
        nights.night()  # 14
    assert mailbox.subjects == [
        "shop__orders 2021-01: gate closed",
        "shop__orders 2021-01: gate closed, day 2",
        "shop__orders 2021-01: gate closed, day 3",
        "shop__orders 2021-01: recovered from gate closed",
        "shop__orders 2021-01: warning",
        "shop__orders 2021-01: recovered from warning",
    ]
    assert [request.get_json()["title"] for request, _ in httpserver.log] == [
        "sluice: run missed",
        "sluice: recovered from run missed",
        "sluice: dbt failed",
        "sluice: dbt failed, day 2",
        "sluice: recovered from dbt failed",
        "tlc__zones: source stale",
        "sluice: run crashed",
        "tlc__zones: source stale, day 2",
        "tlc__zones: recovered from source stale",
        "sluice: recovered from run crashed",
    ]
    assert rows("select count(*) from ops.outbox where sent_at is null") == [(0,)]
    assert rows("select count(*) from ops.incidents where resolved_at is null") == [(0,)]
