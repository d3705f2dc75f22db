"""Running dbt from a flow: real dbt over a tiny project, real PostgreSQL, a real Prefect server.

Every test runs with both runners, but for those that change dbt within this process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psutil  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.runtime import flow_run
from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

from sluice.contract.errors import ConfigError, DataError, ToolError
from sluice.ledger import schema
from sluice.marts import failed_tests
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.results import DbtRun
from sluice.marts.dbt.run import run_dbt
from sluice.marts.dbt.verdict import DbtNodesBroke, DbtTestsFailed
from sluice.runs.outcomes import layers_of
from sluice.warehouse.connection import connect
from tests.integration.conftest import connector_for
from tests.support.repository import ROOT

pytestmark = pytest.mark.usefixtures("prefect_server")

FILES = {
    "dbt_project.yml": """
        name: tiny
        profile: sluice
        flags: {send_anonymous_usage_stats: false}
        models: {tiny: {+materialized: table}}""",
    "models/stg_trips.sql": "select n as trip_id, nullif(n, 3) as zone_id from generate_series(1, 5) as n",
    "models/trips.sql": "select * from {{ ref('stg_trips') }}",
    "models/models.yml": """
        models:
          - name: stg_trips
            columns: [{name: trip_id, data_tests: [not_null, unique]}]
          - name: trips
            columns: [{name: trip_id, data_tests: [not_null]}]""",
}
NODES = {
    "model stg_trips",
    "model trips",
    "test not_null_stg_trips_trip_id",
    "test unique_stg_trips_trip_id",
    "test not_null_trips_trip_id",
}
PROFILE = """
sluice:
  target: embedded
  outputs:
    embedded:
      type: postgres
      host: "{{ env_var('SLUICE_PG_HOST') }}"
      port: "{{ env_var('SLUICE_PG_PORT') | as_number }}"
      user: "{{ env_var('SLUICE_PG_USER') }}"
      password: "{{ env_var('DBT_ENV_SECRET_SLUICE_PG_PASSWORD') }}"
      dbname: "{{ env_var('SLUICE_PG_DATABASE') }}"
      schema: "{{ env_var('SLUICE_DBT_SCHEMA') }}"
      threads: 2
"""


class Tiny:
    """The tiny project in a folder, and one database that it is built into."""

    def __init__(self, folder: Path, url: sa.URL) -> None:
        self.folder, self.url, self.home = folder, url, folder / ".sluice"
        self.flow_run: UUID | None = None
        (folder / "profiles").mkdir()
        (folder / "profiles" / "profiles.yml").write_text(PROFILE)
        self.write(FILES)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = text.strip("\n").splitlines()
            indent = len(lines[0]) - len(lines[0].lstrip())
            path.write_text("\n".join(line[indent:] for line in lines) + "\n")

    def test_column(self, column: str, test: str) -> None:
        self.write(
            {
                "models/models.yml": f"""
                    models:
                      - name: stg_trips
                        columns: [{{name: {column}, data_tests: [{test}]}}]"""
            }
        )

    def place(self, side: str = "one_side") -> DbtPlace:
        return DbtPlace(self.url, side, "embedded", self.home, self.folder / "project", self.folder / "profiles")

    def run(
        self, *args: str, side: str = "one_side", progress: Callable[[int, int, str], None] | None = None
    ) -> DbtRun:
        @flow(name="tiny")
        def tiny() -> DbtRun:
            self.flow_run = UUID(str(flow_run.id))
            return run_dbt(args or ("build",), self.place(side), progress)

        return tiny()

    def task_runs(self, wanted: int) -> dict[str, TaskRun]:
        """The flow run's task runs by name, once Prefect has recorded that many as ended."""
        assert self.flow_run is not None
        of_flow = FlowRunFilter(id=FlowRunFilterId(any_=[self.flow_run]))
        deadline = time.monotonic() + 30
        with get_client(sync_client=True) as client:
            while True:
                found = {run.name: run for run in client.read_task_runs(flow_run_filter=of_flow)}
                ended = [run for run in found.values() if run.state and run.state.is_final()]
                if len(ended) >= wanted or time.monotonic() > deadline:
                    return found
                time.sleep(0.2)


