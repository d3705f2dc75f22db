"""`sluice alerts send --watch`, as `sluice up` keeps it running: a real process, a real mail server, a real kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.alerts.channels import AppriseAddress
from sluice.contract.errors import ToolError
from sluice.ledger import schema
from sluice.server.supervisor import Kept
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.integration.conftest import connector_for
from tests.support import shops
from tests.support.mailbox import Mailbox

FREE = [f"{n},2021-01-02 10:00:00,north,11,0.00,1.5,a{n}@example.com" for n in range(100, 112)]
SOON = 120  # seconds; what was claimed is free again after 15


@pytest.fixture
def warehouse(prefect_server: str, database: sa.URL, tmp_path: Path, monkeypatch) -> Iterator[Warehouse]:
    """An empty warehouse that a block names, so that another process finds it."""
    connector_for(database).save("watched", overwrite=True)
    monkeypatch.setenv("SLUICE_WAREHOUSE", "watched")
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    opened = connect(connector_for(database), "watched", "postgres")
    with opened.engine.begin() as connection:
        schema.create(connection)
    yield opened
    opened.engine.dispose()


@contextmanager
def sender() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sluice", "alerts", "send", "--watch", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(arrived: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not arrived():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.long
def test_a_watching_sender_delivers_what_comes_and_stops_on_ctrl_c(warehouse, deliver, rows, tmp_path) -> None:
    box = Mailbox()
    AppriseAddress(url=box.address).save("watched", overwrite=True)
    contract = replace(shops.contract(), alerts="apprise-address/watched")
    deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *FREE]))
    with socket.create_server(("127.0.0.1", box.port)) as silent, sender() as first:
        silent.settimeout(SOON)
        talk, _ = silent.accept()  # it has claimed the letter, and waits for the mail server's greeting
        first.send_signal(signal.SIGKILL)
        first.wait()
        talk.close()
    assert rows("select attempts, sent_at from ops.outbox where channel like 'apprise%'") == [(1, None)]

    with sender() as second:
        closed = "shop__orders 2021-01: gate closed"
        with box.up():
            wait_for(lambda: box.subjects == [closed])
        deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", shops.good_lines(10)))
        tried = "select count(*) from ops.outbox where last_error is not null"
        wait_for(lambda: rows(tried) == [(1,)])  # the mail server is down again
        with box.up():
            wait_for(lambda: box.subjects == [closed, "shop__orders 2021-01: recovered from gate closed"])
        second.send_signal(signal.SIGINT)
        said, _ = second.communicate(timeout=SOON)
    assert second.returncode == 0, said
    assert "Traceback" not in said


@pytest.mark.long
def test_a_watching_sender_follows_the_block_of_a_warehouse_that_moved(
    warehouse, deliver, database: sa.URL, postgres_url: sa.URL, tmp_path
) -> None:
    def watched() -> bool:
        query = sa.text("select count(*) from pg_stat_activity where datname = :name")
        with warehouse.engine.connect() as connection:
            return bool(connection.scalar(query, {"name": old.database}))

    box = Mailbox()
    AppriseAddress(url=box.address).save("watched", overwrite=True)
    contract = replace(shops.contract(), alerts="apprise-address/watched")
    deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *FREE]))
    with ExitStack() as stack:
        with new_database(postgres_url) as old:
            connector_for(old).save("watched", overwrite=True)
            stack.enter_context(sender())
            wait_for(watched)
        connector_for(database).save("watched", overwrite=True)
        with box.up():
            wait_for(lambda: box.subjects == ["shop__orders 2021-01: gate closed"])


def test_a_killed_sender_is_started_again_and_the_alert_still_arrives(warehouse, deliver, tmp_path, capsys) -> None:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "sluice", "alerts", "send", "--watch", "1"])

    def arrived() -> bool:
        kept.look()
        return box.subjects == ["shop__orders 2021-01: gate closed"]

    box = Mailbox()
    AppriseAddress(url=box.address).save("watched", overwrite=True)
    contract = replace(shops.contract(), alerts="apprise-address/watched")
    kept = Kept("sender of alerts", start)
    try:
        os.kill(kept._child.pid, signal.SIGKILL)
        kept._child.wait()
        deliver(contract, "2021-01", shops.write(tmp_path / "o.csv", [*shops.good_lines(10), *FREE]))
        with box.up():
            wait_for(arrived)
    finally:
        kept.end()
    said = capsys.readouterr().out
    assert "sender of alerts: exited with code -9; restarting in 1 s\n" in said


def test_a_program_that_ends_at_once_each_time_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr("sluice.server.supervisor.FIRST_WAIT", 0.001)
    kept = Kept("sender of alerts", lambda: subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]))
    with pytest.raises(ToolError, match="the sender of alerts exited 6 times in a row, last with code 7"):
        wait_for(lambda: bool(kept.look()))
