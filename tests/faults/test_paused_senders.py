"""A process that is paused while it reminds or reports keeps no later run waiting: the server ends its transaction."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest
import sqlalchemy as sa

from sluice.alerts import incidents, outbox, rules
from sluice.alerts.incidents import Cause
from sluice.alerts.messages import Facts
from sluice.contract.errors import ToolError
from sluice.ledger import builds, tables
from sluice.warehouse.postgres import transactions
from sluice.warehouse.warehouse import Warehouse


def test_a_later_run_reports_while_a_sender_is_paused_in_its_reminders(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(connection: sa.Connection, now: datetime) -> None:
        incidents.saw(connection, Cause("dbt_failed", "marts"), Facts(reasons=["a test failed"]), (), now)

    assert rules.write(warehouse, report)
    monkeypatch.setattr(transactions, "BRIEF", sa.text("SET LOCAL idle_in_transaction_session_timeout = '300ms'"))
    paused, on, remind = threading.Event(), threading.Event(), incidents.remind

    def remind_and_pause(connection: sa.Connection, now: datetime) -> int:
        found = remind(connection, now)
        paused.set()
        on.wait(60)
        return found

    monkeypatch.setattr(incidents, "remind", remind_and_pause)
    ended: list[bool] = []

    def send() -> None:
        with pytest.raises(ToolError, match="cannot read the outbox"):
            outbox.deliver(warehouse)
        ended.append(True)

    sender = threading.Thread(target=send)
    later = threading.Thread(target=rules.write, args=(warehouse, report), daemon=True)
    sender.start()
    assert paused.wait(30)
    later.start()
    later.join(30)
    reported = not later.is_alive()
    on.set()
    sender.join(30)
    assert reported
    assert ended == [True]
    with warehouse.engine.connect() as connection:
        assert connection.scalars(sa.select(tables.incidents.c.times_seen)).all() == [2]


def test_a_later_run_records_what_it_does_while_another_is_paused_in_the_ledger(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "BRIEF", sa.text("SET LOCAL idle_in_transaction_session_timeout = '300ms'"))
    with warehouse.engine.begin() as connection:
        build_id = builds.begin(connection, "marts__a", "project", [], None)

    def record() -> None:
        with transactions.transaction(warehouse.engine, "the end of the build could not be recorded") as connection:
            builds.finish(connection, build_id, "passed")

    later = threading.Thread(target=record, daemon=True)

    def pause() -> None:
        with transactions.transaction(warehouse.engine, "this build is overtaken") as connection:
            builds.finish(connection, build_id, "failed")
            later.start()
            later.join(30)

    with pytest.raises(ToolError, match="this build is overtaken"):
        pause()
    assert not later.is_alive()
    with warehouse.engine.connect() as connection:
        assert connection.scalar(sa.select(tables.builds.c.status)) == "passed"
