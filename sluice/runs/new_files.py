"""The file of a delivery, if it is new: looked up, compared with the ledger, fetched; the next ones ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace

from sluice.contract.errors import SluiceError
from sluice.ledger import loads
from sluice.project.paths import home
from sluice.runs import logs, tasks
from sluice.runs.plan import Delivery, is_of_function, news
from sluice.runs.progress import IN_GROUP
from sluice.source import download_cache, fetch
from sluice.source.addresses import is_remote
from sluice.source.files import Listing, SourceFile
from sluice.source.python import spool
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.postgres.transactions import transaction

Bring = Callable[[Delivery], SourceFile | None]
Bringing = Callable[[Sequence[Delivery]], AbstractContextManager[Bring]]


@contextmanager
def one_by_one(deliveries: Sequence[Delivery]) -> Iterator[Bring]:  # noqa: ARG001
    """Each file when it is its turn."""
    yield new_file


@contextmanager
def ahead(deliveries: Sequence[Delivery], bring: Bring, parallel: int) -> Iterator[Bring]:
    """`bring`, but what comes next is on its way already.

    At most `parallel` files are on their way or wait at any moment, besides the one that is being loaded. The first
    begins with the first call, so the caller must hold its lock before; calls come in the deliveries' order.
    An error is raised when its delivery is requested.
    """
    following = iter(deliveries)
    begun: dict[str, Future[SourceFile | None]] = {}
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="sluice-ahead") as threads:

        def begin() -> None:
            for delivery in following:
                # Prefect finds the flow run that a task belongs to in the context
                begun[delivery.batch] = threads.submit(copy_context().run, bring, delivery)
                if len(begun) >= parallel:
                    return

        def brought(delivery: Delivery) -> SourceFile | None:
            if delivery.batch not in begun:
                begin()
            try:
                return begun[delivery.batch].result()
            finally:
                del begun[delivery.batch]
                begin()

        try:
            yield brought
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def sorted_out(deliveries: Sequence[Delivery]) -> tuple[list[Delivery], set[str]]:
    """The deliveries of a dataset, with what is known of their files where that costs nothing, and what readers have
    of each, by one question to the ledger; and the batches of which that is what the source has."""
    contract = deliveries[0].contract
    with transaction(open_warehouse().engine, f"{contract}: what is published cannot be looked up") as connection:
        known = loads.readers_have(connection, contract.dataset_id)
    looked = [replace(_looked_at(delivery), known=known.get(delivery.batch)) for delivery in deliveries]
    same = set()
    for each in looked:
        file = each.found or each.listing
        if each.problem is None and file is not None and unchanged(each, file):
            same.add(each.batch)
    return looked, same


def _looked_at(delivery: Delivery) -> Delivery:
    """A file of this machine is looked at here. What is wrong with it is found by the step that brings it."""
    known = delivery.problem or delivery.found or delivery.listing
    if known is None and not is_remote(delivery.address) and not is_of_function(delivery.address):
        with suppress(SluiceError):
            return replace(delivery, listing=fetch.look(delivery.address))
    return delivery


def unchanged(delivery: Delivery, file: Listing | SourceFile) -> bool:
    """Whether readers already have this very file, audited by this very contract."""
    return not news(delivery.contract, file, delivery.known)


def fetched(listing: Listing) -> SourceFile:
    """The file here; fetched again if what a former run fetched is gone, or another file lies in its place."""
    if IN_GROUP.get():
        return tasks.run(tasks.fetch, listing)
    file: SourceFile = tasks.fetch(listing)
    for part in file.parts or (file,):
        download_cache.used(part.path, home() / "downloads")
    return file if file.is_same() else tasks.fetch.with_options(refresh_cache=True)(listing)


def new_file(delivery: Delivery) -> SourceFile | None:
    """The delivery's file, looked at and brought here; None if readers already have it."""
    with logs.about(delivery.contract.dataset_id, delivery.batch):  # it may be called ahead, in a separate thread
        if delivery.problem is not None:
            raise delivery.problem
        if delivery.found is not None:
            return None if unchanged(delivery, delivery.found) else delivery.found
        if is_of_function(delivery.address):
            named = spool.look(delivery.contract, delivery.batch)
            if unchanged(delivery, named):
                return None
            file = tasks.run(tasks.call, delivery.contract.dataset_id, named, delivery.batch)
        else:
            listing = delivery.listing or tasks.run(tasks.look, delivery.address)
            if unchanged(delivery, listing):
                return None
            file = fetched(listing)
        return None if unchanged(delivery, file) else file


def begin_load(delivery: Delivery, file: SourceFile, run_id: str | None) -> Batch:
    """Write the load into the ledger, committed before the first row moves."""
    with transaction(open_warehouse().engine, f"{delivery}: the load could not be begun") as connection:
        return loads.begin(connection, delivery.contract, delivery.batch, file, run_id)
