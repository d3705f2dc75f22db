"""The command line: exit codes, and logs for machines."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from sluice.cli import app
from sluice.cli.output import doctor, query, status
from sluice.contract.errors import ConfigError, DataError
from sluice.project.datasets import contract_for
from sluice.runs import logs, progress
from sluice.runs.outcomes import Outcome
from sluice.runs.plan import Delivery
from sluice.server import api_password, up


def test_the_code_that_a_command_ends_with_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "up", lambda *_, **__: 7)
    with pytest.raises(SystemExit) as stop:
        app.main(["up"])
    assert stop.value.code == 7


@pytest.mark.parametrize("command", [("sql", "select 1"), ("connect",), ("status",), ("doctor",)], ids=" ".join)
def test_every_command_finds_the_password_of_the_server_that_sluice_up_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4299/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "")  # so that what a command sets is undone afterwards
    (tmp_path / "prefect").mkdir()
    seen: list[str | None] = []
    for module in (query, status, doctor):
        for name in ("show", "connect", "status", "doctor"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda *_: seen.append(os.environ.get("PREFECT_API_AUTH_STRING")))
    with (tmp_path / "prefect/up.lock").open("wb") as held, api_password.served(tmp_path, "http://127.0.0.1:4299/api"):
        fcntl.flock(held, fcntl.LOCK_EX)
        password = api_password.kept(tmp_path)
        with pytest.raises(SystemExit):
            app.main(list(command))
    assert seen == [password]


def test_a_wrong_option_ends_with_5_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        app.main(["run", "--log-format", "xml"])
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
        progress.begin("run-1")
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


def test_an_expected_error_of_a_scheduled_run_is_one_line_and_a_bug_has_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console, root = logging.StreamHandler(sys.stderr), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [console])
    progress.begin()
    for error in (DataError("tlc__zones all: gate closed"), ZeroDivisionError("a bug")):
        for said in (
            f"Encountered exception during execution: {error!r}",
            "Engine execution exited",
        ):  # as Prefect does
            root.error(said, exc_info=error)
    expected, *bug = capsys.readouterr().err.splitlines()
    assert expected == "Encountered exception during execution: DataError('tlc__zones all: gate closed')"
    assert "DataError" not in str(bug)
    assert bug.count("ZeroDivisionError: a bug") == 2


def test_the_versions_of_what_matters_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        app.main(["--version"])
    assert stop.value.code == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines["sluice"] == version("sluice-elt")
    assert {"prefect", "dbt-core", "pandera"} <= set(lines)


def test_ctrl_c_ends_a_command_with_130_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "status", interrupted)
    with pytest.raises(SystemExit) as stop:
        app.main(["status"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "sluice: stopped. No partial results were published; run again to continue\n"


def test_a_prefect_server_that_is_down_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", "a-block")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}), pytest.raises(SystemExit) as stop:
        app.main(["status"])
    assert stop.value.code == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("sluice: Prefect's API cannot be used: ")
    assert said.endswith("Connection refused (PREFECT_API_URL names it). See: sluice doctor")


def test_prefects_folder_is_made_with_those_above_it_or_one_line_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "not" / "there"))
    with pytest.raises(SystemExit) as stop:
        app.main(["alerts", "close", "--help"])
    assert stop.value.code == 0
    assert (tmp_path / "not" / "there" / ".prefect").is_dir()

    (tmp_path / "file").touch()
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file" / "prefect"))
    with pytest.raises(SystemExit) as stop:
        app.main(["run"])
    assert stop.value.code == 5
    assert capsys.readouterr().err == (
        f"sluice: Prefect's folder {tmp_path}/file/prefect cannot be used: Not a directory. "
        "Set PREFECT_HOME to one that can\n"
    )


@pytest.mark.parametrize("form", ["", "json"])
def test_a_failed_task_is_left_to_the_summary_for_people_and_told_to_machines(form: str, monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_LOG_FORMAT", form)
    said = "Finished in state Failed('Task run encountered an exception DataError: x')"
    record = logging.LogRecord("prefect.task_runs", logging.ERROR, "", 1, said, None, None)
    assert logs.ToldOnce().filter(record) is (form == "json")


def test_a_command_ends_without_a_warning_that_prefect_still_sends(caplog: pytest.LogCaptureFixture) -> None:
    logs.let_services_end_quietly()
    sender = logging.getLogger(EventsWorker.__name__)  # as its class names it
    sender.warning("Still processing items: 1 items remaining...")
    sender.warning("given up")
    assert [record.getMessage() for record in caplog.records if record.name == sender.name] == ["given up"]


@pytest.mark.parametrize("names", ["tlc__zones: ", "tlc__zones all: ", ""])
def test_a_failed_batch_is_named_once(names: str) -> None:
    delivery = Delivery(contract_for("tlc__zones"), "all", "zones.csv", asked=True)
    broken = Outcome.broken(delivery, ConfigError(f"{names}its table is not as the contract says"))
    assert broken.message == "tlc__zones all: its table is not as the contract says"


@pytest.mark.parametrize("group", [(), ("contract",), ("quarantine",), ("alerts",), ("marts",)])
def test_the_list_of_commands_cuts_no_sentence(
    group: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        app.main([*group, "--help"])
    listed = capsys.readouterr().out.partition("Commands:")[2].partition("Exit codes")[0]
    assert len(listed) > 100
    assert "..." not in listed
