"""A project's own flows, run by the command line: what a user adds is kept, and what a user leaves out is not lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support import taxi
from tests.support.repository import ROOT

FROZEN = sorted(folder for folder in (ROOT / "tests/upgrade").glob("*/flows"))
NIGHTLY = """
from __future__ import annotations

from sluice import Summary, deliver, finish, flow, transform


@flow(name="nightly")
def nightly({parameters}) -> Summary:
    {body}
"""
PARAMETERS = "datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with flows of its own, and everything else of this repository."""
    root = tmp_path / "project"
    (root / "flows").mkdir(parents=True)
    elsewhere = {name: ROOT / name for name in ("contracts", "dbt_project", "profiles")}
    lines = ["[project]", 'id = "flows"', "[paths]", *(f'{name} = "{path}"' for name, path in elsewhere.items())]
    (root / "sluice.toml").write_text("\n".join(lines))
    shutil.copy(ROOT / "prefect.toml", root)
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    return root


def write(project: Path, *body: str, parameters: str = PARAMETERS) -> None:
    text = NIGHTLY.format(parameters=parameters, body="\n    ".join(body))
    (project / "flows/nightly.py").write_text(text)


def month(folder: Path, *, passengers: int = 1) -> tuple[str, ...]:
    taxi.csv(folder / "2019-01.csv", taxi.trips("2019-01", 20, passengers=passengers))
    return ("tlc__yellow_trips", "--url", str(folder / "{batch}.csv"))


def staged(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text("select count(*) from staging.tlc__yellow_trips")) or 0


@pytest.mark.long
@pytest.mark.parametrize("flows", FROZEN, ids=lambda folder: folder.parent.name)
def test_the_flows_of_an_older_version_run_with_the_users_tasks_before_and_after(
    sluice, engine, project: Path, tmp_path: Path, flows: Path
) -> None:
    shutil.copytree(flows, project / "flows", dirs_exist_ok=True)
    said = sluice("run", *month(tmp_path))
    assert said.code == 0, said.err
    assert "Warning" not in said.err
    assert (project / "before.txt").read_text() == "called"
    assert (project / "after.txt").read_text() == "1"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from marts.fct_trips")) == 20
        assert connection.scalar(sa.text("select ended_as from ops.runs")) == "finished"

    again = sluice("backfill", "tlc__yellow_trips", "--from", "2019-01", "--to", "2019-01", *month(tmp_path)[1:])
    assert (again.code, "Nothing new" in again.out) == (0, True), again.err
    nothing_held = sluice("quarantine", "release", "tlc__yellow_trips", "2019-01", "--why", "a test")
    assert (nothing_held.code, "nothing to release" in nothing_held.err) == (2, True)
    replayed = sluice("quarantine", "replay", "tlc__yellow_trips", "2019-01")
    assert replayed.code == 0, replayed.err


def test_a_flow_without_a_step_is_one_warning_with_the_line_to_add(sluice, engine, project, tmp_path) -> None:
    write(project, "delivered = deliver(datasets, batches, url)", "return finish(delivered)")
    said = sluice("run", *month(tmp_path))
    assert said.code == 0, said.err
    assert said.err.count("Warning: ") == 1
    assert "did not call transform(), so the marts were not built. Add before finish(): marts = transform()" in said.err
    assert staged(engine) == 20


def test_a_flow_that_ends_early_or_passes_over_a_failure_still_has_its_exit_code(
    sluice, engine, project, tmp_path
) -> None:
    write(project, "delivered = deliver(datasets, batches, url)", "return None")
    said = sluice("run", *month(tmp_path, passengers=0))
    assert said.code == 2
    assert "gate closed" in said.err
    assert "did not call finish(); it was done for it" in said.err

    write(project, "try:", "    finish(deliver(datasets, batches, url))", "except Exception:", "    return None")
    said = sluice("run", *month(tmp_path, passengers=0))
    assert said.code == 2
    with engine.connect() as connection:
        assert connection.scalars(sa.text("select distinct ended_as from ops.runs")).all() == ["finished"]


@pytest.mark.parametrize(
    ("body", "parameters", "words"),
    [
        (
            ("return None",),
            PARAMETERS,
            "called none of Sluice's steps, so nothing was loaded. Add: delivered = ",
        ),
        (("return finish(deliver(datasets))",), "datasets: list[str] | None = None", "nightly() has no parameter url"),
        (("return finish(deliver(datasets))", "1 +"), PARAMETERS, "flows/nightly.py cannot be loaded: SyntaxError"),
    ],
)
def test_a_flow_that_lost_what_it_needs_is_refused_by_name(
    sluice, project, tmp_path, body: tuple[str, ...], parameters: str, words: str
) -> None:
    write(project, *body, parameters=parameters)
    said = sluice("run", *month(tmp_path))
    assert said.code == 5
    assert words in said.err
    assert "Traceback" not in said.err


def test_a_flow_without_a_parameter_that_was_not_asked_for_runs(sluice, engine, project, tmp_path) -> None:
    address = month(tmp_path)[2]
    write(project, f"return finish(deliver(datasets, url={address!r}))", parameters="datasets: list[str] | None = None")
    assert sluice("run", "tlc__yellow_trips").code == 0
    assert staged(engine) == 20


def test_a_missing_flow_names_the_file_and_the_command_that_writes_it(sluice, project) -> None:
    said = sluice("run")
    assert (said.code, "flows/nightly.py is missing" in said.err, "sluice init" in said.err) == (5, True, True)


def test_a_plain_prefect_flow_is_told_which_decorator_its_steps_need(sluice, project, tmp_path) -> None:
    write(project, "return finish(deliver(datasets, batches, url))")
    file = project / "flows/nightly.py"
    file.write_text(file.read_text().replace("finish, flow, transform", "finish\nfrom prefect import flow"))
    said = sluice("run", *month(tmp_path))
    assert (said.code, "from sluice import flow" in said.err) == (5, True)


def test_a_crash_in_a_task_before_the_load_is_an_error_of_the_run_and_an_alert(sluice, engine, project, tmp_path):
    write(project, "return finish(deliver(datasets, batches, url))")
    assert sluice("run", *month(tmp_path)).code == 0
    write(project, "raise RuntimeError('the user broke it')")
    with pytest.raises(RuntimeError, match="the user broke it"):
        sluice("run", *month(tmp_path))
    with engine.connect() as connection:
        found = connection.execute(sa.text("select kind, facts::text from ops.incidents")).all()
    assert [(row.kind, "the user broke it" in row.facts) for row in found] == [("run_crashed", True)]


def test_the_module_runs_as_the_command_does(project: Path) -> None:
    command = [sys.executable, "-m", "flows.nightly", "--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Load what is new" in said.stdout
