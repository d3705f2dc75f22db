"""dbt in a child process: what is its own, beside the tests that both runners pass (test_dbt_runner.py)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.errors import ConfigError, ToolError
from sluice.marts import build
from sluice.marts.dbt.run import chosen
from sluice.marts.dbt.verdict import DbtNodesBroke
from tests.integration.marts.test_dbt_runner import Tiny, states
from tests.integration.marts.test_sides import Nights, nights  # noqa: F401
from tests.support import taxi
from tests.support.repository import ROOT

pytestmark = pytest.mark.usefixtures("prefect_server")
PROJECT = '[project]\nid = "taxi-example"'
FOLDERS = "\n".join(
    [PROJECT, "[paths]", *(f'{name} = "{ROOT / name}"' for name in ("contracts", "flows", "dbt_project", "profiles"))]
)


MANY_KINDS = {
    "seeds/colours.csv": "name\nred\nblue",
    "models/broken.sql": "select * from no_such_table",
    "models/after.sql": "select * from {{ ref('broken') }}",
    "models/more.yml": """
        models:
          - name: trips
            columns: [{name: zone_id, data_tests: [not_null, {not_null: {name: warns, config: {severity: warn}}}]}]
        exposures:
          - {name: report, type: dashboard, owner: {name: x, email: x@example.com}, depends_on: [ref('trips')]}
        unit_tests:
          - name: trips_are_those_of_staging
            model: trips
            given: [{input: ref('stg_trips'), rows: [{trip_id: 1}]}]
            expect: {rows: [{trip_id: 2}]}""",
    "models/models.yml": """
        models:
          - name: stg_trips
            columns: [{name: trip_id, data_tests: [not_null, unique]}]""",
}


@pytest.fixture(scope="module")
def another_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dbt of an environment without Sluice: its packages are those of this one, where a .pth file names Sluice."""
    folder = tmp_path_factory.mktemp("another") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    executable = folder / "bin" / "dbt"
    executable.write_text(f"#!{folder}/bin/python\nfrom dbt.cli.main import cli\ncli()\n")
    executable.chmod(0o755)
    without = subprocess.run([folder / "bin" / "python", "-c", "import sluice.ledger"], cwd=folder, capture_output=True)
    assert b"No module named 'sluice" in without.stderr
    return executable


@pytest.fixture
def write_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a project whose sluice.toml says this."""

    def write(*lines: str) -> None:
        (tmp_path / "sluice.toml").write_text("\n".join(lines) + "\n")
        monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))

    return write


@pytest.mark.long
def test_the_dbt_of_an_environment_without_sluice_builds_and_its_sessions_hold_the_right_to_write(
    nights: Nights,  # noqa: F811
    write_settings,
    another_environment: Path,
) -> None:
    write_settings("[dbt]", 'runner = "process"', f'executable = "{another_environment}"', FOLDERS)
    held = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and pid = pg_backend_pid()"
    nights.write(
        "models/marts/dim_days.sql",
        f"{{{{ config(materialized='table') }}}}\nselect ({held}) as day, 1 as length_hours",
    )
    nights.load("2019-01", [1, 2])
    nights.night()
    assert nights.fares() == {"2019-01": [1, 2]}
    with nights.warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("select day from marts.dim_days")) == 1
    nights.load("2019-02", [3])
    nights.night()
    assert nights.refreshed() == ["all"]  # the other side, which was never built
    nights.load("2019-03", [4])
    nights.night()
    assert nights.refreshed() == []  # by `dbt ls` and the manifest that the child wrote
    assert nights.fares() == {"2019-01": [1, 2], "2019-02": [3], "2019-03": [4]}


@pytest.fixture(scope="module")
def older_dbt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt 1.11, the oldest that Sluice takes, in an environment of its own."""
    folder = tmp_path_factory.mktemp("older") / "venv"
    subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", folder], check=True)
    wanted = ["dbt-core<1.12", "dbt-postgres"]
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", *wanted]
    installed = subprocess.run(install, capture_output=True, text=True)
    if "error sending request" in installed.stderr.lower() or "dns error" in installed.stderr.lower():
        pytest.skip(f"no package index can be reached: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    return folder / "bin" / "dbt"


@pytest.mark.long
def test_marts_that_dbt_1_11_built_go_on_under_the_dbt_of_today_without_a_rebuild(
    nights: Nights,  # noqa: F811
    write_settings,
    older_dbt: Path,
) -> None:
    said = subprocess.run([older_dbt, "--version"], capture_output=True, text=True, check=True).stdout
    assert "installed: 1.11." in said
    write_settings("[dbt]", 'runner = "process"', f'executable = "{older_dbt}"', FOLDERS)
    nights.load("2019-01", [1, 2])
    nights.night()
    nights.load("2019-02", [3])
    nights.night()
    write_settings(FOLDERS)
    assert not build.due(nights.warehouse)  # a newer dbt alone builds nothing
    for batch, fares in {"2019-03": [4], "2019-04": [5], "2019-05": [6]}.items():
        nights.load(batch, fares)
        nights.night()
        assert nights.refreshed() == []
    assert nights.fares() == {"2019-01": [1, 2], "2019-02": [3], "2019-03": [4], "2019-04": [5], "2019-05": [6]}


@pytest.mark.long
def test_a_night_runs_with_dbt_in_a_child_process(sluice, engine: sa.Engine, write_settings, tmp_path: Path) -> None:
    write_settings("[dbt]", 'runner = "process"', FOLDERS)
    taxi.csv(tmp_path / "2019-01.csv.gz", [*taxi.trips("2019-01", 50), *taxi.trips("2019-01", 1, passengers=0)])
    run = ("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv.gz"))
    first = sluice(*run)
    assert first.code == 0, first.err
    assert "fct_trips in tlc__yellow_trips 2019-01: new mart, 50 now" in first.out
    with engine.connect() as connection:
        kinds = connection.scalars(sa.text("select distinct resource_type from ops.dbt_results")).all()
        assert {"model", "test", "seed", "unit_test"} <= set(kinds)
    assert list((tmp_path / "home").rglob("dbt/index.html")), "dbt's docs are not in the site"
    again = sluice(*run)
    assert "Nothing new: 1 batch checked" in again.out


