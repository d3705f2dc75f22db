"""The table of sources in docs/sources.md: each example is found, brought here and read as the table says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa
from prefect.filesystems import LocalFileSystem
from pytest_httpserver import HTTPServer

import sluice
from sluice.contract.contract import Contract, Files
from sluice.ledger import loads
from sluice.runs import plan
from sluice.source.fetch import fetch
from sluice.source.files import Listing, SourceFile
from sluice.source.python import spool
from sluice.source.readers.row_stream import open_rows
from sluice.staging.loader_tables import source_table
from sluice.warehouse.warehouse import Warehouse
from tests.support import stores
from tests.support.documented import table
from tests.support.stores import BUCKET

SOURCES = [row for row in table("sources.md", "source") if row[0] != "rows that you have"]  # run by test_python_rows.py
CSV = b"id\n1\n"
NAMES = dict(vars(sluice), **{name: getattr(sluice, name) for name in sluice.__all__})


class Orders(pa.DataFrameModel):
    id: sluice.Int = sluice.column("Number of the order.")


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """One kind of server is enough."""
    return database


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that the examples' paths are in."""
    (tmp_path / "sluice.toml").write_text('[project]\nid = "sources"\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    stores.forget_credentials(monkeypatch)
    return tmp_path


@pytest.fixture
def put(here: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Deliver a file to an address of the guide; gives the address at which this test's servers have it."""
    running: list[Any] = []

    def deliver(address: str) -> str:
        scheme, _, rest = address.partition("://")
        if not rest:
            path = here / address
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CSV)
            return address
        if scheme == "https":
            server: HTTPServer = request.getfixturevalue("httpserver")
            server.expect_request(f"/{rest.partition('/')[2]}").respond_with_data(CSV, headers={"ETag": '"1"'})
            return server.url_for(f"/{rest.partition('/')[2]}")
        if scheme == "block":
            request.getfixturevalue("prefect_server")
            (here / "block").mkdir()
            (here / "block" / rest.rpartition("/")[2]).write_bytes(CSV)
            LocalFileSystem(basepath=str(here / "block")).save("shop", overwrite=True)
            return address
        running.append(stores.s3() if scheme == "s3" else stores.gcs())
        store = running[-1].__enter__()
        for name, value in stores.environment(store).items():
            monkeypatch.setenv(name, value)
        return str(store.put(rest.partition("/")[2], CSV))

    yield deliver
    for each in running:
        each.__exit__(None, None, None)


def served(files: Files, documented: str, address: str) -> Files:
    """The contract's argument, for where this test's servers have what the guide's address names."""
    if documented.startswith("https"):
        host = documented[: documented.index("/", 8)]
        return Files(files.url.replace(host, address[: address.index("/", 8)]), files.batches)
    return Files(files.url.replace("://bucket/", f"://{BUCKET}/"), files.batches)


@pytest.mark.parametrize(("source", "declared", "delivery", "batch"), SOURCES, ids=lambda text: text[:40])
def test_a_source_of_the_guide_gives_its_rows(
    source: str,
    declared: str,
    delivery: str,
    batch: str,
    put: Any,
    here: Path,
    warehouse: Warehouse,
    rows: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = dict(NAMES)
    if delivery.startswith("def "):
        exec(delivery, names)
    files = eval(declared, names)
    if isinstance(files, sluice.Table):
        with warehouse.engine.begin() as connection:
            connection.execute(sa.text("create schema raw"))
            connection.execute(sa.text("create table raw.orders (id int, day date)"))
            connection.execute(sa.text(delivery))
        monkeypatch.setattr(plan, "look_into_warehouse", lambda: warehouse)
    elif not isinstance(files, sluice.Rows):
        files = served(files, delivery, put(delivery))
    files = replace(files, ignore=("day",)) if isinstance(files, sluice.Table) else files
    of = Contract("shop", "orders", "me@example.com", Orders, files)
    monkeypatch.setattr(plan, "contracts", lambda: {"shop__orders": of})

    [found] = plan.deliveries(None, [batch], None)
    assert found.batch == batch
    seen = plan.look(found)
    if isinstance(files, sluice.Table):
        assert isinstance(seen, SourceFile)
        warehouse.data.make_tables(warehouse.engine, of)
        with warehouse.engine.begin() as connection:
            load = loads.begin(connection, of, batch, seen, None)
        assert source_table.load(warehouse, of, load).rows == 1
        return
    assert isinstance(seen, Listing)
    file = spool.call(of, seen, batch, here) if isinstance(files, sluice.Rows) else fetch(seen, here / "downloads")
    with open_rows(file, of, batch) as stream:
        assert [row["id"] for part in stream for row in part.to_pylist()] == [1]
