"""`sluice heartbeat`: what an outside monitor is told, and that asking is cheap."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.cli import app
from sluice.runs import heartbeat


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code and output of the command."""
    with pytest.raises(SystemExit) as stop:
        app.main(["heartbeat", *arguments])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    return tmp_path


def test_a_run_that_finished_lately_is_exit_code_0(capsys, home) -> None:
    heartbeat.beat(home)
    code, out, _ = asked(capsys)
    assert (code, out.startswith("the last nightly run finished at")) == (0, True)
    code, out, _ = asked(capsys, "--json")
    assert json.loads(out)["alive"] is True


@pytest.mark.parametrize(
    "written", ["", "{}", '{"finished_at": "2026-01-01"}', '{"finished_at": 3}', "[]", '{"finished_at": "x"}']
)
def test_a_file_that_says_nothing_is_an_alarm_and_no_crash(capsys, home, written: str) -> None:
    (home / heartbeat.FILE).write_text(written)
    code, _, err = asked(capsys)
    assert code == 3
    assert "no nightly run has ever finished here" in err


@pytest.mark.parametrize(("hours", "allowed", "code"), [(25.9, 26, 0), (26.1, 26, 3), (26.1, 30, 0), (-1, 26, 3)])
def test_an_old_beat_and_one_from_the_future_are_alarms(capsys, home, hours: float, allowed: float, code: int) -> None:
    finished = datetime.now(UTC) - timedelta(hours=hours)
    (home / heartbeat.FILE).write_text(json.dumps({"finished_at": finished.isoformat()}))
    answered, _, err = asked(capsys, "--max-age", str(allowed))
    assert answered == code
    assert not code or f"finished at {finished:%Y-%m-%d %H:%M} UTC" in err


def test_the_question_imports_neither_prefect_nor_the_database_driver() -> None:
    program = "import sys, sluice.cli.app, sluice.runs.heartbeat; print({'prefect', 'psycopg2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
