"""Whom a run tells when something is wrong: real runs, a real HTTP receiver, a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from prefect.client.schemas.objects import FlowRun
from prefect.states import exception_to_failed_state
from prefect.utilities.asyncutils import run_coro_as_sync
from pytest_httpserver import HTTPServer

from contracts.errors import ToolError
from flows import alarms, dbt_run
from flows.alerts import AppriseAddress
from flows.freshness import Stale
from tests import taxi
from tests.chromium import chromium

BLOCK = "taxi-data"  # as the taxi contracts name it: alerts="apprise-address/taxi-data"


class Mailbox:
    """Keeps the letters that an SMTP client delivers."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: ARG002
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mailbox(prefect_server: str) -> Iterator[Mailbox]:
    """A mail server, and the owner's channel that writes to it."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    address = f"mailto://127.0.0.1:{port}?from=sluice@example.com&to=taxi-data@example.com&mode=insecure"
    AppriseAddress(url=address).save(BLOCK, overwrite=True)
    yield box
    server.stop()


@pytest.fixture
def webhook(prefect_server: str, httpserver: HTTPServer) -> HTTPServer:
    """The owner's channel: a web hook that takes JSON."""
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    AppriseAddress(url=httpserver.url_for("/hook").replace("http://", "json://")).save(BLOCK, overwrite=True)
    return httpserver


def received(webhook: HTTPServer) -> list[dict[str, str]]:
    return [request.get_json() for request, _ in webhook.log if request.path == "/hook"]


def write_bad_month(folder: Path) -> str:
    lines = [*taxi.trips("2019-02", 16), *taxi.trips("2019-02", 4, passengers=0)]
    taxi.csv(folder / "2019-02.csv", lines)
    return str(folder / "{batch}.csv")


def test_a_source_past_its_error_limit_is_told_to_its_owner_and_a_late_one_only_to_the_run(webhook) -> None:
    sources = [Stale("tlc__yellow_trips", "error", "newest row 2019-01-31, 9,000.0 hours old")]
    sources += [Stale("tlc__green_trips", "warn", "newest row 2019-01-31, 1,900.0 hours old")]
    told = alarms.stale(sources)
    assert "tlc__green_trips is stale: newest row 2019-01-31, 1,900.0 hours old, past the contract's warn_after" in told
    [alert] = received(webhook)
    assert "tlc__yellow_trips is stale: newest row 2019-01-31" in str(alert)


@pytest.mark.parametrize(("scheduled", "alerts"), [(True, 1), (False, 0)])
def test_a_scheduled_run_that_could_not_begin_is_told(webhook, scheduled: bool, alerts: int) -> None:
    run = FlowRun(flow_id=uuid4(), name="all datasets what is new", deployment_id=uuid4() if scheduled else None)
    error = ToolError("the warehouse of block 'prod' cannot be used")
    alarms.crashed(None, run, run_coro_as_sync(exception_to_failed_state(error)))
    told = received(webhook)
    assert len(told) == alerts
    assert all("block 'prod' cannot be used" in str(alert) for alert in told)


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
        "Readers see: tlc__yellow_trips as it was before",
        "sluice quarantine show tlc__yellow_trips 2019-02",
        "taxi-data@example.com",
    ):
        assert words in text, text


def test_a_closed_gate_reaches_a_mailbox(mailbox, sluice, tmp_path) -> None:
    said = sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", write_bad_month(tmp_path))
    assert said.code == 2
    [letter] = mailbox.letters
    assert letter["Subject"] == "tlc__yellow_trips 2019-02: gate closed"
    assert "taxi-data@example.com" in letter["To"]
    assert "20% of rows fail passenger_count >= 1 (tolerance 5%)" in letter.get_body(("plain",)).get_content()


def test_a_failed_dbt_test_sends_one_alert_and_readers_keep_the_old_marts(
    sluice, engine, webhook, tmp_path, monkeypatch
) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 0

    project = tmp_path / "dbt_project"
    shutil.copytree(dbt_run.PROJECT, project)
    planted = "select * from {{ ref('fct_trips') }} where _batch = '2019-02' and picked_up_on = '2019-02-13'"
    (project / "tests" / "assert_no_february.sql").write_text(planted)
    monkeypatch.setattr(dbt_run, "PROJECT", project)
    taxi.csv(tmp_path / "2019-02.csv", taxi.trips("2019-02"))
    said = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv"))

    assert said.code == 2, said.err
    assert "test assert_no_february: 1 failing row (" in said.err
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
    with chromium() as browser:
        page = browser.new_page()
        page.goto((tmp_path / "home" / "site" / "index.html").as_uri())
        assert "The newest build was not published" in page.locator(".lead").inner_text()
        page.get_by_role("link", name="test assert_no_february: 1 failing row").click()
        told = page.locator("section", has=page.get_by_role("heading", name="Marts failed")).inner_text()
    assert "trip_id=yellow/2019-02/13" in told
    assert "Readers keep the old marts; the candidate is in marts__b" in told


def test_a_run_that_is_killed_softly_sends_one_alert(sluice, webhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the request for the file, and never answers
        silent.settimeout(120)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{batch}}.csv"
        command = [sys.executable, "-m", "flows.cli", "run", "tlc__yellow_trips", "-b", "2019-01", "--url", url]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        silent.accept()
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 143, said
    [alert] = received(webhook)
    assert "run crashed" in alert["title"], said
