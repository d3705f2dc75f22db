"""A warehouse for each test, and the ways a batch is put through it without Prefect."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from sluice.cli import app
from sluice.contract.contract import Contract
from sluice.contract.gate import AuditReport, Decision, decide
from sluice.ledger import loads, schema
from sluice.source import fetch
from sluice.source.files import Listing
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import connect
from sluice.warehouse.embedded import READER
from sluice.warehouse.warehouse import Warehouse, utc_now


def connector_for(url: sa.URL) -> SqlAlchemyConnector:
    """The block a user would make for a database."""
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            username=url.username,
            password=url.password,
            host=url.host,
            port=url.port,
            database=url.database,
            query={key: str(value) for key, value in url.query.items()},
        )
    )


@contextmanager
def new_warehouse(url: sa.URL, now: Callable[[], datetime] = utc_now) -> Iterator[Warehouse]:
    """A database with an empty ledger, and the clock that incidents are dated by."""
    opened = replace(connect(connector_for(url), "test", "postgres"), now=now)
    with opened.engine.begin() as connection:
        if schema.state(connection) is not schema.State.CURRENT:  # where it is no copy of a template that has it
            schema.create(connection)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def warehouse(warehouse_url: sa.URL) -> Iterator[Warehouse]:
    """An empty warehouse, once on the embedded PostgreSQL and once on a stock one."""
    with new_warehouse(warehouse_url) as opened:
        yield opened


@dataclass
class Delivered:
    """What became of one delivery."""

    batch: Batch
    report: AuditReport
    decision: Decision


def put_through(
    warehouse: Warehouse, contract: Contract, batch_name: str, path: Path | Listing, downloads: Path
) -> Delivered:
    """Put a file, or several as they were listed, through load, audit, gate, and publish or hold."""
    warehouse.data.make_tables(warehouse.engine, contract)
    warehouse.data.verify_tables(warehouse.engine, contract)
    file = fetch.fetch(path if isinstance(path, Listing) else fetch.look(str(path)), downloads)
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, contract, batch_name, file, None)
    try:
        with open_rows(file, contract, batch_name) as stream:
            batch = load.load(warehouse, contract, batch, stream)
        report = audit.audit(warehouse, contract, batch)
    except Exception as error:
        publish.fail(warehouse, contract, batch, str(error))
        raise
    with warehouse.engine.begin() as connection:
        known = loads.known(connection, contract, batch)
    decision = decide(contract.gate, report, known)
    (publish.publish if decision.open else publish.hold)(warehouse, contract, batch, report, decision)
    return Delivered(batch, report, decision)


@pytest.fixture
def deliver(warehouse: Warehouse, tmp_path: Path) -> Callable[[Contract, str, Path | Listing], Delivered]:
    """Put a file, or several as they were listed, through load, audit, gate, and publish or hold."""

    def put(contract: Contract, batch_name: str, path: Path | Listing) -> Delivered:
        return put_through(warehouse, contract, batch_name, path, tmp_path / "downloads")

    return put


@pytest.fixture
def rows(warehouse: Warehouse) -> Callable[..., Sequence[sa.Row]]:
    """Rows of a query."""

    def query(text: str, **values: object) -> Sequence[sa.Row]:
        with warehouse.engine.connect() as connection:
            return connection.execute(sa.text(text), values).all()

    return query


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def engine(database: sa.URL) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def sluice(
    request: pytest.FixtureRequest,
    prefect_server: str,
    quick_project: Path,
    database: sa.URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Said]:
    """The command line, in a warehouse of its own that a block names, for the example without its dbt tests."""
    if "SLUICE_PROJECT" not in os.environ and request.node.get_closest_marker("whole_project") is None:
        monkeypatch.setenv("SLUICE_PROJECT", str(quick_project))
    block = f"warehouse-{str(database.database).replace('_', '-')}"
    connector_for(database).save(block)
    monkeypatch.setenv("SLUICE_WAREHOUSE", block)
    connector_for(database.set(username=READER)).save(f"{block}-reader")
    monkeypatch.setenv("SLUICE_READER", f"{block}-reader")
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(logging, "raiseExceptions", False)  # of handlers that hold a stream pytest has closed

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            app.main(list(arguments))
        said = capfd.readouterr()
        return Said(int(stop.value.code or 0), said.out, said.err)

    return call
