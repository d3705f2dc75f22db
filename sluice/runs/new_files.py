"""The file of a delivery, if it is new: looked up, compared with the ledger, fetched; the next ones ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

from sluice.ledger import loads
from sluice.project.paths import home
from sluice.runs import logs, tasks
from sluice.runs.plan import Delivery, is_of_function, news
from sluice.source import download_cache
from sluice.source.files import Listing, SourceFile
from sluice.source.python import spool
from sluice.warehouse import warehouse
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.postgres.transactions import transaction

Bring = Callable[[Delivery], SourceFile | None]


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


def unchanged(delivery: Delivery, file: Listing | SourceFile) -> bool:
    """Whether readers already have this very file, audited by this very contract."""
    with transaction(open_warehouse().engine, f"{delivery}: what is published cannot be looked up") as connection:
        known = loads.published(connection, delivery.contract.dataset_id, delivery.batch)
    return not news(delivery.contract, file, known)


def fetched(listing: Listing) -> SourceFile:
    """The file here; fetched again if what a former run fetched is gone, or another file lies in its place."""
    file: SourceFile = tasks.fetch(listing)
    download_cache.used(file.path, home() / "downloads")
    return file if file.is_same() else tasks.fetch.with_options(refresh_cache=True)(listing)


def new_file(delivery: Delivery) -> SourceFile | None:
    """The delivery's file, looked at and brought here; None if readers already have it."""
    with logs.about(delivery.contract.dataset_id, delivery.batch):  # it may be called ahead, in a thread of its own
        if delivery.problem is not None:
            raise delivery.problem
        if delivery.found is not None:
            return None if unchanged(delivery, delivery.found) else delivery.found
        if is_of_function(delivery.address):
            named = spool.look(delivery.contract, delivery.batch)
            if unchanged(delivery, named):
                return None
            file = tasks.call(delivery.contract.dataset_id, named, delivery.batch)
        else:
            listing = tasks.look(delivery.address)
            if unchanged(delivery, listing):
                return None
            file = fetched(listing)
        return None if unchanged(delivery, file) else file


def begin_load(delivery: Delivery, file: SourceFile, run_id: str | None) -> warehouse.Batch:
    """Write the load into the ledger, committed before the first row moves."""
    with transaction(open_warehouse().engine, f"{delivery}: the load could not be begun") as connection:
        return loads.begin(connection, delivery.contract, delivery.batch, file, run_id)