@pytest.mark.long
def test_both_runners_give_the_same_results(tmp_path: Path, database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[object, ...]] = []
    for runner in ("in-process", "process"):
        folder = tmp_path / runner
        folder.mkdir()
        (folder / "sluice.toml").write_text(f'{PROJECT}\n[dbt]\nrunner = "{runner}"\n')
        monkeypatch.setenv("SLUICE_PROJECT", str(folder))
        tiny = Tiny(folder, database)
        tiny.write(MANY_KINDS)
        with pytest.raises(DbtNodesBroke) as caught:
            tiny.run()
        run = caught.value.run
        nodes = {replace(node, seconds=0.0, sql=None, message=node.message.replace(runner, "")) for node in run.nodes}
        compiled = sorted(str(node.sql).replace(runner, "") for node in run.nodes)
        said = sorted(str(caught.value).replace(runner, "").splitlines())
        found.append((nodes, compiled, said, states(tiny.task_runs(len(nodes)))))
    in_process, child = found
    for theirs, same in zip(child, in_process, strict=True):
        assert theirs == same
    assert {node.resource_type for node in nodes} == {"model", "test", "unit_test", "seed", "exposure"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['runner = "fusion"'], "runner = 'fusion' is not valid: write 'in-process' or 'process'"),
        (['executable = "bin/dbt"'], "executable is the path of another dbt, and needs runner = .process."),
        (['runner = "process"', 'executable = "bin/dbt"'], "there is no file .*bin/dbt"),
        (['runner = "process"', 'executable = "dbtf"'], "dbtf has no Python interpreter beside it"),
        (['runners = "process"'], "unknown key 'runners' in .dbt.: did you mean runner?"),
    ],
)
def test_a_dbt_that_cannot_be_run_is_named(write_settings, tmp_path: Path, lines: list[str], said: str) -> None:
    shutil.copy("/bin/true", tmp_path / "dbtf")  # a program that is no Python
    write_settings(PROJECT, "[dbt]", *lines)
    with pytest.raises(ConfigError, match=said):
        chosen()


def test_an_environment_without_dbt_is_named(tmp_path: Path, database: sa.URL, write_settings) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (tmp_path / "bare" / "bin" / "dbt").write_text("")
    write_settings(PROJECT, "[dbt]", 'runner = "process"', 'executable = "bare/bin/dbt"')
    with pytest.raises(ToolError, match=r"bare/bin/python.* dbt-postgres must be installed"):
        Tiny(tmp_path, database).run()
