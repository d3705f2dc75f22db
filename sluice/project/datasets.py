"""The contracts of the project that this process works for."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path

from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.contract.registry import load_contracts
from sluice.project import paths


def contracts() -> dict[str, Contract]:
    """Every contract by dataset id, in alphabetical order.

    Raises:
        ContractError: a file cannot be imported, has no CONTRACT, or two name the same dataset.
        ConfigError: there is no project here.
    """
    folder = paths.contracts_folder()
    files = sorted(folder.glob("*.py"))
    return _loaded(folder, tuple((file.name, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=8)
def _loaded(folder: Path, _files: tuple[tuple[str, int], ...]) -> dict[str, Contract]:
    return load_contracts(folder)


def contract_for(dataset_id: str) -> Contract:
    """The contract of one dataset.

    Raises:
        ConfigError: no such dataset; names those that there are.
    """
    known = contracts()
    if dataset_id in known:
        return known[dataset_id]
    close = difflib.get_close_matches(dataset_id, known, n=1, cutoff=0.4)
    others = f"the datasets are {', '.join(known)}" if known else "there are none yet"
    hint = f"did you mean {close[0]}?" if close else others
    raise ConfigError(f"unknown dataset {dataset_id!r}: {hint} (a dataset is a file in contracts/)")
