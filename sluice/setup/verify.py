"""Whether a block does what it is for: the warehouse answers and grants its rights, a channel takes a message, a store
answers. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect_sqlalchemy import SqlAlchemyConnector

from sluice.contract.errors import ToolError
from sluice.doctor import database, prefect_server, spark
from sluice.doctor.finding import Finding, fail, ok
from sluice.setup.answers import variable
from sluice.setup.block_types import CONNECTOR_FIELDS
from sluice.setup.required_blocks import Wanted
from sluice.source import fetch
from sluice.source.files import SourceMissing, SourceRefused, SourceUnavailable
from sluice.warehouse.connection import connect, named
from sluice.warehouse.reader import MAKE_READER, is_superuser


def check(block: Wanted, send: bool) -> Iterator[Finding]:
    """The findings on one block."""
    if block.area == "warehouse":
        yield from _warehouse(block)
    elif block.area in ("reader", "transformer"):
        yield _other_user(block)
    elif block.area == "engine":
        yield from spark.of_block(block.name)
    elif block.area == "channels":
        yield prefect_server.channel(str(block), block.why, send)
    else:
        yield _storage(block)


def _warehouse(block: Wanted) -> Iterator[Finding]:
    try:
        warehouse = connect(SqlAlchemyConnector.load(block.name), block.name, "postgres", readonly=True)
    except ToolError as error:
        first, *others = (variable(block, field) for field in CONNECTOR_FIELDS)
        values = ", ".join([first, *(f"_{other.rpartition('_')[2]}" for other in others)])
        yield fail(block.area, str(error), f"To correct the block, set {values}, then: sluice setup")
        return
    try:
        yield from database.settings(warehouse)
        yield from database.rights(warehouse)
        yield from database.clocks(warehouse)
    finally:
        warehouse.engine.dispose()


def _other_user(block: Wanted) -> Finding:
    warehouse = named(block.name)
    try:
        if is_superuser(warehouse):
            advice = MAKE_READER if block.area == "reader" else "Make it, with its rights: sluice setup --roles"
            return fail(block.area, f"{block} names a superuser, who may do anything", advice, 5)
    finally:
        warehouse.engine.dispose()
    return ok(block.area, f"{block} {'reads for sluice sql' if block.area == 'reader' else 'transforms'}")


def _storage(block: Wanted) -> Finding:
    try:
        (fetch.listed if block.address.endswith("/") else fetch.look)(block.address)
    except (SourceRefused, SourceUnavailable) as error:
        return fail(block.area, str(error), "Check its credentials and bucket, then: sluice setup")
    except SourceMissing:
        return ok(block.area, f"{block} responds; {block.address} does not exist yet")
    return ok(block.area, f"{block} responds; {block.address} exists")
