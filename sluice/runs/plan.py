"""Which deliveries a run looks at, and why a file counts as new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import sqlalchemy as sa

from sluice.contract.batches import EachFile
from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, SluiceError
from sluice.contract.registry import load_order
from sluice.contract.sources import ROWS, TABLE, Rows, Table
from sluice.project.datasets import contract_for, contracts
from sluice.source import fetch
from sluice.source.addresses import Address, discover, expand, filled, is_remote, reveal
from sluice.source.files import Listing, SourceFile, SourceMissing
from sluice.source.parts import several
from sluice.source.python import spool
from sluice.staging.loader_tables import source_table
from sluice.warehouse.connection import look_into_warehouse


@dataclass(frozen=True)
class Delivery:
    """One batch that a run looks at.

    Attributes:
        address: its name; of a file that is yet to be fetched, one that also opens it (`Address`).
        asked: whether a person named the batch, so that a missing file is an error and not just early.
        problem: why the dataset's folder or table could not be looked at whole, and the delivery then stands for no
            batch (empty); or why a batch of a table cannot be loaded.
        found: of a table, the batch that is in it.
        listing: what is known of its file or files, where their folder was listed.
        known: the ledger's row of the load that readers have, once a run holds the dataset: nobody changes it then.
    """

    contract: Contract
    batch: str
    address: str
    asked: bool
    problem: SluiceError | None = None
    found: SourceFile | None = None
    listing: Listing | None = None
    known: sa.Row | None = None

    def __str__(self) -> str:
        return f"{self.contract} {self.batch}".rstrip()


def deliveries(datasets: Sequence[str] | None, batches: Sequence[str] | None, url: str | None) -> list[Delivery]:
    """The deliveries of a run, by dataset and batch order; a dataset comes after those that it references.

    Raises:
        ConfigError: an unknown dataset, an invalid batch, a template that does not fit.
    """
    chosen = [contract_for(name) for name in datasets] if datasets else list(contracts().values())
    if not chosen:
        raise ConfigError("the project has no dataset yet. Draft one: sluice new SOURCE ENTITY --from FILE")
    found = [delivery for contract in load_order(chosen) for delivery in _of_dataset(contract, batches, url)]
    if not found:
        raise ConfigError(f"nothing to load: {'; '.join(_no_file(contract, url) for contract in chosen)}")
    return found


def _no_file(contract: Contract, url: str | None) -> str:
    kind, address = contract.files.batches, Address(url or contract.files.url)
    if isinstance(kind, EachFile):
        return f"no file of {contract} in {address} matches {kind.pattern}"
    return f"no file of {contract} matches {address}"


def _of_dataset(contract: Contract, batches: Sequence[str] | None, url: str | None) -> list[Delivery]:
    if isinstance(contract.files, Rows) and not url:
        called = sorted(set(batches or contract.files.batches.due(datetime.now(UTC))))
        for batch in called:
            contract.files.batches.validate(batch)
        return [Delivery(contract, batch, spool.address_of(contract, batch), bool(batches)) for batch in called]
    if isinstance(contract.files, Table) and not url:
        return _of_table(contract, batches)
    template = reveal(url) if url else contract.files.url
    if isinstance(contract.files.batches, EachFile):
        found = _of_folder(contract, contract.files.batches, template, batches)
        return found if found or url else [_none_yet(contract, filled(template, contract, ""), template)]
    if several.is_of_several(template):
        return _of_several(contract, template, batches, bool(batches or url))
    asked = bool(batches or url)
    if batches:
        names: Iterable[str] = sorted(set(batches))
    elif is_remote(template):
        names = contract.files.batches.due(datetime.now(UTC))
    else:
        names = discover(template, contract)
    addresses = expand(template, contract, names)
    return [Delivery(contract, batch, address, asked) for batch, address in addresses.items()]


def _of_table(contract: Contract, batches: Sequence[str] | None) -> list[Delivery]:
    asked = bool(batches)
    for batch in batches or ():
        contract.files.batches.validate(batch)
    found = source_table.find(look_into_warehouse(), contract)
    deliveries = []
    if source_table.WHOLE in found:  # a separate incident, and not one of each batch that comes due meanwhile
        batches = None
    for batch in sorted(set(batches or found)):
        address = source_table.address_of(contract, batch)
        there = found.get(batch, SourceMissing(f"{address}: the table has no row of this batch"))
        what = {"problem": there} if isinstance(there, SluiceError) else {"found": there}
        deliveries.append(Delivery(contract, batch, address, asked, **what))
    return deliveries


def seen_whole(delivery: Delivery) -> bool:
    """Whether the folder or table of its dataset was looked at whole, and nothing is wrong with that."""
    return bool(delivery.batch) and (was_listed(delivery) or delivery.address.startswith(f"{TABLE}://"))


def was_listed(delivery: Delivery) -> bool:
    """Whether its file or files were found by a list of their folder."""
    each = bool(delivery.batch) and isinstance(delivery.contract.files.batches, EachFile)
    return each or delivery.listing is not None


def is_of_function(address: str) -> bool:
    """Whether a function of the project gives the delivery, and no file."""
    return address.startswith(f"{ROWS}://")


def look(delivery: Delivery) -> Listing | SourceFile:
    """What is known of a delivery without reading it; raises as `fetch.look`."""
    if delivery.problem is not None:
        raise delivery.problem
    if delivery.found is not None:
        return delivery.found
    if delivery.listing is not None:
        return delivery.listing
    if is_of_function(delivery.address):
        return spool.look(delivery.contract, delivery.batch)
    return fetch.look(delivery.address)


def _of_folder(contract: Contract, each: EachFile, template: str, batches: Sequence[str] | None) -> list[Delivery]:
    """A delivery for each file; one more for what is wrong, so that other files and datasets are delivered."""
    folder = filled(template, contract, each.unreal)
    named: dict[str, str] = {}
    files: Mapping[str, Listing] = {}
    try:
        files = fetch.listed(folder)
        named, wrong = each.named(files)
        problem: SluiceError | None = ConfigError(f"{Address(folder)}: {'; '.join(wrong[:5])}") if wrong else None
    except SluiceError as error:
        problem = error
    for batch in batches or ():
        each.validate(batch)
        if problem is None and batch not in named:
            raise ConfigError(f"{contract} {batch}: no file of {Address(folder)} has this name by {each.pattern}")
    found = [Delivery(contract, "", Address(folder), True, problem)] if problem else []
    for batch, path in named.items():
        if not batches or batch in batches:
            known = files[path] if files[path].modified or files[path].etag else None
            found.append(Delivery(contract, batch, Address(f"{folder}{path}"), bool(batches), listing=known))
    return found


def _of_several(contract: Contract, template: str, batches: Sequence[str] | None, asked: bool) -> list[Delivery]:
    """A delivery for each batch that has a file whose name matches."""
    folder = several.folder_of(template, contract)
    for batch in batches or ():
        contract.files.batches.validate(batch)
    try:
        found = several.batches_in(template, contract, fetch.listed(folder))
    except SluiceError as error:
        return [Delivery(contract, "", Address(folder), True, error)]
    deliveries = []
    for batch in sorted(set(batches)) if batches else found:
        address = Address(filled(template, contract, batch))
        if batch in found:
            there = found[batch]
            deliveries.append(Delivery(contract, batch, address, asked, several.too_many(there), listing=there))
        else:
            missing = SourceMissing(f"{address}: no file matches; check the path, or use another with --url")
            deliveries.append(Delivery(contract, batch, address, asked, missing))
    return deliveries or ([] if asked else [_none_yet(contract, folder, template)])


def _none_yet(contract: Contract, folder: str, template: str) -> Delivery:
    """Of a folder that was listed and has no file of the dataset: an ordinary night, which ends its incident."""
    return Delivery(contract, "", Address(folder), False, SourceMissing(_no_file(contract, template)))


def by_dataset(found: Iterable[Delivery]) -> list[list[Delivery]]:
    """The deliveries in groups of one dataset."""
    return [list(group) for _, group in groupby(found, key=lambda delivery: delivery.contract.dataset_id)]


def news(contract: Contract, file: Listing | SourceFile, known: sa.Row | None) -> tuple[str, ...]:
    """Why the file is to be loaded; empty if readers already have this very file, audited by this very contract.

    Args:
        known: the ledger's row of the load that readers have, if the batch is published.
    """
    if known is None:
        return ("never loaded",)
    reasons = () if known.contract_version == version_of(contract) else ("contract changed",)
    if isinstance(file, SourceFile):
        return reasons if known.sha256 == file.sha256 else (*reasons, "file changed: its content")
    if file.etag is None and file.modified is None:
        if is_of_function(file.address):
            return (*reasons, "its function names no version: it must be called to compare its rows")
        return (*reasons, "its server sends neither ETag nor time: the file must be fetched to compare it")
    pairs = {
        "address": (str(file.address), str(Address(known.address))),
        "ETag": (file.etag, known.etag),
        "size": (known.bytes if file.size is None else file.size, known.bytes),
        "time": (file.modified, known.modified),
    }
    changed = [f"{name} {now}, was {before}" for name, (now, before) in pairs.items() if now != before]
    return (*reasons, f"file changed: {'; '.join(changed)}") if changed else reasons
