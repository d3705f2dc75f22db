"""The files in deploy/: what they would run in containers or under systemd, run here as plain processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
import yaml

from sluice.warehouse import embedded
from sluice.warehouse.embedded import server
from tests.support.repository import ROOT

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name != ".env")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SAYS = re.compile(r"# (Run|Not (built|started)|Checked)")
PASSWORDS = {name: f"{name.lower()} p'ss" for name in ("POSTGRES_PASSWORD", "SLUICE_PASSWORD", "READER_PASSWORD")}
PASSWORDS |= {name: f"{name.lower()}-0123" for name in ("PREFECT_DB_PASSWORD", "PREFECT_API_PASSWORD")}
NAMED = re.compile(r"\$\{(\w+):\?[^}]*\}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_the_first_line_of_each_file_says_what_was_run_and_what_was_not(file: Path) -> None:
    assert SAYS.match(file.read_text().splitlines()[0])


def test_the_image_runs_the_one_script_that_is_tried_below() -> None:
    steps = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("RUN ")]
    assert steps == ["RUN sh deploy/install.sh /opt/sluice /var/lib/sluice"]


def test_the_compose_file_publishes_on_this_machine_only_and_has_no_password() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        secrets = {name: value for name, value in service.get("environment", {}).items() if "PASSWORD" in name}
        assert all(NAMED.fullmatch(value) for value in secrets.values())
    guide = (ROOT / "docs/deployment.md").read_text()
    assert set(NAMED.findall((DEPLOY / "compose.yaml").read_text())) == set(PASSWORDS)
    assert all(name in guide for name in PASSWORDS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The programs of an environment that install.sh made, with an empty home."""
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "empty").mkdir()
    kept = ("PATH", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(folder / "empty"), "PYTHON": sys.executable}
    call = ["sh", str(DEPLOY / "install.sh"), str(folder / "environment"), str(folder / "data")]
    done = subprocess.run(call, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("sluice ")
    assert (folder / "data").stat().st_uid == (1000 if os.geteuid() == 0 else os.geteuid())
    yield folder / "environment/bin"
    shutil.rmtree(folder, ignore_errors=True)


PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@"\\n' | tee "$3/bin/python" >"$3/bin/sluice"
chmod +x "$3"/bin/*
"""


@pytest.mark.parametrize(("pinned", "asked"), [("sluice-elt==0.1.0\n", "-r requirements.txt"), (None, "sluice-elt")])
def test_a_project_of_yours_gets_what_its_requirements_name(tmp_path: Path, pinned: str | None, asked: str) -> None:
    shutil.copytree(DEPLOY, tmp_path / "shop/deploy")
    if pinned:
        (tmp_path / "shop/requirements.txt").write_text(pinned)
    (tmp_path / "python").write_text(PYTHON)  # in place of a real one: an environment whose programs print their call
    (tmp_path / "python").chmod(0o755)
    call = ["sh", "shop/deploy/install.sh", str(tmp_path / "environment"), str(tmp_path / "data")]
    environment = {**os.environ, "PYTHON": str(tmp_path / "python")}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    installs, version = done.stdout.splitlines()
    assert installs.startswith("-m pip install ")
    assert installs.endswith(f" {asked}")
    assert version == "--version"


@pytest.mark.long
def test_systemd_accepts_the_units(installed: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed, so the units were not checked")
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/sluice/bin", str(installed)))
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "sluice" in line]) == (0, [])


def test_the_embedded_server_has_shut_down_before_systemd_kills_what_is_left_unless_another_program_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = (DEPLOY / "systemd/sluice.service").read_text()
    [stop] = re.findall(r"^ExecStopPost=(.*)", unit, re.MULTILINE)
    environment = {**os.environ, "SLUICE_HOME": str(tmp_path)}
    imports = "from sluice.project.paths import home; from sluice.warehouse import embedded"
    command = [sys.executable, "-c", f"{imports}; embedded.start(home()); print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as up:
        assert up.stdout is not None
        assert up.stdout.readline() == b"\n", "it runs"
        with monkeypatch.context() as elsewhere:  # no test can make a service
            elsewhere.setattr(server, "group_of", lambda process: [f"0::/{process}"])
            embedded.stop_with_service(tmp_path)
        assert (tmp_path / "postgres/data/postmaster.pid").exists()
        command = [part.replace("/opt/sluice/bin/python", sys.executable) for part in shlex.split(stop)]
        subprocess.run(command, env=environment, check=True)
        assert not (tmp_path / "postgres/data/postmaster.pid").exists()
        up.communicate(b"\n")
    log = (tmp_path / "postgres/data/server.log").read_text()
    assert "database system is shut down" in log.splitlines()[-1]


@pytest.mark.long
def test_the_compose_file_is_valid_by_the_schema_of_compose(tmp_path: Path) -> None:
    if named := os.environ.get("COMPOSE_SPEC"):
        schema = Path(named)
    else:
        clone = ["git", "clone", "--quiet", "--depth=1", "https://github.com/compose-spec/compose-spec", "spec"]
        if subprocess.run(clone, cwd=tmp_path, capture_output=True, check=False).returncode:
            pytest.skip("the schema of compose cannot be fetched: name its compose-spec.json in COMPOSE_SPEC")
        schema = tmp_path / "spec/schema/compose-spec.json"
    rules = json.loads(schema.read_text())
    errors = jsonschema.Draft7Validator(rules).iter_errors(COMPOSE)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


class Services:
    """The services of the compose file as processes of this machine.

    Names and ports of containers become those of this machine; folders, those of the test.
    """

    def __init__(self, programs: Path, database: sa.URL, folder: Path) -> None:
        self.database, self._folder = database, folder
        self.ports = {"4200": free_port(), "8010": free_port()}
        self._told = {
            "@db:5432": f"@127.0.0.1:{database.port}",
            "//prefect:4200": f"//127.0.0.1:{self.ports['4200']}",
            "/var/lib/sluice": str(folder),
        }
        kept = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
        self._environment = kept | {
            "SLUICE_HOME": str(folder / "home"),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_API_PORT": str(self.ports["4200"]),
        }

    def environment(self, service: str) -> dict[str, str]:
        """What the service gets."""
        values = {name: self._here(str(value)) for name, value in COMPOSE["services"][service]["environment"].items()}
        for name, value in values.items():
            if name.endswith("_PORT") and value == "5432":
                values[name] = str(self.database.port)
            elif name.endswith("_HOST") and value == "db":
                values[name] = "127.0.0.1"
        return {**self._environment, **values}

    @contextmanager
    def running(self, service: str) -> Iterator[Path]:
        """The service's command, until the block ends; gives its log."""
        command: Sequence[str] = [self._here(part) for part in COMPOSE["services"][service]["command"]]
        command = [self.ports.get(part, part) if part != "4200" else part for part in map(str, command)]
        environment = self.environment(service) if "environment" in COMPOSE["services"][service] else self._environment
        log = self._folder / f"{service}.log"
        with log.open("wb") as output:
            options: dict[str, Any] = {"stdout": output, "stderr": output, "start_new_session": True, "cwd": ROOT}
            process = subprocess.Popen([str(part) for part in command], env=environment, **options)
        try:
            yield log
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()

    def _here(self, text: str) -> str:
        text = NAMED.sub(lambda found: PASSWORDS[found[1]], text).replace("${ALERTS_URL:-}", "json://127.0.0.1:9")
        for theirs, ours in self._told.items():
            text = text.replace(theirs, ours)
        return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answer(url: str, document: object = None) -> Any:
    """What a server answers, with the password of Prefect's API; None while it does not."""
    token = b64encode(f"sluice:{PASSWORDS['PREFECT_API_PASSWORD']}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    data = None if document is None else json.dumps(document).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as response:
            return response.read().decode()
    except OSError:
        return None


def until(condition: Callable[[], Any], log: Path, seconds: float = 300) -> Any:
    """What the condition gives once it is met; fails with the end of the log."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)
    return found


@pytest.mark.long
def test_the_services_of_the_compose_file_load_a_file_and_show_it(
    installed: Path, postgres15_url: sa.URL, tmp_path: Path
) -> None:
    services = Services(installed, postgres15_url, tmp_path)
    libpq = {"PGHOST": str(postgres15_url.host), "PGPORT": str(postgres15_url.port), "POSTGRES_USER": "postgres"}
    libpq |= {"PGPASSWORD": str(postgres15_url.password)}
    made = subprocess.run(
        ["sh", str(DEPLOY / "databases.sh")],
        env={**services.environment("db"), **libpq},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    zones = tmp_path / "zones.csv"
    shutil.copy(ROOT / "sluice/demo/data/taxi_zones.csv", zones)

    with services.running("prefect") as log:
        api = f"http://127.0.0.1:{services.ports['4200']}/api"
        until(lambda: answer(f"{api}/health"), log)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(f"{api}/deployments/filter", b"{}"))
        with services.running("worker") as worker:
            name = f"{api}/deployments/name/nightly/nightly"
            deployment = json.loads(until(lambda: answer(name), worker))["id"]
            asked = {"parameters": {"datasets": ["tlc__zones"], "url": str(zones)}, "state": {"type": "SCHEDULED"}}
            run = json.loads(answer(f"{api}/deployments/{deployment}/create_flow_run", asked))["id"]
            final = ("COMPLETED", "FAILED", "CRASHED")
            until(lambda: json.loads(answer(f"{api}/flow_runs/{run}"))["state_type"] in final, worker)
            state = json.loads(answer(f"{api}/flow_runs/{run}"))["state"]
            assert state["type"] == "COMPLETED", state["message"]
        with services.running("site") as site:
            page = until(lambda: answer(f"http://127.0.0.1:{services.ports['8010']}/index.html"), site)
    assert "tlc__zones" in page
    reader = postgres15_url.set(username="sluice_reader", password=PASSWORDS["READER_PASSWORD"], database="sluice")
    with sa.create_engine(reader, poolclass=sa.NullPool).connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) > 200 FROM marts.dim_zones"))
    with pytest.raises(sa.exc.OperationalError, match='permission denied for database "prefect"'):
        sa.create_engine(reader.set(database="prefect"), poolclass=sa.NullPool).connect()
