"""Whether a block does what it is for: the warehouse answers and grants its rights, a channel takes a message, a store
answers. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect_sqlalchemy import SqlAlchemyConnector

from contracts.errors import ToolError
from flows import source
from flows.doctor import database, orchestration
from flows.doctor.findings import Finding, fail, ok
from flows.setup.answers import variable
from flows.setup.kinds import CONNECTOR_FIELDS
from flows.setup.needs import Wanted
from flows.source import SourceMissing, SourceRefused, SourceUnavailable
from flows.warehouse import connect


def check(block: Wanted, send: bool) -> Iterator[Finding]:
    """The findings on one block."""
    if block.area == "warehouse":
        yield from _warehouse(block)
    elif block.area == "channels":
        yield orchestration.channel(str(block), block.why, send)
    else:
        yield _storage(block)


def _warehouse(block: Wanted) -> Iterator[Finding]:
    try:
        warehouse = connect(SqlAlchemyConnector.load(block.name), block.name, "postgres", readonly=True)
    except ToolError as error:
        first, *others = (variable(block, field) for field in CONNECTOR_FIELDS)
        values = ", ".join([first, *(f"_{other.rpartition('_')[2]}" for other in others)])
        yield fail(block.area, str(error), f"What is wrong in the block is set anew by {values}, then: sluice setup")
        return
    try:
        yield from database.settings(warehouse)
        yield from database.rights(warehouse)
        yield from database.clocks(warehouse)
    finally:
        warehouse.engine.dispose()


def _storage(block: Wanted) -> Finding:
    try:
        source.look(block.address)
    except (SourceRefused, SourceUnavailable) as error:
        return fail(block.area, str(error), "See its credentials and bucket, then: sluice setup")
    except SourceMissing:
        return ok(block.area, f"{block} answers; {block.address} is not there yet")
    return ok(block.area, f"{block} answers; {block.address} is there")
