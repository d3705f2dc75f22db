"""What the console of `sluice up` shows of a run: each thing once."""

from __future__ import annotations

import logging

import prefect_dbt.core.runner
import pytest

from sluice.contract.errors import DataError
from sluice.runs import logs
from sluice.server import orphans


def record(name: str, message: str, path: str = __file__, error: BaseException | None = None) -> logging.LogRecord:
    exc = (type(error), error, None) if error else None
    return logging.LogRecord(name, logging.WARNING, path, 1, message, (), exc)


@pytest.mark.parametrize("under_up", [True, False])
def test_what_the_line_of_a_runs_end_tells_is_not_told_twice(under_up: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.UP == orphans.MARK
    monkeypatch.delenv(logs.UP, raising=False)
    if under_up:
        monkeypatch.setenv(logs.UP, "home")
    closed = DataError("tlc__zones all: gate closed")
    ended = record("prefect.flow_runs", f"Encountered exception during execution: {closed!r}", error=closed)
    of_dbt = record("prefect.task_runs", "Got 265 results, configured to warn", prefect_dbt.core.runner.__file__)
    channel = record("prefect.flow_runs", "nobody was alerted")
    bug = record("prefect.flow_runs", "Encountered exception during execution: KeyError()", error=KeyError())
    shown = [logs._one_line(each) for each in (ended, of_dbt, channel, bug)]
    assert shown == [not under_up, not under_up, True, True]
