"""`sluice up` with a flow of its own: a real Prefect server, a real worker, real kills."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_API_AUTH_STRING,
    temporary_settings,
)

from sluice.contract.errors import BusyError, ConfigError, ToolError
from sluice.doctor import prefect_server as orchestration
from sluice.doctor.finding import examine
from sluice.project import paths
from sluice.server import address as server_address
from sluice.server import api_password, deployments, orphans, processes
from sluice.server import up as server
from sluice.warehouse import embedded
from tests.support import taxi

T = TypeVar("T")

FLOW = """
import time
from pathlib import Path
from prefect import flow

@flow(name="tiny")
def tiny() -> None:
    while Path("hold").exists():
        time.sleep(0.1)
"""

DEPLOYMENT = """
name: tiny
deployments:
  - name: nightly
    entrypoint: tiny.py:tiny
    schedules: [{cron: "0 5 * * *", timezone: America/New_York}]
    concurrency_limit: {limit: 1, collision_strategy: ENQUEUE}
    work_pool: {name: sluice}
"""

UP = """
import sys
from pathlib import Path
from sluice.cli.exit_codes import until_stopped
home, project, host, port = sys.argv[1:]

def serve():
    from sluice.server.up import up
    return up(Path(home), host=host, port=int(port), cron="* * * * *", project=Path(project))

raise SystemExit(until_stopped(serve))
"""

PASSWORD = f"admin:not-to-be-seen-{uuid4()}"  # others may reach the server that has it

# Generous, for two slow cores that do other things too; each wait ends as soon as the thing has happened.
SOON, LATE = 60, 400  # seconds


def wait_for(what: str, found: Callable[[], T | None], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.5)
    pytest.fail(f"waited {seconds} s in vain for {what}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a flow and its prefect.yaml."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "tiny.py").write_text(FLOW)
    (folder / "prefect.yaml").write_text(DEPLOYMENT)
    return folder


class Up:
    """`sluice up` as a process of its own."""

    def __init__(self, home: Path, project: Path, password: str = "") -> None:
        self.home, self.project = home, project
        self.password = {"PREFECT_SERVER_API_AUTH_STRING": password} if password else {}
        self.output = home.parent / "up.log"
        self.port = server_address._free_port("127.0.0.1")

    def start(self) -> None:
        self.begin()
        wait_for(
            f"`sluice up`: {self.output}",
            lambda: "Stop with Ctrl-C" in self.output.read_text() or self.process.poll() is not None,
            LATE,
        )
        assert self.process.poll() is None, self.output.read_text()

    def begin(self) -> None:
        """Start the process, and wait for nothing."""
        environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"} | self.password
        host = "0.0.0.0" if self.password else "127.0.0.1"
        arguments = [sys.executable, "-u", "-c", UP, str(self.home), str(self.project), host, str(self.port)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)

    def left(self) -> list[str]:
        """Command lines of the processes that belong to this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(orphans.MARK) == str(self.home) and process.is_running():
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    @contextmanager
    def settings(self, password: str = "") -> Iterator[None]:
        """As in a shell that names this server; with its password, or with another."""
        given = password or next(iter(self.password.values()), None) or api_password.kept(self.home)
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{self.port}/api", PREFECT_API_AUTH_STRING: given}):
            yield

    def runs(self) -> list[FlowRun]:
        with self.settings(), get_client(sync_client=True) as client:
            return client.read_flow_runs()

    def task_runs(self) -> list[tuple[str, str]]:
        """Name of the task and type of its state, of every task run."""
        with self.settings(), get_client(sync_client=True) as client:
            runs = client.read_task_runs()
        return [(run.name.split(" tlc__")[0], run.state.type.value) for run in runs if run.state]

    def completed(self) -> set[str]:
        return {str(run.id) for run in self.runs() if run.state and run.state.is_completed()}

    def running(self) -> set[str]:
        return {str(run.id) for run in self.runs() if run.state and run.state.is_running()}

    def crashed(self) -> set[str]:
        return {str(run.id) for run in self.runs() if run.state and run.state.is_crashed()}


@pytest.fixture
def up(tmp_path: Path, project: Path) -> Iterator[Up]:
    started = Up(tmp_path / ".sluice", project, password=PASSWORD)
    yield started
    started.process.kill()
    orphans.end(started.home)


