"""What a run is to load: which datasets, batches and addresses, and which of them are new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import sqlalchemy as sa

from contracts.contract import Contract
from contracts.errors import ConfigError
from contracts.registry import contract_for, contracts
from contracts.version import version_of
from flows import downloads, ledger, ledger_tables, logs, parents, quarantine, tasks
from flows.addresses import discover, expand, is_remote
from flows.source import Listing, SourceFile
from flows.warehouse import Warehouse, home, open_warehouse


@dataclass(frozen=True)
class Delivery:
    """One batch that a run looks at.

    Attributes:
        asked: whether a person named the batch, so that a missing file is an error and not just early.
    """

    contract: Contract
    batch: str
    address: str
    asked: bool

    def __str__(self) -> str:
        return f"{self.contract} {self.batch}"


def deliveries(datasets: Sequence[str] | None, batches: Sequence[str] | None, url: str | None) -> list[Delivery]:
    """The deliveries of a run, by dataset and batch order.

    Raises:
        ConfigError: an unknown dataset, a batch that is none, a template that does not fit.
    """
    chosen = [contract_for(name) for name in datasets] if datasets else list(contracts().values())
    found = [delivery for contract in chosen for delivery in _of_dataset(contract, batches, url)]
    if not found:
        raise ConfigError(f"nothing to load: no file of {', '.join(map(str, chosen))} matches {url}")
    return found


def _of_dataset(contract: Contract, batches: Sequence[str] | None, url: str | None) -> list[Delivery]:
    template = url or contract.files.url
    asked = bool(batches or url)
    if batches:
        names: Iterable[str] = sorted(set(batches))
    elif is_remote(template):
        names = contract.files.batches.due(datetime.now(UTC).date())
    else:
        names = discover(template, contract)
    addresses = expand(template, contract, names)
    return [Delivery(contract, batch, address, asked) for batch, address in addresses.items()]


def by_dataset(found: Iterable[Delivery]) -> list[list[Delivery]]:
    """The deliveries in groups of one dataset."""
    return [list(group) for _, group in groupby(found, key=lambda delivery: delivery.contract.dataset_id)]


def ensure_tables(warehouse: Warehouse) -> None:
    """Make the ledger, and every dataset's tables: dbt's sources must be there before the first batch is."""
    with warehouse.engine.begin() as connection:
        ledger_tables.create(connection)
    for contract in contracts().values():
        parents.make(warehouse, contract)


def expire(warehouse: Warehouse) -> None:
    """Drop what contracts say is too old to keep, and downloads that nothing needs any more."""
    downloads.expire(home() / "downloads")
    for contract in contracts().values():
        quarantine.expire(warehouse, contract)


def unchanged(delivery: Delivery, file: Listing | SourceFile) -> bool:
    """Whether readers already have this very file, audited by this very contract."""
    with open_warehouse().engine.begin() as connection:
        known = ledger.published(connection, delivery.contract.dataset_id, delivery.batch)
    return not news(delivery.contract, file, known)


def news(contract: Contract, file: Listing | SourceFile, known: sa.Row | None) -> tuple[str, ...]:
    """Why the file is to be loaded; empty if readers already have this very file, audited by this very contract.

    Args:
        known: the ledger's row of the load that readers have, if the batch is published.
    """
    if known is None:
        return ("never loaded",)
    reasons = () if known.contract_version == version_of(contract) else ("contract changed",)
    if isinstance(file, SourceFile):
        return reasons if known.sha256 == file.sha256 else (*reasons, "file changed: its bytes")
    if file.etag is None and file.modified is None:
        return (*reasons, "its server gives neither ETag nor time: only its bytes can tell")
    pairs = {
        "address": (file.address, known.address),
        "ETag": (file.etag, known.etag),
        "size": (file.size, known.bytes),
        "time": (file.modified, known.modified),
    }
    changed = [f"{name} {now}, was {before}" for name, (now, before) in pairs.items() if now != before]
    return (*reasons, f"file changed: {'; '.join(changed)}") if changed else reasons


def fetched(listing: Listing) -> SourceFile:
    """The file here; fetched again if what a former run fetched is gone."""
    file: SourceFile = tasks.fetch(listing)
    downloads.used(file.path, home() / "downloads")
    return file if file.path.exists() else tasks.fetch.with_options(refresh_cache=True)(listing)


def new_file(delivery: Delivery) -> SourceFile | None:
    """The delivery's file, looked at and brought here; None if readers already have it."""
    with logs.about(delivery.contract.dataset_id, delivery.batch):  # it may be called ahead, in a thread of its own
        listing = tasks.look(delivery.address)
        if unchanged(delivery, listing):
            return None
        file = fetched(listing)
        return None if unchanged(delivery, file) else file


def begin(delivery: Delivery, file: SourceFile, run_id: str | None) -> ledger.Batch:
    """Write the load into the ledger, committed before the first row moves."""
    with open_warehouse().engine.begin() as connection:
        return ledger.begin(connection, delivery.contract, delivery.batch, file, run_id)
