"""What a run that was killed or stopped leaves: no lock for ever, no server, no flow run that seems to be running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psutil  # type: ignore[import-untyped]
import psycopg2
import pytest
import sqlalchemy as sa
from prefect import get_client

from sluice.ledger import loads
from sluice.runs import lifecycle
from sluice.source import fetch
from sluice.staging import load
from sluice.warehouse.warehouse import Warehouse
from tests.integration.marts.test_marts import Night
from tests.support.repository import ROOT
from tests.support.shops import contract, good_lines, write


def wait_until(true: Callable[[], bool], seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


class Endless:
    """Rows that never come: a source that is read by a process that was stopped in the middle of its COPY."""

    def read(self, _size: int) -> bytes:
        self.asked.set()
        self.over.wait()
        return b""

    def __init__(self) -> None:
        self.asked, self.over = threading.Event(), threading.Event()


def test_a_successor_does_not_wait_for_a_run_that_was_stopped_in_copy(night: Night, tmp_path: Path) -> None:
    warehouse: Warehouse = night.warehouse
    orders, rows = contract(), Endless()
    path = write(tmp_path / "orders_2021-01.csv", good_lines(3))
    file = fetch.fetch(fetch.look(str(path)), tmp_path)
    warehouse.data.make_tables(warehouse.engine, orders)
    with warehouse.engine.begin() as connection:
        stopped = loads.begin(connection, orders, "2021-01", file, None)
    ended: list[BaseException] = []

    def stop_in_copy() -> None:
        try:
            with warehouse.engine.begin() as connection:
                loads.fence(connection, stopped)
                cursor = connection.connection.cursor()
                cursor.execute("CREATE TABLE staging.half (n int)")
                cursor.copy_expert("COPY staging.half FROM STDIN", rows)
        except (psycopg2.Error, sa.exc.DBAPIError) as error:
            ended.append(error)

    copying = threading.Thread(target=stop_in_copy)
    copying.start()
    assert rows.asked.wait(60)
    with warehouse.lock("shop__orders"), warehouse.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '20s'"))  # a wait would be an error
        later = loads.begin(connection, orders, "2021-01", file, None)
    rows.over.set()
    copying.join()
    assert len(ended) == 1
    with warehouse.engine.connect() as connection:
        assert loads.status(connection, stopped) == "abandoned"
        assert loads.status(connection, later) == "started"
    with pytest.raises(Exception, match="a later run took over"):
        load.load(warehouse, orders, stopped, rows)  # type: ignore[arg-type]


RUN = """
import os, sys, time
from sluice.steps.prefect_settings import DEFAULTS
os.environ.update(DEFAULTS)
from prefect import flow
from prefect.client.orchestration import get_client
from sluice.server.orphans import end_with_me

@flow
def endless():
    print("running", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    end_with_me()
    endless()
"""


@pytest.mark.long
def test_a_killed_run_leaves_no_temporary_server(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(RUN)
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "endless.py")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "running\n"
    servers = [
        child
        for child in psutil.Process(run.pid).children()
        if "prefect.server.api.server:create_app" in child.cmdline()
    ]
    assert len(servers) == 1
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert wait_until(lambda: not servers[0].is_running() or servers[0].status() == psutil.STATUS_ZOMBIE)


LOST = """
import sys, time
import sqlalchemy as sa
from prefect import flow
from prefect.runtime import flow_run
from sluice.runs import lifecycle
from sluice.warehouse.connection import connect
from tests.integration.conftest import connector_for

@flow
def lost():
    warehouse = connect(connector_for(sa.make_url(sys.argv[1])), "test", "postgres")
    with lifecycle.running(warehouse, "a night", run_id=flow_run.get_id()):
        print(flow_run.get_id(), flush=True)
        time.sleep(600)

if __name__ == "__main__":
    lost()
"""


def test_the_flow_run_of_a_killed_process_is_shown_as_crashed_by_the_next_run(
    night: Night, prefect_server: str, tmp_path: Path
) -> None:
    (tmp_path / "lost.py").write_text(LOST)
    command = [sys.executable, str(tmp_path / "lost.py"), night.warehouse.url.render_as_string(hide_password=False)]
    environment = {**os.environ, "PREFECT_API_URL": prefect_server, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    run_id = UUID(run.stdout.readline().strip())
    run.send_signal(signal.SIGKILL)
    run.wait()

    def ended() -> bool:
        with night.warehouse.engine.connect() as connection:
            return lifecycle.under_way(connection) == []

    assert wait_until(ended)
    lifecycle.look_for_lost(night.warehouse)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run_id).state
    assert state is not None
    assert (state.type.value, state.message) == ("CRASHED", "its process was killed")
