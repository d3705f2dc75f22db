"""A build that ends half-way: what dbt may have changed is no side to go back to. A program stands for dbt's child."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.errors import ToolError
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.child import ChildProcess
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.verdict import DbtDidNotRun


@pytest.mark.parametrize(
    ("events", "end", "untouched"),
    [
        (["MainEncounteredError"], "exit 2", True),
        (["LogHookStartLine", "MainEncounteredError"], "exit 2", False),
        (["LogStartLine", "MainEncounteredError"], "exit 2", False),
        ([], "exit 3", True),
        ([], "kill -9 $$", False),
    ],
)
def test_only_a_dbt_that_began_nothing_and_was_not_killed_left_the_side_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[str], end: str, untouched: bool
) -> None:
    said = [
        {"info": {"name": name, "msg": "it broke", "level": "error", "invocation_id": "1"}, "data": {"total": 2}}
        for name in events
    ]
    lines = [f"echo '{json.dumps(each)}'" for each in said]
    program = tmp_path / "python3"
    program.write_text("\n".join(["#!/bin/sh", *lines, end, ""]))
    program.chmod(0o755)
    monkeypatch.setattr(dbt_run, "chosen", lambda: ChildProcess(program))
    url = sa.make_url("postgresql://someone@localhost/nothing")
    place = DbtPlace(url, "marts__a", "dev", tmp_path / "home", tmp_path, tmp_path, 1)
    with pytest.raises(ToolError) as caught:
        dbt_run.run_dbt(["build"], place)
    assert isinstance(caught.value, DbtDidNotRun) == untouched