@pytest.mark.long
def test_the_schedule_runs_and_neither_ctrl_c_nor_a_kill_leaves_an_orphan(up: Up) -> None:
    up.start()
    first = wait_for("a scheduled run to complete", up.completed, LATE)
    look_with_the_doctor(up)
    page = httpx.get(f"http://127.0.0.1:{up.port}/ui-settings").json()
    assert page["api_url"] == "/api", "a browser on another machine asks the address that it has the page from"
    assert ", with the password)" in up.output.read_text()
    assert f"Site:         file://{up.home}/site/index.html" in up.output.read_text()

    hold = up.project / "hold"
    hold.touch()
    cut_off = wait_for("a run that does not end", up.running, LATE)
    assert len(up.left()) >= 4, "server, worker, watcher and the run"
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    wait_for("all processes of the killed one to end", lambda: not up.left(), SOON)

    hold.unlink()
    up.start()
    assert cut_off <= up.crashed(), "a run cut off by a kill must not seem to be running for ever"
    wait_for("a scheduled run after the kill", lambda: up.completed() - first, LATE)
    wait_for("it to be told", lambda: ": ended: completed " in up.output.read_text(), SOON)

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(SOON) == 0
    shown = up.output.read_text()
    assert "Stopped: worker, Prefect server." in shown
    assert re.search(rf"\d\d:\d\d:\d\d  \S+: began  http://127.0.0.1:{up.port}/runs/flow-run/[0-9a-f-]{{36}}\n", shown)
    assert re.search(r"\d\d:\d\d:\d\d  \S+: ended: completed  http", shown)
    assert up.left() == []


def commands_under(pid: int) -> list[str]:
    running = [process.info for process in psutil.process_iter(["ppid", "cmdline"])]
    return [" ".join(each["cmdline"] or ()) for each in running if each["ppid"] == pid]


@pytest.mark.parametrize("said", ["", "Starting the Prefect server"])
def test_ctrl_c_before_the_server_is_up_ends_it_cleanly(up: Up, said: str) -> None:
    up.begin()
    wait_for("it to catch signals", lambda: catches(up.process.pid), SOON)
    wait_for("it to begin", lambda: said in up.output.read_text(), SOON)
    if said:  # before the server is there
        wait_for("its server to start", lambda: "server start" in str(commands_under(up.process.pid)), SOON)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(SOON) == 0, up.output.read_text()
    shown = up.output.read_text()
    assert "Traceback" not in shown
    assert re.search("\nStopped: Prefect server[.]\n$" if said else "\nStopped( before|:) .+\n$", shown), shown
    wait_for("all its processes to end", lambda: not up.left(), SOON)


