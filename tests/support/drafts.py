"""A contract file that `sluice new` wrote, loaded as Python loads it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from sluice.contract.contract import Contract


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
