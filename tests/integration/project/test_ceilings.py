"""Each ceiling of pyproject.toml holds back what would break: above it, its tests fail, or nothing is there yet.

Needs a package index, and minutes: these tests are `long`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from requirements.lock import LEFT_OUT
from tests.support.repository import ROOT

pytestmark = pytest.mark.long

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CEILINGS = PROJECT["tool"]["sluice"]["ceilings"]
BOUNDS = {
    requirement.name: next(each.version for each in requirement.specifier if each.operator == "<")
    for requirement in map(Requirement, PROJECT["project"]["dependencies"])
    if requirement.name in CEILINGS
}
NOTHING = "no solution found when resolving"


@pytest.mark.parametrize("name", sorted(CEILINGS))
def test_a_ceiling_is_needed(name: str, tmp_path: Path) -> None:
    above = f"{name}>={BOUNDS[name]}"
    overrides = tmp_path / "overrides.txt"
    overrides.write_text("\n".join(LEFT_OUT.values()))
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--prerelease", "disallow"]
    command += ["--target", str(tmp_path / "newer")]
    uv = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "uv")}  # where it would keep credentials
    installed = subprocess.run([*command, "--override", str(overrides), above], env=uv, capture_output=True, text=True)
    if installed.returncode:
        message = " ".join(installed.stderr.lower().split())
        assert NOTHING in message, installed.stderr
        return  # nothing that it could hold back
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "newer")}
    tests = [sys.executable, "-m", "pytest", *CEILINGS[name]["tests"], "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode, f"its tests pass with {above}: raise the ceiling of {name}\n{done.stdout[-2000:]}"


# Tools that people keep in the environment of their pipelines.
BESIDE = ["apache-airflow", "dagster-dbt", "datacontract-cli", "dlt", "elementary-data", "great-expectations"]
BESIDE += ["jupyterlab", "meltano", "mlflow>=3", "openlineage-dbt", "prefect-kubernetes", "soda-postgres", "sqlmesh"]


@pytest.mark.parametrize("tool", BESIDE)
def test_a_tool_can_be_installed_beside_it(tool: str, tmp_path: Path) -> None:
    wanted, overrides = tmp_path / "wanted.txt", tmp_path / "overrides.txt"
    wanted.write_text("\n".join([*PROJECT["project"]["dependencies"], tool]))
    overrides.write_text("\n".join(LEFT_OUT.values()))
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--override", str(overrides), str(wanted)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