def catches(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM; Python itself has one for SIGINT only."""
    caught = next(line for line in Path("/proc", str(pid), "status").read_text().splitlines() if "SigCgt" in line)
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def look_with_the_doctor(up: Up) -> None:
    """What `sluice doctor` finds of a server with a password, a live deployment and a worker."""
    with up.settings():
        server_found = examine("prefect", orchestration.server)
        nightly = examine("nightly", orchestration.nightly)
    assert [(each.verdict, "with a password" in each.found) for each in server_found] == [("ok", True)]
    assert (nightly[0].verdict, nightly[0].found) == ("ok", "nightly: a schedule is active, 1 workers wait")
    assert [each.advice for each in nightly[1:]] == ["Apply automations.yaml: sluice setup"]
    with up.settings("admin:wrong"):
        (refused,) = examine("prefect", orchestration.server)
    assert (refused.verdict, refused.exit_code) == ("fail", 5)
    assert "PREFECT_API_AUTH_STRING" in refused.advice
    assert PASSWORD not in str([*server_found, *nightly, refused]) + up.output.read_text()


@pytest.mark.long
def test_the_nightly_flow_runs_on_its_schedule_to_published_marts(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    taxi.csv(inbox / "2019-01.csv", taxi.trips("2019-01"))
    nightly = Up(tmp_path / "home", checkout(tmp_path / "checkout", url=f"{inbox}/{{batch}}.csv"))
    try:
        nightly.start()
        wait_for("a completed run", nightly.completed, LATE)
        wait_for("the server to record the end of every task", lambda: whole(nightly.task_runs()), LATE)
        nightly.process.send_signal(signal.SIGINT)
        assert nightly.process.wait(SOON) == 0
        wait_for("all its processes to end", lambda: not nightly.left(), SOON)
    finally:
        nightly.process.kill()
        orphans.end(nightly.home)
        embedded.remove(nightly.home)


def whole(tasks: list[tuple[str, str]]) -> bool:
    """Whether these are the task runs of a whole night, dbt's nodes among them, and all completed."""
    names = [name for name, state in tasks if state == "COMPLETED"]
    steps = {"load", "audit", "publish", "dbt build", "publish marts"}
    return len(names) == len(tasks) and steps <= set(names) and len(names) >= len(steps) + 60


def checkout(folder: Path, url: str) -> Path:
    """This project as it is deployed, but with files of the test instead of the city's."""
    folder.mkdir()
    for name in ("flows", "contracts", "dbt_project", "profiles", "sluice.toml", "prefect.toml"):
        (folder / name).symlink_to(paths.root() / name)
    deployment = (paths.root() / "prefect.yaml").read_text()
    for parameter, value in {"datasets": "[tlc__yellow_trips]", "url": f"'{url}'"}.items():
        deployment = deployment.replace(f"{parameter}: null", f"{parameter}: {value}")
    (folder / "prefect.yaml").write_text(deployment)
    return folder


@pytest.fixture
def without_a_given_password(tmp_path: Path, project: Path) -> Iterator[Up]:
    started = Up(tmp_path / ".sluice", project)
    yield started
    started.process.kill()
    orphans.end(started.home)
    embedded.remove(started.home)


@pytest.mark.long
def test_another_account_of_the_machine_reads_no_block_and_sluices_commands_find_the_password(
    without_a_given_password: Up,
) -> None:
    up = without_a_given_password
    up.start()
    api, file = f"http://127.0.0.1:{up.port}/api", api_password.file(up.home)
    password = file.read_text().strip()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not httpx.post(f"{api}/block_documents/filter", json={"include_secrets": True}).is_success
    for given, answer in ((None, 401), (("sluice", "guess"), 401), (tuple(password.split(":")), 200)):
        for path in ("admin/version", "block_types/slug/secret"):
            assert httpx.get(f"{api}/{path}", auth=given).status_code == answer
    wait_for("a run by the worker, which has the password", up.completed, LATE)

    shown = up.output.read_text()
    assert f"Log in with:  the line printed by: cat {file}\n" in shown
    assert f'export PREFECT_API_URL={api} PREFECT_API_AUTH_STRING="$(cat {file})"' in shown
    assert password.split(":")[1] not in shown
    environment = {**os.environ, "SLUICE_HOME": str(up.home), "PREFECT_API_URL": api}
    command = [sys.executable, "-m", "sluice", "doctor", "--json"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=LATE)
    assert f"{api} answers, with a password" in told.stdout, told.stderr

    elsewhere = {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
    api_password.use(up.home, elsewhere)
    assert "PREFECT_API_AUTH_STRING" not in elsewhere, "no other server is shown it"
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(SOON) == 0
    later = {"PREFECT_API_URL": api}
    api_password.use(up.home, later)
    assert "PREFECT_API_AUTH_STRING" not in later, "who knows what listens there now"
    assert api_password.kept(up.home) == password, "the next one has the same"


def test_a_password_that_others_could_have_read_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    assert api_password.kept(tmp_path) == api_password.kept(tmp_path)
    api_password.file(tmp_path).chmod(0o644)
    with pytest.raises(ConfigError, match="other users may read"):
        api_password.kept(tmp_path)


def test_an_address_that_others_reach_demands_a_password(tmp_path: Path) -> None:
    with temporary_settings(restore_defaults=[PREFECT_API_URL, PREFECT_SERVER_API_AUTH_STRING]):
        for host in ("0.0.0.0", "192.0.2.7", "::", "data.example.com"):
            with pytest.raises(ConfigError, match="PREFECT_SERVER_API_AUTH_STRING"):
                server.up(tmp_path, host=host)
    assert list(tmp_path.iterdir()) == [], "refused before anything was made"


def test_with_a_password_any_address_will_do() -> None:
    with temporary_settings(
        updates={PREFECT_SERVER_API_AUTH_STRING: "admin:secret"}, restore_defaults=[PREFECT_API_URL]
    ):
        address = server_address.find("0.0.0.0", 0)
        assert address.ours
        elsewhere = f"http://{socket.gethostname()}:{address.port}"
        assert address.reached_by == f"from other machines at {elsewhere}, with the password"
    assert address.api.startswith("http://127.0.0.1:"), "the worker reaches it from this machine"


def test_a_taken_port_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        temporary_settings(restore_defaults=[PREFECT_API_URL]),
    ):
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use.*--port"):
            server_address.find("127.0.0.1", port)
        monkeypatch.setattr(server_address, "PORT", port)
        address = server_address.find("127.0.0.1")
    assert address.ours
    assert address.reached_by == f"from this machine only, with the password, because port {port} is in use"
    assert address.port not in {0, port}


def test_the_server_that_prefect_api_url_names_is_used() -> None:
    with temporary_settings({PREFECT_API_URL: "https://prefect.example.com/api"}):
        address = server_address.find("127.0.0.1", 4200)
    assert not address.ours
    assert address.ui == "https://prefect.example.com"


def test_a_configured_server_that_is_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ANSWERS_WITHIN", 1.0)
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(ToolError, match=r"no Prefect server responds at http://127[.]0[.]0[.]1:1/api"),
    ):
        server.up(tmp_path / ".sluice")