@pytest.fixture(params=["in-process", pytest.param("process", marks=pytest.mark.long)])
def tiny(request: pytest.FixtureRequest, tmp_path: Path, database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The project, with each runner."""
    (tmp_path / "sluice.toml").write_text(f'[project]\nid = "tiny"\n[dbt]\nrunner = "{request.param}"\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    return Tiny(tmp_path, database)


in_this_process = pytest.mark.parametrize("tiny", ["in-process"], indirect=True)
quick_in_both = pytest.mark.parametrize("tiny", ["in-process", "process"], indirect=True)  # not only in the long tests


def states(runs: dict[str, TaskRun]) -> dict[str, str]:
    return {name: run.state.name if run.state else "none" for name, run in runs.items()}


@quick_in_both
def test_every_node_is_a_task_run_that_ended(tiny: Tiny) -> None:
    run = tiny.run()
    assert run.counts() == {"success": 2, "pass": 3}
    assert run.counts("model") == {"success": 2}
    assert next(node.rows for node in run.nodes if node.name == "trips") == 5
    runs = tiny.task_runs(len(NODES))
    assert states(runs) == dict.fromkeys(NODES, "Completed")
    parents = {item.id for item in runs["model trips"].task_inputs["node_id"]}  # type: ignore[union-attr]
    assert parents == {runs["model stg_trips"].id}, "the lineage is not in the task graph"


def test_a_failing_models_reason_is_in_the_message_and_its_children_end_as_skipped(tiny: Tiny) -> None:
    tiny.write({"models/stg_trips.sql": "select n as trip_id from no_such_table"})
    with pytest.raises(DbtNodesBroke) as caught:
        tiny.run()
    message = str(caught.value)
    assert isinstance(caught.value, ToolError)
    assert 'relation "no_such_table" does not exist' in message
    assert "1 of 5 nodes failed, 4 skipped" in message
    assert "stg_trips" in message
    assert "Traceback" not in message
    assert {node.name for node in caught.value.run.failed} == {"stg_trips"}
    runs = tiny.task_runs(len(NODES))
    expected = dict.fromkeys(NODES, "Skipped") | {"model stg_trips": "Failed"}
    assert states(runs) == expected
    failed = runs["model stg_trips"].state
    assert failed is not None
    assert "no_such_table" in (failed.message or "")


def test_a_failing_test_is_bad_data_and_names_the_test_the_rows_and_how_to_see_them(tiny: Tiny) -> None:
    tiny.test_column("zone_id", "not_null")
    with pytest.raises(DbtTestsFailed) as caught:
        tiny.run()
    message = str(caught.value)
    assert isinstance(caught.value, DataError)
    assert "test not_null_stg_trips_zone_id: 1 failing row" in message
    command = next(line for line in message.splitlines() if "sluice sql" in line)
    compiled = Path(command.split("$(cat ")[1].split(")")[0].strip("'"))
    assert "zone_id is null" in compiled.read_text()
    assert states(tiny.task_runs(3))["test not_null_stg_trips_zone_id"] == "Failed"
    assert sum(layer[4] for layer in layers_of(caught.value.run)) == 1


@pytest.mark.long
def test_a_test_that_cannot_run_has_no_rows_to_see(tiny: Tiny) -> None:
    tiny.test_column("zone_id", "{accepted_values: {arguments: {values: [one], quote: false}}}")
    with pytest.raises(ToolError) as caught:
        tiny.run()
    message = str(caught.value)
    assert 'column "one" does not exist' in message
    assert "its SQL: " in message
    assert "see them" not in message


@pytest.mark.long
def test_a_test_that_only_warns_is_told_with_its_number_and_rows(tiny: Tiny) -> None:
    tiny.test_column("zone_id", "{not_null: {config: {severity: warn}}}")
    run = tiny.run()
    (warned,) = run.warned
    warehouse = connect(connector_for(tiny.url), "test", "postgres")
    assert (warned.name, warned.failures, warned.message) == ("not_null_stg_trips_zone_id", 1, "1 failing row")
    with warehouse.engine.begin() as connection:
        schema.create(connection)
    told = failed_tests.warned_tests(warehouse, run)[warned.name]
    assert told.reasons == ["dbt's test not_null_stg_trips_zone_id warns: 1 failing row; the marts are published"]
    assert list(told.samples) == [{"zone_id": None}]
    assert told.numbers == {"failing": 1}
    assert told.next_command.startswith('sluice sql "$(cat ')


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('{error_if: ">0"}', "1 failing row (fails if >0)"),
        ('{severity: warn, warn_if: ">0"}', "1 failing row (warns if >0)"),
        ("{meta: {tolerance: 0.15}}", "1 failing row (tolerance 15%)"),
    ],
)
def test_the_bound_that_a_test_has_is_told_with_its_number(tiny: Tiny, config: str, told: str) -> None:
    tolerance = "macros/sluice/tests/tolerance.sql"
    tiny.write({tolerance: (ROOT / "dbt_project" / tolerance).read_text()})
    tiny.test_column("zone_id", f"{{not_null: {{config: {config}}}}}")
    try:
        nodes = tiny.run().nodes
    except DbtTestsFailed as error:
        nodes = error.run.nodes
    assert told in [node.message for node in nodes]


@pytest.mark.long
@pytest.mark.parametrize(
    ("selection", "missing"),
    [(["--select", "test_type:data"], "0 models"), (["--exclude", "test_type:data"], "0 tests")],
)
def test_a_build_of_no_models_or_no_tests_is_an_error(tiny: Tiny, selection: list[str], missing: str) -> None:
    tiny.run()
    with pytest.raises(ConfigError, match=missing):
        tiny.run("build", *selection)


@pytest.mark.long
def test_artifacts_of_another_run_are_not_trusted(tiny: Tiny) -> None:
    first = tiny.run()
    assert len(first.artifact("manifest")["nodes"]) == 5
    second = tiny.run()
    with pytest.raises(ToolError, match=r"run_results\.json is stale"):
        first.artifact("run_results")
    results = second.target_path / "run_results.json"
    content = json.loads(results.read_text())
    assert {result["unique_id"] for result in content["results"]} == {node.unique_id for node in second.nodes}
    results.write_text("{")
    with pytest.raises(ToolError, match=r"cannot read .*run_results\.json"):
        second.artifact("run_results")


def test_the_environment_is_as_before_whether_dbt_passed_or_failed(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_DBT_SCHEMA", "mine")
    monkeypatch.delenv("SLUICE_PG_HOST", raising=False)
    before, folder, on_sigterm = dict(os.environ), Path.cwd(), signal.getsignal(signal.SIGTERM)
    tiny.run()
    assert (dict(os.environ), Path.cwd(), signal.getsignal(signal.SIGTERM)) == (before, folder, on_sigterm)
    tiny.write({"models/trips.sql": "select 1 /"})
    with pytest.raises(ToolError):
        tiny.run()
    assert (dict(os.environ), Path.cwd(), signal.getsignal(signal.SIGTERM)) == (before, folder, on_sigterm)


@pytest.mark.long
def test_a_project_that_does_not_parse_is_told_in_dbts_words(tiny: Tiny) -> None:
    tiny.write({"models/trips.sql": "select * from {{ ref('nothing') }}"})
    with pytest.raises(ToolError) as caught:
        tiny.run()
    assert "depends on a node named 'nothing'" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_unknown_option_is_a_mistake_of_the_call(tiny: Tiny) -> None:
    with pytest.raises(ConfigError, match="--no-such-option"):
        tiny.run("build", "--no-such-option")


def test_an_unreachable_server_is_told_in_dbts_words_without_the_password(tiny: Tiny) -> None:
    tiny.url = tiny.url.set(host="127.0.0.1", port=9, query={}, password="hunter2 secret")
    with pytest.raises(ToolError, match="Connection refused") as caught:
        tiny.run()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in "".join(log.read_text() for log in tiny.home.rglob("dbt.log"))


@pytest.mark.long
def test_the_two_sides_keep_apart(tiny: Tiny) -> None:
    a, b = tiny.run(side="one_side"), tiny.run(side="other_side")
    assert a.artifact("run_results") != b.artifact("run_results")
    with sa.create_engine(tiny.url).connect() as connection:
        query = "select table_schema from information_schema.tables where table_name = 'trips' order by 1"
        assert connection.scalars(sa.text(query)).all() == ["one_side", "other_side"]
    left = {path.name for path in (tiny.folder / "project").iterdir()}
    assert left == {"dbt_project.yml", "models"}, "dbt wrote into the project"


@pytest.mark.long
def test_progress_counts_every_node_unit_tests_too(tiny: Tiny) -> None:
    tiny.write(
        {
            "models/unit_tests.yml": """
                unit_tests:
                  - name: trips_are_those_of_staging
                    model: trips
                    given: [{input: ref('stg_trips'), rows: [{trip_id: 1}]}]
                    expect: {rows: [{trip_id: 1}]}"""
        }
    )
    seen: list[tuple[int, int, str]] = []
    tiny.run(progress=lambda done, total, node: seen.append((done, total, node)))
    assert [(done, total) for done, total, _ in seen] == [(n, 6) for n in range(1, 7)]
    assert "trips" in {node for _, _, node in seen}


@pytest.mark.long
def test_it_runs_when_prefect_logs_warnings_only(tiny: Tiny) -> None:
    with temporary_settings({PREFECT_LOGGING_LEVEL: "WARNING"}):
        assert tiny.run().counts("model") == {"success": 2}


@pytest.mark.long
def test_dbt_says_nothing_on_the_console_itself(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    run_dbt(["build"], tiny.place())  # outside a flow: Prefect says nothing either
    out, err = capfd.readouterr()
    assert "stg_trips" not in out + err


@pytest.mark.long
def test_parsing_opens_no_connection_and_serves_the_next_run(tiny: Tiny) -> None:
    reachable, tiny.url = tiny.url, tiny.url.set(host="127.0.0.1", port=9, query={})
    run_dbt(["parse"], tiny.place())
    assert (tiny.home / "dbt/one_side/target/partial_parse.msgpack").exists()
    tiny.url = reachable
    assert tiny.run().failed == ()


@pytest.mark.long
def test_docs_are_generated_from_this_run(tiny: Tiny) -> None:
    tiny.run()
    run = tiny.run("docs", "generate")
    assert len(run.artifact("catalog")["nodes"]) == 2
    assert run.nodes == ()


@pytest.mark.long
def test_what_a_file_env_says_does_not_become_the_environment_of_the_run(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SLUICE_OF_THE_FILE=another-warehouse\nPGOPTIONS=-c search_path=elsewhere\n")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    assert tiny.run().counts() == {"success": 2, "pass": 3}
    assert dict(os.environ) == before


@pytest.mark.long
def test_a_stale_source_is_a_finding_and_not_a_crash(tiny: Tiny) -> None:
    tiny.write(
        {
            "models/sources.yml": """
                sources:
                  - name: raw
                    schema: public
                    tables:
                      - name: loads
                        config:
                          loaded_at_field: loaded_at
                          freshness: {error_after: {count: 1, period: hour}}"""
        }
    )
    with sa.create_engine(tiny.url).begin() as connection:
        connection.execute(sa.text("create table loads as select now() at time zone 'UTC' - interval '5h' loaded_at"))
    (source,) = tiny.run("source", "freshness").failed
    assert (source.name, source.status) == ("raw.loads", "error")
    assert "5.0 hours old" in source.message


SLOW_FLOW = """
import signal
import sys
from pathlib import Path
import sqlalchemy as sa
from prefect import flow
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.run import run_dbt

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with Ctrl-C ignored

@flow
def slow():
    folder = Path(sys.argv[1])
    url, home = sa.make_url(sys.argv[2]), folder / ".sluice"
    run_dbt(["build"], DbtPlace(url, "one_side", "embedded", home, folder / "project", folder / "profiles"))

if __name__ == "__main__":
    slow()
"""


@pytest.mark.parametrize(
    "signal_number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.long),
    ],
)
def test_a_cancelled_run_leaves_no_query_running(tiny: Tiny, signal_number: signal.Signals) -> None:
    tiny.write({"models/stg_trips.sql": "select 1 as trip_id, 2 as zone_id from pg_sleep(300)"})
    (tiny.folder / "slow.py").write_text(SLOW_FLOW)
    engine = sa.create_engine(tiny.url)
    with engine.begin() as connection:  # as on a server that does not look by itself whether its clients live
        connection.execute(sa.text(f'ALTER DATABASE "{tiny.url.database}" SET client_connection_check_interval = 0'))
    address = tiny.url.render_as_string(hide_password=False)
    with (tiny.folder / "said").open("w") as said:
        command = [sys.executable, str(tiny.folder / "slow.py"), str(tiny.folder), address]
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        assert wait_until(lambda: sleeping(engine) == 1, 120), "dbt did not start the query"
        process.send_signal(signal_number)
        assert wait_until(lambda: sleeping(engine) == 0, 10), "the query still runs 10 s after the signal"
        assert process.wait(60) != 0
        assert wait_until(lambda: not processes(tiny.folder), 10), "dbt still runs"
        assert "Encountered an error" not in (tiny.folder / "said").read_text()  # so dbt begins a traceback
    finally:
        process.kill()
        process.wait()


TOO_EARLY = """
from dbt.adapters.sql import SQLConnectionManager

SQLConnectionManager.cancel_open = lambda self: []
"""


@pytest.mark.long
def test_a_query_that_begins_after_dbt_has_cancelled_is_cancelled_too(tiny: Tiny) -> None:
    tiny.write({"models/stg_trips.sql": "select 1 as trip_id, 2 as zone_id from pg_sleep(300)"})
    (tiny.folder / "slow.py").write_text(SLOW_FLOW)
    (tiny.folder / "sitecustomize.py").write_text(TOO_EARLY)  # wherever dbt runs
    engine, address = sa.create_engine(tiny.url), tiny.url.render_as_string(hide_password=False)
    environment = {**os.environ, "PYTHONPATH": str(tiny.folder)}
    command = [sys.executable, str(tiny.folder / "slow.py"), str(tiny.folder), address]
    process = subprocess.Popen(command, env=environment)
    try:
        assert wait_until(lambda: sleeping(engine) == 1, 120), "dbt did not start the query"
        process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: sleeping(engine) == 0, 10), "the query still runs 10 s after the signal"
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait()


DEAF = """
import os
import dbt.parser.manifest as parser
import time

write = parser.write_manifest

def deaf(*args):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    except BaseException:
        pass
    return write(*args)

parser.write_manifest = deaf
"""


@pytest.mark.long
@in_this_process
def test_a_signal_that_is_lost_while_dbt_parses_lets_no_node_begin_and_fails_none(tiny: Tiny) -> None:
    tiny.write({f"models/{name}.sql": "select 1 as trip_id, 2 as zone_id from pg_sleep(300)" for name in ("a", "b")})
    (tiny.folder / "slow.py").write_text(SLOW_FLOW.replace("\n@flow", f"{DEAF}\n@flow"))
    address = tiny.url.render_as_string(hide_password=False)
    command = [sys.executable, str(tiny.folder / "slow.py"), str(tiny.folder), address]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120)
    assert ended.returncode != 0
    said = ended.stdout.decode()
    assert "Execution was aborted by a termination signal" in said
    assert {*re.findall(r"Task run .*Finished in state (\w+)", said)} <= {"Cancelled", "Skipped"}
    assert "fail" not in said.lower()
    assert sleeping(sa.create_engine(tiny.url)) == 0


@pytest.mark.long
@in_this_process
def test_a_signal_while_dbt_parses_prints_nothing_of_dbt(tiny: Tiny) -> None:
    asked = "import os\nimport dbt.parser.manifest as parser\n"
    asked += "parser.write_manifest = lambda *args: os.kill(os.getpid(), signal.SIGINT)\n"
    (tiny.folder / "slow.py").write_text(SLOW_FLOW.replace("\n@flow", asked))  # as commands run it
    address = tiny.url.render_as_string(hide_password=False)
    command = [sys.executable, str(tiny.folder / "slow.py"), str(tiny.folder), address]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode != 0
    assert "KeyboardInterrupt" in ended.stderr  # which Sluice's commands report in one line
    assert "Encountered an error" not in ended.stdout + ended.stderr  # so dbt begins a traceback


def processes(folder: Path) -> list[str]:
    """Those that work for the project in this folder."""
    found = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
    return [" ".join(line) for line in found if any(str(folder) in each for each in line)]


def sleeping(engine: sa.Engine) -> int:
    query = """select count(*) from pg_stat_activity
        where datname = current_database() and state = 'active' and query like '%pg_sleep(300)%'
        and pid <> pg_backend_pid()"""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return condition()
