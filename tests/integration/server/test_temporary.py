"""The Prefect server that a command starts for itself: a real one, each in a separate process and home."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.repository import ROOT

RUN = """
import os, sys, time
from sluice.cli import exit_codes
from sluice.steps.prefect_settings import DEFAULTS
from sluice.runs import logs
from sluice.server import orphans, temporary

def command():
    os.environ.update(DEFAULTS)
    logs.let_services_end_quietly()
    orphans.end_with_me()
    ready = temporary.start()
    from prefect import flow
    import prefect.server.api.server as theirs  # Prefect's own way to start one: not to be used
    theirs.SubprocessASGIServer.start = lambda *_: sys.exit("Prefect started another server")
    ready()

    @flow
    def night():
        print(os.environ["PREFECT_API_URL"], flush=True)
        if sys.stdin.readline() == "sleep\\n":
            time.sleep(600)

    night()

if __name__ == "__main__":
    exit_codes.end(command)
"""


class Command:
    """A command that runs a flow, which waits for a word."""

    def __init__(self, folder: Path, **given: str) -> None:
        self.home = folder / "prefect"
        self.home.mkdir()
        (folder / "command.py").write_text(RUN)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
        environment |= {"PREFECT_HOME": str(self.home), "PYTHONPATH": str(ROOT), **given}
        command = [sys.executable, str(folder / "command.py")]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
        )

    def server(self) -> psutil.Process:
        name = "prefect.server.api.server:create_app"
        [found] = [each for each in psutil.Process(self.process.pid).children() if name in each.cmdline()]
        return found

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def api(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def states(self) -> list[tuple[str, str]]:
        """Name of the flow and state of each flow run, as Prefect's database keeps them."""
        with sqlite3.connect(self.home / "prefect.db") as database:
            query = "select flow.name, flow_run.state_name from flow_run join flow on flow.id = flow_run.flow_id"
            return list(database.execute(query))


def is_gone(process: psutil.Process, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_it_records_the_run_asks_for_a_password_and_ends_with_the_command(tmp_path: Path) -> None:
    command = Command(tmp_path)
    api, server = command.api(), command.server()
    assert httpx.get(f"{api}/health").status_code == 200
    assert httpx.post(f"{api}/flow_runs/filter", json={}).status_code == 401
    command.say("end")
    _, errors = command.process.communicate()
    assert (command.process.returncode, errors) == (0, "")
    assert is_gone(server, 0)
    assert command.states() == [("night", "Completed")]


@pytest.mark.long
def test_a_killed_command_leaves_none(tmp_path: Path) -> None:
    command = Command(tmp_path)
    command.api()
    server = command.server()
    command.process.kill()
    command.process.communicate()
    assert is_gone(server)


@pytest.mark.long
def test_ctrl_c_reaches_the_command_alone_so_that_the_run_is_recorded_as_stopped(tmp_path: Path) -> None:
    command = Command(tmp_path)
    command.api()
    server = command.server()
    command.say("sleep")
    time.sleep(1)
    command.process.send_signal(signal.SIGINT)
    command.process.communicate()
    assert command.process.returncode == 130
    assert is_gone(server, 0)
    assert [state for _, state in command.states()] != [("night", "Running")]


def test_one_that_cannot_start_is_one_message(tmp_path: Path) -> None:
    command = Command(tmp_path, PREFECT_SERVER_DATABASE_CONNECTION_URL="sqlite+aiosqlite:////no/such/folder/prefect.db")
    _, errors = command.process.communicate()
    assert command.process.returncode == 3
    [line] = errors.splitlines()
    assert line.startswith("sluice: Prefect's API cannot be used: its temporary server ended with ")
    assert "unable to open database file" in line
    assert line.endswith(f"(the server's database is in {command.home}). See: sluice doctor")


@pytest.mark.long
def test_a_database_in_memory_is_made_where_it_is_used(tmp_path: Path) -> None:
    url = "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false"
    command = Command(tmp_path, PREFECT_SERVER_DATABASE_CONNECTION_URL=url)
    command.api()
    command.say("end")
    _, errors = command.process.communicate()
    assert (command.process.returncode, errors) == (0, "")
    assert not (command.home / "prefect.db").exists()
