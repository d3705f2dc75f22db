"""`sluice run --watch` as a process: a file that comes is published, one that grows waits, Ctrl-C ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.repository import ROOT

HEADER = "LocationID,Borough,Zone,service_zone\n"
PUBLISHED = sa.text("select array_agg(rows_read order by load_id) from ops.batches where status <> 'started'")
PATIENCE = 300  # s; a run takes 20 alone


def loads_of(engine: sa.Engine) -> list[int] | None:
    with engine.connect() as connection:
        known = connection.scalar(sa.text("select to_regclass('ops.batches')"))
        found: list[int] | None = connection.scalar(PUBLISHED) if known else None
        return found


def wait_until(asked: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.long
def test_files_are_taken_when_they_are_whole(sluice: Callable, engine: sa.Engine, tmp_path: Path) -> None:
    file, log = tmp_path / "zones.csv", tmp_path / "log"
    command = [sys.executable, "-m", "sluice", "run", "tlc__zones", "--url", str(file), "--watch", "1"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_until(lambda: "nothing to load" in log.read_text())
        with file.open("w") as written:
            written.write(HEADER)
            for number in range(1, 21):  # longer than a few looks
                written.write(f"{number},EWR,Newark Airport,EWR\n")
                written.flush()
                time.sleep(0.2)
        wait_until(lambda: loads_of(engine) is not None)
        assert loads_of(engine) == [20]
        with file.open("a") as written:
            written.write("30,EWR,Newark Airport,EWR\n")
        wait_until(lambda: loads_of(engine) == [20, 21])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
