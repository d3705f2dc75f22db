"""The contracts that a change adds, removes or changes, and what the changed ones make of the last batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, ContractError
from sluice.contract.exchange.difference import differences
from sluice.contract.registry import load_contracts
from sluice.project import paths
from sluice.project.datasets import contracts
from sluice.review import rejudge
from sluice.review.base import Base
from sluice.review.verdicts import ContractChange
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

NO_WAREHOUSE = "there is no warehouse to judge rows of"


def changed(was: Mapping[str, Contract], warehouse: Warehouse | None, batches: int) -> tuple[ContractChange, ...]:
    """Every contract that is not what it was, by dataset.

    Args:
        was: the contracts of the base.
        warehouse: None where none was ever made.
        batches: how many of the last ones are judged.

    Raises:
        ConfigError: the contracts of the project cannot be loaded.
        ToolError: the warehouse failed.
    """
    now = contracts()
    return tuple(_change(name, was.get(name), now.get(name), warehouse, batches) for name in _differing(was, now))


def as_they_were(base: Base) -> Mapping[str, Contract]:
    """The contracts of the base, by dataset.

    Raises:
        ConfigError: they cannot be loaded.
    """
    folder = paths.project_in(base.root).folder("contracts") if base.root is not None else None
    if folder is None or not folder.is_dir():
        return {}
    try:
        return load_contracts(folder)
    except ContractError as error:
        raise ConfigError(f"the contracts of {base} cannot be loaded: {error}") from None


def _differing(was: Mapping[str, Contract], now: Mapping[str, Contract]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        if name not in was or name not in now or differences(was[name], now[name]):
            yield name


def _change(
    name: str, old: Contract | None, new: Contract | None, warehouse: Warehouse | None, batches: int
) -> ContractChange:
    if old is None or new is None:
        return ContractChange(name, "new" if old is None else "gone")
    changes = differences(old, new)
    if version_of(old) == version_of(new):
        return ContractChange(name, "changed", changes)
    if warehouse is None:
        return ContractChange(name, "changed", changes, not_judged=(NO_WAREHOUSE,))
    with transaction(warehouse.engine, f"{name}: the ledger cannot be read") as connection:
        found = rejudge.last_loads(connection, name, batches)
    if not found:
        return ContractChange(name, "changed", changes, not_judged=("no batch of it was loaded yet",))
    judged = tuple(rejudge.judge(warehouse, old, new, load) for load in found)
    return ContractChange(name, "changed", changes, judged, tuple(_of_files(old, new)))


def _of_files(old: Contract, new: Contract) -> Iterator[str]:
    """What differs in how files are read: the loaded rows were read as before."""
    was = {column.name: column for column in old.columns}
    for column in new.columns:
        before = was.get(column.name)
        if before is not None and (before.sources, before.format, before.null_values) != (
            column.sources,
            column.format,
            column.null_values,
        ):
            yield f"column {column.name} is read in another way from files; only a file shows it: sluice check FILE"
