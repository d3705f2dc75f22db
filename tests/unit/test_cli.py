"""The command line: exit codes, and logs for machines."""

from __future__ import annotations

import json
import logging

import pytest

from flows import cli, logs, progress, server


def test_the_code_that_a_command_ends_with_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "up", lambda *_, **__: 7)
    with pytest.raises(SystemExit) as stop:
        cli.main(["up"])
    assert stop.value.code == 7


def test_a_wrong_option_ends_with_5_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--log-format", "xml"])
    assert stop.value.code == 5
    assert capsys.readouterr().err.startswith("sluice: ")


def test_each_line_carries_run_dataset_and_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before, listener = list(root.handlers), progress._listener
    monkeypatch.setenv(logs.VARIABLE, "json")
    monkeypatch.setattr(logs, "_run", None)
    try:
        logs.begin("run-1")
        with logs.about("tlc__zones", "all"), progress.step("load tlc__zones all"):
            logging.getLogger("somewhere").warning("two\nlines of %s", "text")
        logging.getLogger("elsewhere").warning("about nothing")
    finally:
        progress.listen(listener)
        for handler in list(root.handlers):
            handler.removeFilter(logs._nothing)
            if handler not in before:
                root.removeHandler(handler)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["run"], line["dataset"], line["batch"]) for line in lines] == [
        *[("run-1", "tlc__zones", "all")] * 3,
        ("run-1", None, None),
    ]
    assert lines[1]["message"] == "two\nlines of text"
    assert lines[2]["step"] == "load tlc__zones all"
    assert lines[2]["seconds"] >= 0
