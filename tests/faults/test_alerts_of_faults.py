"""What went wrong reaches the owners, late rather than never, and what is over is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prefect.blocks.notifications import NotificationBlock  # noqa: F401 - the blocks are registered by it

from sluice.alerts import incidents, outbox, rules
from sluice.alerts.incidents import Cause, Owner
from sluice.alerts.messages import Facts
from sluice.contract.errors import ToolError
from sluice.marts import build
from tests.integration.marts.test_marts import Night
from tests.integration.marts.test_sides import Nights

THEN = datetime(2026, 1, 1, 2, tzinfo=UTC)
NO_COMPARISON = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space is left'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON ops.comparisons EXECUTE FUNCTION refuse();
"""


def open_now(nights: Nights | Night) -> list[str]:
    with nights.warehouse.engine.connect() as connection:
        return [row.kind for row in incidents.open_now(connection)]


def test_a_comparison_that_fails_after_the_build_is_alerted_until_the_marts_are_published(nights: Nights) -> None:
    nights.load("2019-01", [1])
    with nights.warehouse.engine.begin() as connection:
        connection.execute(sa.text(NO_COMPARISON))
    with pytest.raises(ToolError, match="no space is left"):
        nights.night()
    assert open_now(nights) == ["dbt_failed"]
    with nights.warehouse.engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER refuse ON ops.comparisons"))
    nights.night()
    assert open_now(nights) == []


def test_an_incident_of_the_marts_ends_when_they_show_every_load(nights: Nights) -> None:
    nights.load("2019-01", [1])
    nights.night()
    with nights.warehouse.engine.begin() as connection:  # as a publish that only seemed to have failed left it
        rules.marts_failed(connection, ToolError("the link broke"), THEN)
    assert open_now(nights) == ["dbt_failed"]
    assert not build.due(nights.warehouse)
    assert open_now(nights) == ["dbt_failed"]  # a plan asks this, too: it changes nothing
    build.report_up_to_date(nights.warehouse)
    assert open_now(nights) == []


def test_a_message_that_waited_for_a_week_is_sent_and_says_when_it_was_written(
    night: Night, prefect_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    now = [THEN]
    warehouse = replace(night.warehouse, now=lambda: now[0])
    owner = Owner("shop@example.com", "apprise-address/not-there-yet")
    with warehouse.engine.begin() as connection:
        incidents.saw(connection, Cause("gate_closed", "batch shop__orders 2021-01"), Facts(["why"]), [owner], THEN)
    for _day in range(7):  # the channel is down, and a reminder is due each day
        outbox.deliver(warehouse)
        now[0] += timedelta(days=1)
    outbox.deliver(warehouse)
    with warehouse.engine.connect() as connection:
        waiting = outbox.undelivered(connection)
    assert [(row.stage, row.created_at) for row in waiting][:1] == [("first", THEN)]
    ages = [(now[0] - row.created_at).days for row in waiting]
    assert ages[0] == 7
    assert max(ages[1:]) <= 4
    assert waiting[0].attempts >= 8
