"""`sluice backfill`, killed for real in the middle, and called again."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from tests.support import taxi

MONTHS = [f"2019-{month:02d}" for month in range(1, 7)]


def published(engine: sa.Engine) -> dict[str, int]:
    """The published batches and the numbers of their loads."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("batches", "ops"):
            return {}
        rows = connection.execute(sa.text("select batch, load_id from ops.batches where status = 'published'"))
        return {row.batch: row.load_id for row in rows}


@pytest.mark.long
def test_a_killed_backfill_goes_on_where_it_was_and_builds_the_marts_once(sluice, engine, tmp_path) -> None:
    for month in MONTHS:
        taxi.csv(tmp_path / f"{month}.csv", taxi.trips(month, 20))
    files = ("--url", str(tmp_path / "{batch}.csv"))
    command = ("backfill", "tlc__yellow_trips", "--from", MONTHS[0], "--to", MONTHS[-1], *files)
    killed = subprocess.Popen(
        [sys.executable, "-m", "sluice", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(published(engine)) < 2 and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    before = published(engine)
    assert 2 <= len(before) < len(MONTHS)

    said = sluice(*command, "--json")
    while said.code == 4:  # the server has not yet seen that its client is dead
        time.sleep(0.5)
        said = sluice(*command, "--json")
    assert said.code == 0, said.err
    verdicts = {outcome["batch"]: outcome["verdict"] for outcome in json.loads(said.out)["batches"]}
    assert verdicts == {month: "unchanged" if month in before else "published" for month in MONTHS}
    after = published(engine)
    assert sorted(after) == MONTHS
    assert {month: after[month] for month in before} == before
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from ops.builds")) == 1
        assert connection.scalar(sa.text("select count(*) from marts.fct_trips")) == 20 * len(MONTHS)
