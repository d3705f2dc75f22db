"""Finds every CONTRACT in contracts/datasets/. The files there are the only ones a user adds for a new dataset."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from contracts import datasets
from contracts.contract import Contract
from contracts.errors import ConfigError, ContractError


@cache
def contracts() -> dict[str, Contract]:
    """Every contract by dataset id, in alphabetical order.

    Raises:
        ContractError: a file cannot be imported, has no CONTRACT, or two name the same dataset.
    """
    found: dict[str, Contract] = {}
    for module in sorted(pkgutil.iter_modules(datasets.__path__), key=lambda m: m.name):
        if module.name.startswith("_"):  # shared by datasets, none itself
            continue
        contract = _load(f"{datasets.__name__}.{module.name}")
        if contract.dataset_id in found:
            raise ContractError(f"two files of contracts/datasets/ declare {contract.dataset_id}")
        found[contract.dataset_id] = contract
    return dict(sorted(found.items()))


def contract_for(dataset_id: str) -> Contract:
    """The contract of one dataset.

    Raises:
        ConfigError: no such dataset; names those that there are.
    """
    known = contracts()
    if dataset_id in known:
        return known[dataset_id]
    close = difflib.get_close_matches(dataset_id, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    raise ConfigError(f"unknown dataset {dataset_id!r}: {hint} (a dataset is a file in contracts/datasets/)")


def _load(name: str) -> Contract:
    file = f"{name.replace('.', '/')}.py"
    try:
        module = importlib.import_module(name)
    except ContractError:
        raise
    except Exception as error:
        # A contract is a user's code: whatever it raises is a fault of that one file, and must name it.
        raise ContractError(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    contract = getattr(module, "CONTRACT", None)
    if not isinstance(contract, Contract):
        raise ContractError(f"{file} has no CONTRACT: end it with CONTRACT = Contract(...)")
    return contract
