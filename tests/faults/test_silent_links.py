"""A link on which no answer comes any more, though nobody ended it: it is not waited on for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.cli import exit_codes
from sluice.ledger import loads
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging import load
from sluice.warehouse.postgres import session
from sluice.warehouse.warehouse import Warehouse
from tests.faults.test_lost_commits import put
from tests.integration.conftest import new_warehouse
from tests.support.proxy import Link, Proxy, proxied
from tests.support.shops import contract, good_lines, write


@pytest.fixture
def proxy(database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(session, "SILENT", 0.3)
    monkeypatch.setattr(session, "ANSWER", 0.3)
    with proxied(database) as made:
        yield made


@pytest.fixture
def far(proxy: Proxy) -> Iterator[Warehouse]:
    """A warehouse behind the proxy."""
    with new_warehouse(proxy.url) as opened:
        yield opened


@pytest.mark.parametrize("point", ["BEGIN #3", "end of COPY #1"])
def test_a_load_whose_server_falls_silent_ends_as_an_error_of_a_tool_and_the_next_one_is_whole(
    far: Warehouse, proxy: Proxy, tmp_path: Path, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def silence(_link: Link, message: bytes) -> bytes:
        proxy.silent = True  # every byte is taken, by new connections too, and none comes back
        return message

    orders = contract()
    path = write(tmp_path / "orders_2021-01.csv", good_lines(5))
    file = fetch.fetch(fetch.look(str(path)), tmp_path)
    far.data.make_tables(far.engine, orders)

    def begin_and_load() -> None:
        with far.engine.begin() as connection:
            batch = loads.begin(connection, orders, "2021-01", file, None)
        with open_rows(file, orders, "2021-01") as stream:
            load.load(far, orders, batch, stream)
        with far.engine.begin() as connection:
            connection.execute(sa.text("SELECT 1"))

    proxy.at(point, silence)
    with pytest.raises(SystemExit) as stop:
        exit_codes.end(begin_and_load)
    said = capsys.readouterr().err
    assert (stop.value.code, proxy.cut) == (3, 1)
    assert "gave no answer" in said
    assert said.strip().count("\n") == 0

    proxy.silent = False
    put(far, orders, path)
    with far.engine.connect() as connection:
        statuses = connection.scalars(sa.text("SELECT status FROM ops.batches ORDER BY load_id")).all()
        assert statuses == ["abandoned", "published"]
        assert connection.scalar(sa.text("SELECT count(*) FROM staging.shop__orders")) == 5


def test_an_answer_that_got_lost_is_not_waited_for_once_the_server_has_done_what_was_asked(
    far: Warehouse, proxy: Proxy
) -> None:
    def mute(link: Link, message: bytes) -> bytes:
        link.mute.set()
        return message

    proxy.at("SELECT ?, ? #1", mute)
    with pytest.raises(sa.exc.OperationalError, match="gave no answer"), far.engine.connect() as connection:
        connection.execute(sa.text("SELECT 1, 2"))
    with far.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 2")) == 2


def test_a_server_that_works_for_long_is_waited_for(far: Warehouse) -> None:
    with far.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1 FROM pg_sleep(3)")) == 1


@pytest.mark.parametrize(("size", "pause"), [(1 << 16, 0.02), (7, 0.0)], ids=["slow", "in slices"])
def test_a_load_over_a_link_that_is_slow_or_passes_few_bytes_at_once_is_whole(
    far: Warehouse, proxy: Proxy, tmp_path: Path, size: int, pause: float
) -> None:
    path = write(tmp_path / "orders_2021-01.csv", good_lines(60))
    far.data.make_tables(far.engine, contract())
    proxy.slice, proxy.pause = size, pause
    put(far, contract(), path)
    with far.engine.connect() as connection:
        counted = "SELECT count(*), sum(order_id), min(_batch) FROM staging.shop__orders"
        assert connection.execute(sa.text(counted)).one() == (60, 1830, "2021-01")
