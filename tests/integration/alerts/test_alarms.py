"""Whom a run tells when something is wrong: real runs, a real HTTP receiver, a real SMTP server."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from prefect.client.schemas.objects import FlowRun
from prefect.states import exception_to_failed_state
from prefect.utilities.asyncutils import run_coro_as_sync
from pytest_httpserver import HTTPServer

from sluice.alerts.channels import AppriseAddress
from sluice.contract.errors import ConfigError
from sluice.project import paths
from sluice.runs import lifecycle
from sluice.warehouse.connection import open_warehouse
from tests.support import taxi
from tests.support.chromium import chromium
from tests.support.mailbox import Mailbox

BLOCK = "taxi-data"  # as the taxi contracts name it: alerts="apprise-address/taxi-data"


@pytest.fixture
def mailbox(prefect_server: str) -> Iterator[Mailbox]:
    """A mail server, and the owner's channel that writes to it."""
    box = Mailbox()
    AppriseAddress(url=box.address).save(BLOCK, overwrite=True)
    with box.up():
        yield box


@pytest.fixture
def webhook(prefect_server: str, httpserver: HTTPServer) -> HTTPServer:
    """The owner's channel: a web hook that takes JSON."""
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    AppriseAddress(url=httpserver.url_for("/hook").replace("http://", "json://")).save(BLOCK, overwrite=True)
    return httpserver


def received(webhook: HTTPServer, count: int = 1) -> list[dict[str, str]]:
    """What has come, as soon as there is so much of it; a busy machine sends late."""
    wait_for(lambda: len([1 for request, _ in webhook.log if request.path == "/hook"]) >= count)
    return [request.get_json() for request, _ in webhook.log if request.path == "/hook"]


