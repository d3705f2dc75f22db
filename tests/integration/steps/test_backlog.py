"""A backlog of small files: many batches share a task run, and each has its own verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandera.pandas as pa
import pytest
import sqlalchemy as sa
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run

from sluice.contract.batches import Daily
from sluice.contract.columns import Int, column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ToolError
from sluice.contract.sources import Rows
from sluice.project.datasets import contracts
from sluice.runs import lifecycle, plan, tasks
from sluice.runs.outcomes import Outcome, Verdict
from sluice.source.files import SourceUnavailable
from sluice.steps import deliver
from sluice.warehouse.connection import open_warehouse


class Numbers(pa.DataFrameModel):
    number: Int = column("A number.", ge=0)


DAYS = [f"2024-01-{day:02}" for day in range(1, 16)]


def run(names: list[str] | None = None) -> tuple[Sequence[Outcome], list[str]]:
    """Outcomes of a flow that delivers what is there, and the names of its task runs."""

    @flow
    def load() -> tuple[Sequence[Outcome], str]:
        lifecycle.ensure_tables(open_warehouse())
        outcomes = deliver.deliver_dataset(plan.deliveries(["t__numbers"], names, None))
        return outcomes, str(flow_run.get_id())

    outcomes, this = load()
    with get_client(sync_client=True) as client:
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[this]))
        return outcomes, sorted(task.name for task in client.read_task_runs(flow_run_filter=mine))


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = Files(f"{tmp_path}/n_{{batch}}.csv", Daily("2024-01-01"))
    monkeypatch.setitem(contracts(), "t__numbers", Contract("t", "numbers", "me@example.com", Numbers, files))
    for day in DAYS:
        (tmp_path / f"n_{day}.csv").write_text("number\n1\n2\n")
    return tmp_path


@pytest.mark.long
def test_small_batches_share_a_task_run_and_each_has_its_own_verdict(
    sluice: Callable, engine: sa.Engine, inbox: Path
) -> None:
    (inbox / "n_2024-01-05.csv").write_text("number\n-1\n2\n")
    (inbox / "n_2024-01-07.csv").write_text("other\n2\n")
    each = contracts()["t__numbers"]
    contracts()["t__numbers"] = replace(each, gate=replace(each.gate, same_bytes="accept"))  # the fixture puts it back
    outcomes, names = run()
    verdicts = {"2024-01-05": Verdict.HELD, "2024-01-07": Verdict.FAILED}
    assert {o.batch: o.verdict for o in outcomes} == {day: verdicts.get(day, Verdict.PUBLISHED) for day in DAYS}
    assert [name for name in names if "2024-01-0" in name] == ["load t__numbers 2024-01-01 to 2024-01-15"]
    with engine.connect() as connection:
        published = "select batch from ops.batches where status = 'published' order by load_id"
        assert connection.scalars(sa.text(published)).all() == [day for day in DAYS if day not in verdicts]

    again, names = run()
    assert [o.batch for o in again if o.verdict is not Verdict.UNCHANGED] == list(verdicts)
    assert any(name.startswith("audit") for name in names)  # a few have task runs of their own


def test_days_that_a_function_gives_share_a_task_run_too(sluice: Callable, engine: sa.Engine, inbox: Path) -> None:
    def read(day: str) -> list[dict[str, int]]:
        if day == "2024-01-05":
            raise ConnectionError("the API hung up")
        return [{"number": int(day[-2:])}]

    each = contracts()["t__numbers"]
    contracts()["t__numbers"] = replace(each, files=Rows(read, Daily("2024-01-01")))
    outcomes, names = run(DAYS)
    assert names == ["load t__numbers 2024-01-01 to 2024-01-15"]
    assert [o.batch for o in outcomes if o.verdict is not Verdict.PUBLISHED] == ["2024-01-05"]
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select sum(number) from staging.t__numbers")) == sum(range(16)) - 5


def test_a_step_of_a_group_is_tried_again_where_that_may_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "BACKOFF", 0.0)
    tries: list[int] = []

    def failing(times: int, error: ToolError) -> None:
        tries.append(1)
        if len(tries) <= times:
            raise error

    within = tasks.IN_GROUP.set(True)
    try:
        tasks.run(tasks.task(failing, **tasks.heals), 2, SourceUnavailable("away"))
        assert len(tries) == 3
        tries.clear()
        with pytest.raises(ToolError, match="broken"):
            tasks.run(tasks.task(failing, **tasks.heals), 2, ToolError("broken"))
        assert len(tries) == 1
    finally:
        tasks.IN_GROUP.reset(within)
