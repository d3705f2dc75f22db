"""A run whose dbt is a child process, stopped and overtaken together with it, changes nothing that readers have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa

from sluice.marts import build
from tests.faults.test_overtaken_runs import end_lock_on_dbt, is_stopped, open_incidents, state, wait_until
from tests.integration.marts.test_child_runner import FOLDERS
from tests.integration.marts.test_sides import Nights
from tests.support import stopped_run
from tests.support.repository import ROOT

# In the run that is to be stopped, a model waits for a lock that the test holds
WAITS = """
{{ config(materialized='table') }}
select 1 as day, 5 as length_hours
{% if env_var('SLUICE_TEST_WAITS', '') %} from (select pg_advisory_xact_lock(4711)) as waited {% endif %}
"""
WAITING = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")


@contextmanager
def stopped_with_its_child(nights: Nights, folder: Path) -> Iterator[list[psutil.Process]]:
    """A run that is stopped while its dbt, a child process, builds a model. Yields the run, and its child."""
    (folder / "sluice.toml").write_text(f'[dbt]\nrunner = "process"\n{FOLDERS}\n')
    chosen = {"SLUICE_PROJECT": str(folder), "SLUICE_HOME": f"{folder}/home", "SLUICE_TEST_WAITS": "1"}
    address = nights.warehouse.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", stopped_run.__name__, address, str(nights.project), "never"]
    environment = {**os.environ, **chosen, "PYTHONPATH": str(ROOT)}
    with nights.warehouse.engine.connect() as holder:
        holder.execute(sa.text("SELECT pg_advisory_lock(4711)"))
        holder.commit()
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        everything: list[psutil.Process] = []
        try:
            with nights.warehouse.engine.connect() as looker:

                def waits() -> bool:
                    assert run.poll() is None, run.communicate()
                    looker.rollback()
                    return bool(looker.scalar(WAITING))

                wait_until(waits)
            parent = psutil.Process(run.pid)
            everything = [parent, *(each for each in parent.children() if "side_sessions.py" in str(each.cmdline()))]
            assert len(everything) == 2
            for process in everything:
                process.suspend()
            wait_until(lambda: is_stopped(run))
            end_lock_on_dbt(nights)
            holder.execute(sa.text("SELECT pg_advisory_unlock(4711)"))
            yield everything
            for process in everything:
                process.resume()
            said, errors = run.communicate(timeout=120)
            assert run.returncode == 3, said + errors
            assert "Overtaken" in said.splitlines()[-1], said + errors
        finally:
            for process in everything:
                if process.is_running():
                    process.send_signal(signal.SIGKILL)
            run.kill()
            run.communicate()


@pytest.mark.long
def test_an_overtaken_run_with_dbt_in_a_child_leaves_the_live_side_as_it_is(
    nights: Nights, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nights.write("models/marts/dim_days.sql", WAITS)
    nights.load("2019-01", [1, 2])
    nights.night()
    nights.load("2019-02", [3])
    with stopped_with_its_child(nights, tmp_path_factory.mktemp("stopped")) as (_, child):
        nights.load("2019-02", [5])
        built = nights.night()
        before, seen = state(nights, built.side), nights.fares()
    assert not child.is_running()
    assert state(nights, built.side) == before
    assert nights.fares() == seen == {"2019-01": [1, 2], "2019-02": [5]}
    assert open_incidents(nights) == []
    assert not build.due(nights.warehouse)