@pytest.mark.parametrize("name", [processes.SERVER, "worker"])
def test_the_log_of_the_server_is_shown_only_when_it_is_the_server_that_ended(name: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("database is locked")
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    ended.wait()
    with pytest.raises(ToolError, match=f"the {name} exited with code 7") as said:
        processes.watch({name: ended}, log, [])
    assert ("database is locked" in str(said.value)) == (name == processes.SERVER)


def test_a_second_one_for_the_same_home_is_told_who_serves_it(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    with (
        server._only_one(lock),
        pytest.raises(BusyError, match=f"process {os.getpid()} already serves"),
        server._only_one(lock),
    ):
        pass


def test_only_processes_of_this_home_are_ended(tmp_path: Path) -> None:
    def start(home: Path, *command: str) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-c", "import time; time.sleep(300)", *command]
        return subprocess.Popen(arguments, env={**os.environ, orphans.MARK: str(home)})

    sender = ["-m", "sluice", "alerts", "send", "--watch", "30"]
    ours = [
        start(tmp_path, "-m", "prefect", "worker"),
        start(tmp_path, "-m", "prefect.engine"),
        start(tmp_path, *sender),
    ]
    others = {
        "of another home": start(tmp_path / "x", "-m", "prefect"),
        "the embedded PostgreSQL, which has a keeper of its own": start(tmp_path, "/home/prefect/bin/postgres", "-D"),
        "the next `sluice up`": start(tmp_path, "-m", "sluice", "up"),
    }
    try:
        assert orphans.end(tmp_path) == len(ours)
        assert all(process.poll() is not None for process in ours)
        for which, process in others.items():
            assert process.poll() is None, which
    finally:
        for process in (*ours, *others.values()):
            process.kill()
            process.wait()


def test_the_nightly_deployment_is_what_prefect_yaml_says(prefect_server: str) -> None:
    served = deployments.apply(paths.root(), {**os.environ, "PREFECT_API_URL": prefect_server})
    assert list(served) == ["nightly/nightly"]
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment(UUID(served["nightly/nightly"]))
    (schedule,) = nightly.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 5 * * *", "America/New_York")
    assert schedule.active
    assert nightly.global_concurrency_limit is not None
    assert nightly.global_concurrency_limit.limit == 1
    assert nightly.concurrency_options is not None
    assert nightly.concurrency_options.collision_strategy == "ENQUEUE"
    assert nightly.work_pool_name == deployments.POOL
    form = nightly.parameter_openapi_schema["properties"]
    assert set(nightly.parameters) == set(form)
    assert all(field["description"] for field in form.values()), "what the form in the UI says of each parameter"
