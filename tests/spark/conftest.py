"""One Spark for all of these tests, in this process, and lakes in folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from sluice.warehouse import embedded
from sluice.warehouse.spark.lake import CATALOGUE
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.integration.conftest import new_warehouse
from tests.spark.lakes import Both, lake_in, with_views
from tests.support.ledger_template import ledger_template


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from sluice.warehouse.spark.session import session

    lake = with_views(tmp_path_factory.mktemp("lake"))
    spark = session(lake.master, lake.start)
    for name, value in {**lake.session, "spark.sql.defaultCatalog": CATALOGUE}.items():
        spark.conf.set(name, value)  # of this session alone: those of other lakes have a catalogue of theirs
    spark.sparkContext.setLogLevel("OFF")  # an overflow that is expected fills a screen
    yield spark
    spark.stop()


@pytest.fixture
def new_ledger(postgres_url: URL) -> Iterator[Callable[[], Warehouse]]:
    """Makes warehouses with an empty ledger, whose rows are in PostgreSQL."""
    server = postgres_url.set(username=embedded.OWNER)
    with ExitStack() as opened:

        def make() -> Warehouse:
            url = opened.enter_context(new_database(postgres_url, embedded.OWNER, ledger_template(server)))
            return opened.enter_context(new_warehouse(url.set(username=embedded.OWNER)))

        yield make


@pytest.fixture
def in_lake(spark: Any, new_ledger: Callable[[], Warehouse], tmp_path: Path) -> Warehouse:
    """A warehouse whose rows are in a lake."""
    from sluice.warehouse.spark.engine import Spark

    return replace(new_ledger(), data=Spark(lake_in(tmp_path / "lake")))


@pytest.fixture
def both(in_lake: Warehouse, new_ledger: Callable[[], Warehouse], tmp_path: Path) -> Both:
    """Two warehouses that get the same files."""
    return Both(new_ledger(), in_lake, tmp_path / "downloads")
