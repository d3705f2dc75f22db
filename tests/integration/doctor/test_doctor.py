"""`sluice doctor`: a sound installation is found sound, and each planted fault is found with what to do about it."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from pytest_httpserver import HTTPServer

from sluice.alerts.channels import AppriseAddress
from sluice.doctor import database
from sluice.doctor import prefect_server as orchestration
from sluice.doctor.finding import examine, ok
from sluice.project.datasets import contracts
from sluice.warehouse.postgres.audit import scan
from tests.integration.conftest import connector_for


def found(said) -> dict[str, list[dict]]:
    """Findings by their area."""
    areas: dict[str, list[dict]] = {}
    for finding in json.loads(said.out):
        areas.setdefault(finding["area"], []).append(finding)
    return areas


def verdicts(findings_: list[dict]) -> set[str]:
    return {finding["verdict"] for finding in findings_}


@pytest.mark.whole_project
@pytest.mark.usefixtures("durable")
def test_a_sound_installation_has_no_failure_and_the_canaries_leave_nothing_behind(sluice, engine) -> None:
    said = sluice("doctor", "--json")
    assert said.code == 0, said.out
    areas = found(said)
    assert {"versions", "disk", "database", "rights", "clocks", "gates", "dbt", "prefect"} <= set(areas)
    assert len(areas["gates"]) == len(contracts())
    assert verdicts(areas["gates"]) == {"ok"}
    assert areas["channels"]
    with engine.connect() as connection:
        left = sa.text("select nspname from pg_namespace where nspname in ('staging', 'quarantine', 'ops')")
        assert connection.scalars(left).all() == []
    assert "problems found" not in said.err


def test_an_audit_that_sees_nothing_is_found_by_the_canary(warehouse, monkeypatch) -> None:
    fails = scan._fails
    monkeypatch.setattr(scan, "_fails", lambda *given: fails(*given) & sa.false())
    said = examine("gates", lambda: database.gates(warehouse))
    assert {finding.verdict for finding in said} == {"fail"}
    assert "a row that should have been rejected was accepted" in said[0].found


def test_a_user_without_rights_and_a_bad_setting_are_each_found_with_their_cure(sluice, engine, monkeypatch) -> None:
    role = f"reader_{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"create role {role} login password 'pw-of-reader'"))
        connection.execute(sa.text(f"alter role {role} set statement_timeout = '30s'"))
        connection.execute(sa.text("create schema staging"))
    try:
        block = f"reader-{engine.url.database}".replace("_", "-")
        connector_for(engine.url.set(username=role, password="pw-of-reader")).save(block)
        monkeypatch.setenv("SLUICE_WAREHOUSE", block)
        said = sluice("doctor", "--json")
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"drop owned by {role}"))
            connection.execute(sa.text(f"drop role {role}"))
    assert said.code == 5, said.out
    areas = found(said)
    assert any("statement_timeout" in finding["found"] for finding in areas["database"])
    assert any(f"CREATE ON DATABASE {engine.url.database} TO {role}" in each["advice"] for each in areas["rights"])
    assert any("does not own staging" in finding["found"] for finding in areas["rights"])
    assert verdicts(areas["gates"]) == {"ok"}  # the canary needs temporary tables only
    assert "dbt" in areas  # what failed before did not hide it
    assert "pw-of-reader" not in said.out + said.err


def test_a_warehouse_that_is_away_does_not_hide_the_other_findings(sluice, monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", "no-such-block")
    shown = sluice("doctor")
    assert (shown.code, "what to do" in shown.out) == (5, True)
    said = sluice("doctor", "--json")
    assert said.code == 5
    assert "problems found: database. Fix them as advised above" in said.err
    areas = found(said)
    assert "no-such-block" in areas["database"][0]["found"]
    assert {"versions", "disk", "prefect", "channels"} <= set(areas)


def test_a_check_that_crashes_is_a_finding_and_keeps_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    def broken():
        yield ok("disk", "first")
        raise ZeroDivisionError("second")

    assert [(each.verdict, each.exit_code) for each in examine("disk", broken)] == [("ok", 0), ("fail", 3)]


# ---- channels: each test says itself which blocks there are


@pytest.fixture
def no_channel(prefect_server: str) -> None:
    """The server has no block of the name that the contracts give."""
    with get_client(sync_client=True) as client:
        for kind, _, name in {contract.alerts.partition("/") for contract in named()}:
            try:
                client.delete_block_document(client.read_block_document_by_name(name, kind).id)
            except ObjectNotFound:
                continue


def named() -> list:
    return [contract for contract in contracts().values() if contract.alerts]


def test_a_missing_channel_is_told_as_nobody_is_told(no_channel: None) -> None:
    (finding,) = examine("channels", lambda: orchestration.channels(send=False))
    assert finding.verdict == "warn"
    assert all(f"{contract}" in finding.found for contract in named())
    assert "nobody will be alerted" in finding.found
    (finding,) = examine("channels", lambda: orchestration.channels(send=True))
    assert (finding.verdict, finding.exit_code) == ("fail", 5), "asked to send, it cannot"


def test_a_server_that_is_away_is_not_taken_for_a_missing_channel() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):  # nothing listens there
        (finding,) = examine("channels", lambda: orchestration.channels(send=False))
    assert (finding.verdict, finding.exit_code) == ("fail", 3)
    assert "Start it (sluice up)" in finding.advice
    assert "docs/alerts.md" not in finding.advice


def test_a_test_message_goes_through_each_channel_when_asked(no_channel: None, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    AppriseAddress(url=httpserver.url_for("/hook").replace("http", "json")).save("taxi-data", overwrite=True)
    (finding,) = examine("channels", lambda: orchestration.channels(send=False))
    assert (finding.verdict, len(httpserver.log)) == ("ok", 0)
    (finding,) = examine("channels", lambda: orchestration.channels(send=True))
    assert finding.verdict == "ok"
    assert "No action is needed" in httpserver.log[0][0].get_data(as_text=True)

    AppriseAddress(url="json://127.0.0.1:1/secret-path").save("taxi-data", overwrite=True)
    (finding,) = examine("channels", lambda: orchestration.channels(send=True))
    assert (finding.verdict, finding.exit_code) == ("fail", 3)
    assert "secret-path" not in str(finding)
