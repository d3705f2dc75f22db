"""The example project without most of its dbt tests: for tests of the engine that run a project, whichever it is.

56 of the example's 71 nodes are tests, in which dbt spends most of a night.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.repository import ROOT

TESTS = "data_tests:\n"
# dbt refuses a build without any test
A_FEW = f"{TESTS}  +enabled: false\n  sluice: {{staging: {{ops: {{+enabled: true}}}}}}\n"


def make(folder: Path) -> Path:
    """Make a project in the folder: its contracts and flows are the repository's, its dbt project a copy."""
    models = folder / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", models, ignore=shutil.ignore_patterns("target", "logs"))
    leave_tests_out(models)
    paths = {name: ROOT / name for name in ("contracts", "flows", "profiles")} | {"dbt_project": models}
    lines = ["[project]", 'id = "taxi-example"', "[paths]", *(f'{name} = "{path}"' for name, path in paths.items())]
    (folder / "sluice.toml").write_text("\n".join(lines) + "\n")
    return folder


def leave_tests_out(models: Path) -> None:
    """Switch the tests of the example's dbt project off, in a copy of it."""
    for unit_tests in models.rglob("*unit_tests.yml"):
        unit_tests.unlink()
    settings = models / "dbt_project.yml"
    said = settings.read_text()
    assert TESTS in said
    settings.write_text(said.replace(TESTS, A_FEW))
