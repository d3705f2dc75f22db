"""`sluice diff` of models: built beside the marts with real dbt, compared with what readers have, and dropped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.documented import fields, json_fields
from tests.support.reviewed import Repository

ORDERS, CONTRACT = "dbt_project/models/marts/orders.sql", "contracts/shop_orders.py"

SLOW = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid() "
    "AND state = 'active'"
)


def schemas(engine: sa.Engine) -> set[str]:
    """The names of all schemas."""
    return {*sa.inspect(engine).get_schema_names()}


def is_building(engine: sa.Engine) -> bool:
    """Whether a session is in the middle of the model that never ends."""
    with engine.connect() as connection:
        return bool(connection.scalar(SLOW))


def models_of(said: Any) -> dict[str, Any]:
    document = json.loads(said.out)
    found: dict[str, Any] = document["models"]
    return found


def test_a_changed_model_and_what_is_downstream_are_compared_with_what_readers_have(
    repository: Repository, sluice, data, engine: sa.Engine
) -> None:
    before, there = data(), schemas(engine)
    assert "No model changed" in sluice("diff").out

    repository.change(ORDERS, "quantity * 10", "quantity * 20")
    changed = sluice("diff", "--json")
    assert changed.code == 0, changed.err
    found = models_of(changed)
    assert (found["changed"], found["downstream"], found["built"]) == (["orders"], ["totals"], 2)
    marts = {mart["mart"]: mart for mart in found["marts"]}
    assert set(marts) == {"orders", "totals"}
    assert (marts["orders"]["rows_before"], marts["orders"]["rows_now"], marts["orders"]["changed"]) == (18, 18, 18)
    [amount] = [column for column in marts["totals"]["columns"] if column["column"] == "amount"]
    assert (amount["total_before"], amount["total_now"]) == (900, 1800)
    assert (data(), schemas(engine)) == (before, there)

    with (repository.root / "sluice.toml").open("a") as settings:
        settings.write("[marts.gate]\nchanged = 0.5\n")
    repository.change(CONTRACT, "ge=1", "ge=4")
    listed = json_fields()
    of_marts = {f"models.{field}" for field in listed["marts diff"] if field.startswith("marts[].")}
    assert {*fields(json.loads(sluice("diff", "--json").out))} == listed["diff"] | of_marts
    over = sluice("diff", "--markdown")
    assert over.code == 2
    assert "orders: 18 rows changed, 100% of 18 ([marts] gate allows 50%)" in over.err
    assert "shop__orders 2024-01 would be held" in over.err
    assert "| orders | 18 | 18 | 0 | 0 | 18 |" in over.out
    assert "<details><summary>orders</summary>" in over.out
    assert "@example.com" not in over.out
    assert (data(), schemas(engine)) == (before, there)


def test_what_fails_is_shown_and_a_mart_that_is_gone_is_compared(
    repository: Repository, sluice, data, engine: sa.Engine
) -> None:
    before, there = data(), schemas(engine)
    (repository.root / "dbt_project/models/marts/other.sql").unlink()
    repository.change("dbt_project/models/marts/_marts.yml", "  - {name: other}\n", "")
    repository.change(ORDERS, "select order_id", "select 1 as order_id")
    twice = sluice("diff", "--json")
    assert twice.code == 2, twice.err
    found = models_of(twice)
    assert "unique_orders_order_id" in found["failures"]
    assert found["gone"] == ["other"]
    states = {mart["mart"]: mart["state"] for mart in found["marts"]}
    assert (states["other"], states["orders"]) == ("gone", "changed")

    repository.change(ORDERS, "quantity * 10", "quantity / 0")
    broken = sluice("diff")
    assert (broken.code, "division by zero" in broken.out) == (3, True), broken.err
    repository.change(ORDERS, "quantity / 0", "{{ no_such_macro() }}")
    unread = sluice("diff")
    assert (unread.code, "no_such_macro" in unread.out) == (3, True)
    assert (data(), schemas(engine)) == (before, there)


@pytest.mark.long
def test_a_kill_leaves_nothing_that_readers_see_and_the_next_diff_cleans_up(
    repository: Repository, sluice, data, engine: sa.Engine, tmp_path: Path
) -> None:
    before, there = data(), schemas(engine)
    repository.change(ORDERS, "select order_id", "select pg_sleep(600)::text as slept, order_id")
    call = [sys.executable, "-m", "sluice", "diff"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(call, cwd=repository.root, env=os.environ, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while not is_building(engine) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.5)
        assert is_building(engine), (tmp_path / "log").read_text()
        second = sluice("diff")
        assert (second.code, "another sluice diff builds models" in second.err) == (4, True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "marts__diff" in schemas(engine)
    left = [row for row in data() if not str(row[1]).startswith("marts__diff.")]
    assert left == before

    repository.change(ORDERS, "pg_sleep(600)::text", "'no'")
    deadline = time.monotonic() + 60
    while (after := sluice("diff")).code == 4 and time.monotonic() < deadline:
        time.sleep(1)  # the server notices that the client is gone
    assert after.code == 0, after.err
    assert (data(), schemas(engine)) == (before, there)

    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA marts__diff; CREATE TABLE marts__diff.theirs (a int)"))
    refused = sluice("diff")
    assert (refused.code, "was made by somebody else" in refused.err) == (5, True)
    assert sa.inspect(engine).has_table("theirs", schema="marts__diff")
