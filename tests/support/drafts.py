"""A contract file that `sluice new` wrote, loaded as Python loads it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from sluice.contract.contract import Contract
from tests.support.repository import ROOT


def contract_of(path: Path) -> Contract:
    """The contract in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pandera looks its types up there
    spec.loader.exec_module(module)
    contract: Contract = module.CONTRACT
    return contract


def assert_draft_is_formatted(project: Path) -> None:
    """Hold what was written into a project against ruff, as this repository has it set."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    shutil.copy(ROOT / "pyproject.toml", project)
    for command in (["check"], ["format", "--check"]):
        said = subprocess.run([ruff, *command, "--no-cache", "."], cwd=project, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout
