"""What a lineage server is sent: a real HTTP receiver, a whole night, and the standard's own schemas."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pytest_httpserver import HTTPServer
from referencing import Registry, Resource
from werkzeug import Request, Response

from sluice.lineage import client, events, names
from sluice.lineage.sender import Sender
from tests.support import taxi

pytestmark = pytest.mark.whole_project  # dbt's tests have events, too


@pytest.fixture(autouse=True)
def imported() -> None:
    """The client, as a run has it before a sender's thread begins: two threads that import it may block each other."""
    assert client.missing() is None


Event = dict[str, Any]


class Receiver:
    """A server that takes events, as any of the standard."""

    def __init__(self, server: HTTPServer) -> None:
        self.url, self.events, self.answer = server.url_for("").rstrip("/"), [], 200
        server.expect_request("/api/v1/lineage", method="POST").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        if self.answer == 200:
            self.events.append(json.loads(request.get_data()))
        return Response(status=self.answer)

    def of(self, job: str) -> list[Event]:
        """The events of one job, in the order in which they came."""
        return [event for event in self.events if event["job"]["name"] == job]


@pytest.fixture
def receiver(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    made = Receiver(httpserver)
    monkeypatch.setenv("OPENLINEAGE_URL", made.url)
    return made


def states(events: list[Event]) -> list[str]:
    return [event["eventType"] for event in events]


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What a run warns of, as its log has it."""
    import prefect.main  # noqa: F401 - sets up its loggers, which takes away the handlers that they have

    said: list[str] = []
    handler, logger = logging.Handler(), logging.getLogger("prefect.sluice.lineage")
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


@pytest.fixture
def night(sluice, receiver: Receiver, warned: list[str], tmp_path: Path) -> Receiver:
    """A night with a month that is published, one that is held, and marts."""
    taxi.csv(tmp_path / "2019-01.csv", [*taxi.trips("2019-01", 60), *taxi.trips("2019-01", 1, passengers=0)])
    taxi.csv(tmp_path / "2019-02.csv", [*taxi.trips("2019-02", 20), *taxi.trips("2019-02", 10, passengers=0)])
    said = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv"))
    assert said.code == 2, said.err
    assert warned == []
    return receiver


@pytest.mark.long
def test_a_night_its_loads_and_its_dbt_nodes_have_a_start_and_an_end_with_their_facts(
    night: Receiver, tmp_path
) -> None:
    began, ended = night.of("nightly")
    assert (began["eventType"], ended["eventType"]) == ("START", "FAIL")
    assert "2019-02" in ended["run"]["facets"]["errorMessage"]["message"]
    assert ended["job"]["facets"]["sourceCodeLocation"]["path"] == "flows/nightly.py"
    assert ended["job"]["facets"]["sourceCodeLocation"]["version"]
    for event in night.events:
        parent = event["run"]["facets"].get("parent")
        assert (parent is None) == (event in (began, ended))
        assert parent is None or parent["run"]["runId"] == began["run"]["runId"]

    loads = night.of("load.tlc__yellow_trips")
    assert states(loads) == ["START", "COMPLETE", "START", "FAIL"]
    _, good, _, bad = loads
    assert good["run"]["runId"] != bad["run"]["runId"]
    [file] = good["inputs"]
    assert (file["namespace"], file["name"]) == ("file", str(tmp_path / "2019-01.csv"))
    assert file["inputFacets"]["inputStatistics"]["rowCount"] == 61
    staged, rejected = good["outputs"]
    assert staged["name"].endswith(".staging.tlc__yellow_trips")
    assert staged["outputFacets"]["outputStatistics"]["rowCount"] == 60
    assert rejected["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert {field["name"] for field in staged["facets"]["schema"]["fields"]} >= {"vendor_id", "trip_distance"}
    [origin] = staged["facets"]["columnLineage"]["fields"]["vendor_id"]["inputFields"]
    assert (origin["name"], origin["field"]) == (file["name"], "VendorID")
    assert staged["facets"]["ownership"]["owners"] == good["job"]["facets"]["ownership"]["owners"]
    closing = [each for each in assertions(bad) if not each["success"]]
    assert [(each["params"]["failing"], each["severity"]) for each in closing] == [(10, "error")]
    assert "passenger_count" in bad["run"]["facets"]["errorMessage"]["message"]
    assert "outputStatistics" not in bad["outputs"][0]["outputFacets"]

    nodes = [event for event in night.events if event["job"]["name"].startswith("dbt.")]
    by_run: dict[str, list[str]] = {}
    for event in sorted(nodes, key=lambda event: event["eventTime"]):
        by_run.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert set(map(tuple, by_run.values())) == {("START", "COMPLETE")}
    tests = [event for event in nodes if event["job"]["facets"]["jobType"]["jobType"] == "TEST"]
    assert all(assertions(event) for event in tests if event["inputs"])

    trips = next(event for event in nodes if event["job"]["name"].endswith(".fct_trips") and event["outputs"])
    assert trips["outputs"][0]["name"].endswith(".marts.fct_trips"), "the name that readers know"
    assert trips["job"]["facets"]["ownership"]["owners"]
    assert trips["job"]["facets"]["sql"]["query"]
    assert files_behind(night, trips["outputs"][0]["name"], "trip_distance_miles") == {(file["name"], "trip_distance")}


@pytest.mark.long
def test_a_replay_and_a_release_are_loads_of_the_same_job_with_a_start_and_an_end(sluice, night: Receiver) -> None:
    again = sluice("quarantine", "replay", "tlc__yellow_trips", "2019-02")
    assert again.code == 2, again.err
    released = sluice("quarantine", "release", "tlc__yellow_trips", "2019-02", "--why", "a test", "--who", "me")
    assert released.code == 0, released.err
    assert states(night.of("replay")) == ["START", "FAIL"]
    assert states(night.of("release")) == ["START", "COMPLETE"]
    replayed, freed = (night.of("load.tlc__yellow_trips")[start : start + 2] for start in (4, 6))
    assert states(replayed) == ["START", "FAIL"]
    assert states(freed) == ["START", "COMPLETE"]
    assert freed[1]["run"]["facets"]["parent"]["job"]["name"] == "release"
    assert freed[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 20


def assertions(event: Event) -> list[dict[str, Any]]:
    return event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]


def files_behind(night: Receiver, table: str, column: str) -> set[tuple[str, str]]:
    """The columns of files that a column comes from, by the events alone."""
    known: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for event in night.events:
        for output in event["outputs"] if event["eventType"] == "COMPLETE" else ():
            for name, fields in output["facets"].get("columnLineage", {"fields": {}})["fields"].items():
                known[output["name"], name] = [(each["name"], each["field"]) for each in fields["inputFields"]]
    todo, found = [(table, column)], set()
    while todo:
        this = todo.pop()
        todo += known.get(this, [])
        found |= {this} if this not in known else set()
    return {each for each in found if each[0].startswith("/")}


@pytest.mark.long
def test_every_event_is_valid_by_the_schemas_of_the_standard(night: Receiver, tmp_path: Path) -> None:
    spec = specification(tmp_path)
    schemas = [json.loads(path.read_text()) for path in (spec / "OpenLineage.json", *(spec / "facets").glob("*.json"))]
    registry = Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in schemas)
    known = {each["$id"]: each for each in schemas}
    event_schema = next(each for each in known if each.endswith("/OpenLineage.json"))

    def validate(document: Any, pointer: str) -> None:
        assert pointer.partition("#")[0] in known, f"{pointer} is not of this version of the standard"
        check = jsonschema.Draft202012Validator({"$ref": pointer}, registry=registry)
        assert [error.message for error in check.iter_errors(document)] == []

    assert night.events
    seen = set()
    for event in night.events:
        validate(event, f"{event_schema}#/$defs/RunEvent")
        for facet in facets_of(event):
            validate(facet, facet["_schemaURL"])
            seen.add(facet["_schemaURL"].rpartition("/")[2])
    assert len(seen) >= 10, seen


def facets_of(event: Event) -> Iterator[Event]:
    """Every facet of an event."""
    datasets = [*event["inputs"], *event["outputs"]]
    for holder in (event["run"], event["job"], *datasets):
        for key in ("facets", "inputFacets", "outputFacets"):
            yield from holder.get(key, {}).values()


def specification(folder: Path) -> Path:
    """The folder spec/ of the standard: OPENLINEAGE_SPEC names it, or it is fetched."""
    if named := os.environ.get("OPENLINEAGE_SPEC"):
        return Path(named)
    clone = [
        "git",
        "clone",
        "--quiet",
        "--depth=1",
        "https://github.com/OpenLineage/OpenLineage",
        str(folder / "clone"),
    ]
    if subprocess.run(clone, check=False, capture_output=True).returncode:
        pytest.skip("the standard's schemas cannot be fetched; name a copy of its folder spec in OPENLINEAGE_SPEC")
    return folder / "clone" / "spec"


class Client:
    """Sends as the standard's client would by HTTP, to an address."""

    def __init__(self, url: str) -> None:
        from openlineage.client import OpenLineageClient

        transport = {"type": "http", "url": url, "timeout": 30, "retry": {"total": 0}}
        self._client = OpenLineageClient(config={"transport": transport})

    def emit(self, event: Any) -> None:
        self._client.emit(event)

    def close(self, patience: float) -> None:
        self._client.close(patience)


def event(number: int = 0) -> Any:
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    run = Run(names.run_id("test", number))
    return RunEvent(
        eventTime="2026-01-01T00:00:00Z", run=run, job=Job("test", f"job {number}"), eventType=RunState.START
    )


def sent(url: str, count: int = 3) -> str | None:
    """Give a sender some events and close it: what it says."""
    sender = Sender(lambda: Client(url))
    for number in range(count):
        sender.send(event(number))
    return sender.close()


def test_events_arrive_in_order(receiver: Receiver) -> None:
    assert sent(receiver.url, 20) is None
    assert [each["job"]["name"] for each in receiver.events] == [f"job {number}" for number in range(20)]


def test_a_server_that_is_down_is_named_and_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    said = sent(f"http://127.0.0.1:{port}")
    assert said is not None
    assert said.startswith("3 of 3 OpenLineage events were not delivered: ")


def test_a_server_that_never_answers_holds_up_no_event_and_the_end_only_for_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = sent(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert said == "3 of 3 OpenLineage events were not delivered: the server did not take them in time"


def test_an_event_that_is_refused_does_not_keep_back_the_next(receiver: Receiver) -> None:
    receiver.answer = 422
    sender = Sender(lambda: Client(receiver.url))
    sender.send(event(1))
    wait_for(lambda: sender._error.startswith("422"))
    receiver.answer = 200
    sender.send(event(2))
    wait_for(lambda: bool(receiver.events))
    assert (sender.close() or "").startswith("1 of 2 OpenLineage events were not delivered: 422")
    assert [each["job"]["name"] for each in receiver.events] == ["job 2"]


def test_after_a_refused_event_the_end_still_waits_for_the_rest(receiver: Receiver) -> None:
    receiver.answer = 422
    sender = Sender(lambda: Client(receiver.url))
    sender.send(event(1))
    wait_for(lambda: sender._error.startswith("422"))
    receiver.answer = 200
    for number in range(20):
        sender.send(event(number))
    assert (sender.close() or "").startswith("1 of 21 OpenLineage events")
    assert len(receiver.events) == 20


@pytest.mark.parametrize("answer", [503, 429, 408])
def test_a_short_outage_loses_nothing(answer: int, receiver: Receiver) -> None:
    receiver.answer = answer
    sender = Sender(lambda: Client(receiver.url))
    for number in range(3):
        sender.send(event(number))
    wait_for(lambda: sender._failing)
    receiver.answer = 200
    wait_for(lambda: len(receiver.events) == 3)
    assert sender.close() is None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert condition()


def test_a_run_whose_lineage_server_is_down_ends_as_without_one(sluice, warned, tmp_path: Path, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
    taxi.csv(tmp_path / "2019-02.csv", taxi.trips("2019-02", 10, passengers=0))
    said = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv"), "--batch", "2019-02")
    assert said.code == 2, said.err
    assert ["OpenLineage events were not delivered" in each for each in warned] == [True]


def test_what_is_wrong_with_the_configuration_is_a_warning_and_never_the_run_s_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    broken = tmp_path / "openlineage/client"
    broken.mkdir(parents=True)
    (broken.parent / "__init__.py").touch()
    (broken / "__init__.py").write_text("raise AttributeError('another version')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "openlineage"]:
        monkeypatch.delitem(sys.modules, name)
    with events.of_run("1", "nightly", "flows/nightly.py", said.append) as found:
        assert type(found) is events.EventListener
    assert said == ["OpenLineage is configured, but its client cannot be imported: AttributeError: another version"]


def test_the_client_leaves_nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    before = dict(os.environ)
    assert client.make().transport.kind
    assert dict(os.environ) == before


def test_a_home_that_is_not_known_names_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE") or name == "HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert not client.is_configured()


def test_files_and_objects_have_the_names_of_the_standard() -> None:
    assert names.file("https://user:token@data.example/a/b.csv?sig=1") == ("https://data.example", "a/b.csv")
    assert names.file("s3://bucket/a/b.parquet") == ("s3://bucket", "a/b.parquet")
    assert names.file("/data/b.csv") == ("file", "/data/b.csv")
