"""What users of Prefect expect of the flow: retries of what heals, cached downloads, artifacts, blocks made by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from pytest_httpserver import HTTPServer

from sluice.runs import tasks
from sluice.source.fetch import look
from sluice.source.files import SourceUnavailable
from tests.support import taxi


@pytest.fixture
def home(prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def offer(httpserver: HTTPServer, etag: str, body: bytes = b"a,b\n1,2\n") -> None:
    """The same address, with whatever was put there last."""
    httpserver.clear()
    httpserver.expect_request("/file.csv").respond_with_data(body, headers={"ETag": etag})


def downloads(httpserver: HTTPServer) -> int:
    return sum(request.method == "GET" for request, _ in httpserver.log)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the wait of seconds between them; everything else of the tasks is as it is."""
    for task in (tasks.look, tasks.fetch):
        monkeypatch.setattr(task, "retry_delay_seconds", 0)


def test_a_server_in_trouble_is_asked_again_and_one_without_the_file_is_not(
    home: Path, httpserver: HTTPServer, quick: None
) -> None:
    @flow
    def looking() -> object:
        return tasks.look(httpserver.url_for("/file.csv"))

    httpserver.expect_ordered_request("/file.csv", method="HEAD").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/file.csv", method="HEAD").respond_with_data("", headers={"ETag": "1"})
    assert looking().etag == "1"  # type: ignore[attr-defined]

    httpserver.clear()
    httpserver.expect_request("/file.csv").respond_with_data("", status=404)
    with pytest.raises(Exception, match="404"):
        looking()
    assert len(httpserver.log) == 1

    httpserver.clear()
    httpserver.expect_request("/file.csv").respond_with_data("", status=503)
    with pytest.raises(SourceUnavailable):
        looking()
    assert len(httpserver.log) == 4


def test_a_file_is_downloaded_once_a_day_unless_it_changes(home: Path, httpserver: HTTPServer) -> None:
    @flow
    def fetching() -> str:
        return tasks.fetch(look(httpserver.url_for("/file.csv"))).sha256

    offer(httpserver, '"one"')
    first = fetching()
    assert downloads(httpserver) == 1
    assert fetching() == first
    assert downloads(httpserver) == 1

    offer(httpserver, '"two"', b"a,b\n3,4\n")
    assert fetching() != first
    assert downloads(httpserver) == 1


def test_a_run_keeps_its_summary_and_each_audit_as_artifacts(sluice, tmp_path: Path) -> None:
    taxi.csv(tmp_path / "2019-02.csv", [*taxi.trips("2019-02", 16), *taxi.trips("2019-02", 4, passengers=0)])
    assert sluice("run", "tlc__yellow_trips", "-b", "2019-02", "--url", f"{tmp_path}/{{batch}}.csv").code == 2

    assert "| 2019-02 | held | 20 | 16 | 4 |" in str(newest("sluice-run"))
    checks = str(newest("audit-tlc--yellow-trips-2019-02"))
    assert '"check": "passenger_count >= 1", "outcome": "failed", "failing": "4"' in checks


def newest(key: str) -> object:
    with get_client(sync_client=True) as client:
        filters = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        return max(client.read_artifacts(artifact_filter=filters), key=lambda artifact: artifact.created).data


def test_a_connector_block_made_through_prefects_api_is_used(
    sluice, prefect_server: str, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the form in Prefect's UI makes it, after `prefect block register -m prefect_sqlalchemy`."""
    command = [sys.executable, "-m", "prefect", "block", "register", "-m", "prefect_sqlalchemy"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with httpx.Client(base_url=prefect_server) as api:
        kind = api.get("/block_types/slug/sqlalchemy-connector").json()["id"]
        asked = {"block_schemas": {"block_type_id": {"any_": [kind]}}}
        schema = api.post("/block_schemas/filter", json=asked).json()[0]["id"]
        facts = {
            "driver": "postgresql+psycopg2",
            "username": database.username,
            "password": database.password,
            "database": database.database,
            "query": dict(database.query),
        }
        document = {
            "name": "made-by-hand",
            "block_type_id": kind,
            "block_schema_id": schema,
            "data": {"connection_info": facts},
        }
        api.post("/block_documents/", json=document).raise_for_status()
    monkeypatch.setenv("SLUICE_WAREHOUSE", "made-by-hand")
    monkeypatch.delenv("SLUICE_READER")  # of the fixture's own block
    said = sluice("sql", "--as-owner", "select current_database()", "--csv")
    assert said.code == 0, said.err
    assert database.database in said.out


def test_the_flow_can_be_called_as_a_module() -> None:
    command = [sys.executable, "-m", "flows.nightly", "--help"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert "Usage: sluice run [OPTIONS]" in said
    assert "--batch" in said
    assert "--url" in said


def test_a_flow_that_is_called_as_a_module_shows_prefects_warnings_but_not_its_other_lines() -> None:
    code = """
import atexit, logging
import flows.nightly  # Prefect is imported, and has set up its logs
log = logging.getLogger("prefect")
atexit.register(lambda: (log.info("an ordinary line"), log.warning("a warning")))
flows.nightly.main(["plan", "--help"])
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120).stderr
    assert "a warning" in said
    assert "an ordinary line" not in said