def wait_for(arrived: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not arrived() and time.monotonic() < deadline:
        time.sleep(0.1)


def write_bad_month(folder: Path) -> str:
    lines = [*taxi.trips("2019-02", 16), *taxi.trips("2019-02", 4, passengers=0)]
    taxi.csv(folder / "2019-02.csv", lines)
    return str(folder / "{batch}.csv")


def test_a_scheduled_run_that_reaches_no_warehouse_is_told_at_once(webhook, monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", "no-such-block")
    error = ConfigError("block 'no-such-block' (from SLUICE_WAREHOUSE) cannot be used")
    for deployment in (uuid4(), None):  # a person who started it sees why
        run = FlowRun(flow_id=uuid4(), name="all datasets what is new", deployment_id=deployment)
        lifecycle.crashed(None, run, run_coro_as_sync(exception_to_failed_state(error)))
    [alert] = received(webhook)
    assert "block 'no-such-block' (from SLUICE_WAREHOUSE) cannot be used" in str(alert)
    assert alert["title"] == "sluice: run failed", "nothing crashed"


def test_a_wrong_parameter_in_the_form_is_told_to_nobody_else_and_in_a_schedule_to_the_owners(webhook, sluice) -> None:
    lifecycle.ensure_tables(open_warehouse())
    error = ConfigError("batch 'all' is not a month: write it as 2021-01")
    for scheduled in (False, True):
        run = FlowRun(
            flow_id=uuid4(),
            name="typed" if not scheduled else "of the night",
            deployment_id=uuid4(),
            parameters={"datasets": None, "batches": ["all"]},
            auto_scheduled=scheduled,
        )
        lifecycle.crashed(None, run, run_coro_as_sync(exception_to_failed_state(error)))
    [alert] = received(webhook)
    assert alert["title"] == "sluice: run failed"
    assert "run of the night ended as Failed: batch 'all' is not a month: write it as 2021-01\n" in alert["message"]
    [incident] = json.loads(sluice("alerts", "--json").out)
    assert incident["kind"] == "run_failed"


def test_a_closed_gate_sends_one_alert_with_reason_numbers_sample_and_next_command(sluice, webhook, tmp_path) -> None:
    said = sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", write_bad_month(tmp_path))
    assert said.code == 2
    [alert] = received(webhook)
    text = alert["title"] + alert["message"]
    for words in (
        "tlc__yellow_trips 2019-02: gate closed",
        "20% of rows fail passenger_count >= 1 (tolerance 5%)",
        "rows: 20",
        "passenger_count=0",
        "Readers see: tlc__yellow_trips as",
        "sluice quarantine show tlc__yellow_trips 2019-02",
        "taxi-data@example.com",
    ):
        assert words in text, text


@pytest.mark.long
def test_a_broken_file_reaches_a_mailbox_and_so_does_the_recovery_when_it_is_fixed(mailbox, sluice, tmp_path) -> None:
    url = write_bad_month(tmp_path)
    assert sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", url).code == 2
    assert [row["kind"] for row in json.loads(sluice("alerts", "--json").out)] == ["gate_closed"]
    assert "tlc__yellow_trips 2019-02: gate closed" in sluice("status").out
    taxi.csv(tmp_path / "2019-02.csv", taxi.trips("2019-02"))
    assert sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", url).code == 0
    wait_for(lambda: len(mailbox.letters) >= 2)
    assert mailbox.subjects == [
        "tlc__yellow_trips 2019-02: gate closed",
        "tlc__yellow_trips 2019-02: recovered from gate closed",
    ]
    assert "taxi-data@example.com" in mailbox.letters[0].get_body(("plain",)).get_content()
    assert json.loads(sluice("alerts", "--json").out) == []

    write_bad_month(tmp_path)  # now that marts are made of it, the letter names them
    assert sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", url).code == 2
    closed = "tlc__yellow_trips 2019-02: gate closed"
    wait_for(lambda: mailbox.subjects.count(closed) == 2)
    newest = mailbox.letters[-1 - mailbox.subjects[::-1].index(closed)]
    text = newest.get_body(("plain",)).get_content()
    assert "Downstream: marts dim_zones, fct_trips, fct_zone_revenue_monthly, fct_zone_trips_daily; exposures" in text
    assert "Revenue by zone (dashboard)" in text


def test_a_failed_dbt_test_sends_one_alert_and_readers_keep_the_old_marts(
    sluice, engine, webhook, tmp_path, monkeypatch
) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 0

    project = tmp_path / "dbt_project"
    shutil.copytree(paths.dbt_project(), project)
    planted = (
        "{{ config(enabled=true) }}"  # the others are off
        "select * from {{ ref('fct_trips') }} where _batch = '2019-02' and picked_up_on = '2019-02-13'"
    )
    (project / "tests" / "assert_no_february.sql").write_text(planted)
    monkeypatch.setattr(paths, "dbt_project", lambda: project)
    taxi.csv(tmp_path / "2019-02.csv", taxi.trips("2019-02"))
    said = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv"))

    assert said.code == 2, said.err
    assert "test assert_no_february: 1 failing row\n" in said.err
    assert "trip_id=yellow/2019-02/13, taxi_colour=yellow" in said.err
    assert "Readers keep the old marts; the candidate is in marts__b" in said.err
    assert "Traceback" not in said.err
    with engine.connect() as connection:
        months = connection.scalars(sa.text("select distinct _batch from marts.fct_trips")).all()
        assert months == ["2019-01"]
    [alert] = received(webhook)
    assert "dbt failed" in alert["title"]
    assert "assert_no_february" in alert["message"]
    assert "trip_id=yellow/2019-02/13" in alert["message"]
    assert "Downstream: marts fct_trips" in alert["message"]
    assert "Revenue by zone (dashboard)" in alert["message"]
    with chromium() as browser:
        page = browser.new_page()
        page.goto((tmp_path / "home" / "site" / "index.html").as_uri())
        assert "The newest build was not published" in page.locator(".lead").inner_text()
        page.get_by_role("link", name="test assert_no_february: 1 failing row").click()
        told = page.locator("section", has=page.get_by_role("heading", name="Marts failed")).inner_text()
    assert "trip_id=yellow/2019-02/13" in told
    assert "Readers keep the old marts; the candidate is in marts__b" in told


@pytest.mark.long
def test_a_run_that_is_killed_softly_sends_one_alert(sluice, webhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the request for the file, and never answers
        silent.settimeout(120)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{batch}}.csv"
        command = [sys.executable, "-m", "sluice", "run", "tlc__yellow_trips", "-b", "2019-01", "--url", url]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        silent.accept()
        assert "Running: tlc__yellow_trips 2019-01, since " in sluice("status").out
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 143, said
    [alert] = received(webhook)
    assert "run crashed" in alert["title"], said
    assert "Running" not in sluice("status").out
