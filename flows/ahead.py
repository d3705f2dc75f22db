"""Bring the next deliveries here while one is being loaded: bounded, and handed over in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

from flows.plan import Delivery
from flows.source import SourceFile

Bring = Callable[[Delivery], SourceFile | None]


@contextmanager
def ahead(deliveries: Sequence[Delivery], bring: Bring, parallel: int) -> Iterator[Bring]:
    """`bring`, but what comes next is on its way already.

    At most `parallel` files are on their way or wait at any moment, besides the one that is being loaded. The first
    begins with the first call, so whoever must hold a lock before holds it; calls come in the deliveries' order.
    An error is raised to whoever asks for its delivery.
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
