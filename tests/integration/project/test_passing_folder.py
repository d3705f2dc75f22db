"""A deployment with a pull step runs in a new folder each time: no warehouse is made where it would be lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

import prefect.runtime.deployment
import pytest

import sluice
from sluice.project import paths
from sluice.project.init.write import init
from sluice.warehouse.connection import BLOCK_VARIABLE


def test_a_deployed_run_in_a_temporary_folder_makes_no_warehouse_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (paths.VARIABLE, "SLUICE_HOME", BLOCK_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    root = init(tmp_path / "pulled").root
    monkeypatch.chdir(root)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(prefect.runtime.deployment, "get_id", lambda: "5e2c6a04")  # as in a run of a worker

    @sluice.flow
    def nightly() -> None:
        raise AssertionError("the run started")

    with pytest.raises(sluice.ConfigError, match="SLUICE_HOME"):
        nightly.fn()
    assert [path.name for path in (root / ".sluice").iterdir()] == [".gitignore"]  # which `sluice init` wrote
