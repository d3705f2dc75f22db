"""A link that breaks at a COMMIT, before it or before its answer: what was done is known, and nothing is done twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.cli import exit_codes
from sluice.contract.contract import Contract
from sluice.contract.errors import ToolError
from sluice.contract.gate import decide
from sluice.ledger import builds, loads
from sluice.runs import lifecycle
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging import audit, load, publish
from sluice.warehouse import embedded
from sluice.warehouse.embedded import location
from sluice.warehouse.postgres.transactions import Unknown, settled, transaction
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import new_warehouse
from tests.integration.marts.test_marts import Night
from tests.support.proxy import Proxy, proxied
from tests.support.shops import contract, good_lines, write


@pytest.fixture
def proxy(database: sa.URL) -> Iterator[Proxy]:
    with proxied(database) as made:
        yield made


@pytest.fixture
def far(proxy: Proxy) -> Iterator[Warehouse]:
    """A warehouse behind the proxy."""
    with new_warehouse(proxy.url) as opened:
        yield opened


def put(warehouse: Warehouse, orders: Contract, path: Path) -> None:
    """A file's way from the first row on, as the steps of a flow take it."""
    file = fetch.fetch(fetch.look(str(path)), path.parent)
    with transaction(warehouse.engine, "begin") as connection:
        batch = loads.begin(connection, orders, "2021-01", file, None)
    try:
        with open_rows(file, orders, "2021-01") as stream:
            batch = load.load(warehouse, orders, batch, stream)
        report = audit.audit(warehouse, orders, batch)
        decision = decide(orders.gate, report, None)
        (publish.publish if decision.open else publish.hold)(warehouse, orders, batch, report, decision)
    except ToolError as error:
        publish.fail(warehouse, orders, batch, error)
        raise


@pytest.mark.parametrize("verdict", ["published", "held"])
@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_batch_comes_in_once_whichever_commit_of_its_load_is_cut(
    far: Warehouse, proxy: Proxy, tmp_path: Path, mode: str, verdict: str
) -> None:
    orders = contract()
    bad = [line.replace("north", "west") for line in good_lines(9, first=100)] if verdict == "held" else []
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(5), *bad])
    far.data.make_tables(far.engine, orders)
    put(far, orders, path)
    for number in itertools.count(1):
        proxy.cut_at(number, mode)
        try:
            put(far, orders, path)
        except ToolError as error:
            assert mode == "before", error  # noqa: PT017 - what was done is known, so nothing is wrong
        if not proxy.cut:
            break
        proxy.cut_at(0, mode)
        if mode == "before":
            put(far, orders, path)
        with far.engine.connect() as connection:
            count = "SELECT count(*) FROM ops.batches WHERE status IN ('started', 'published', 'held')"
            assert connection.scalar(sa.text(count)) == 1
            assert connection.scalar(sa.text(f"SELECT count(*) FROM ops.batches WHERE status = '{verdict}'")) == 1
            rows = connection.scalar(sa.text("SELECT count(*) FROM staging.shop__orders"))
            assert rows == (5 if verdict == "published" else 0)
    assert number > 3


@pytest.mark.parametrize("mode", ["before", "after"])
def test_the_marts_are_published_once_whichever_commit_of_it_is_cut(
    night: Night, far: Warehouse, proxy: Proxy, mode: str
) -> None:
    remote = replace(night, warehouse=far)
    for number in itertools.count(1):
        built = night.build()
        proxy.cut_at(number, mode)
        remote.publish(built)  # neither a publish that went through nor a broken link is an error
        assert night.seen() == {night.version}
        with far.engine.connect() as connection:
            last = builds.newest(connection)
            shown = connection.scalar(sa.text("SELECT count(*) FROM ops.publications"))
        assert (last is not None and last.status, shown) == ("published", number)
        if not proxy.cut:
            break
    assert number > 1


@pytest.mark.long
def test_a_number_that_a_crashed_server_gave_to_another_transaction_is_not_taken_for_the_first(tmp_path: Path) -> None:
    home = tmp_path / ".sluice"
    engine = sa.create_engine(embedded.start(home).set(username="postgres"), poolclass=sa.NullPool)
    others = sa.create_engine(engine.url, poolclass=sa.NullPool)

    def crash(_: sa.Connection) -> None:  # before the transaction has reached the disk
        place = location.find_place(home)
        place.run("pg_ctl", "-w", "-D", str(place.data), "-m", "immediate", "stop")
        embedded.start(home)
        for _again in range(5):
            with others.begin() as connection:
                connection.execute(sa.text("INSERT INTO notes VALUES ('another')"))

    try:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE notes (note text)"))
        sa.event.listen(engine, "commit", crash, once=True)
        with pytest.raises(Unknown, match="the server has crashed since"), settled(engine) as connection:
            connection.execute(sa.text("INSERT INTO notes VALUES ('the first')"))
        with others.connect() as connection:
            assert set(connection.scalars(sa.text("SELECT note FROM notes"))) == {"another"}
    finally:
        embedded.remove(home)


def test_an_error_of_the_driver_that_nobody_expected_ends_a_command_with_one_message_and_code_3(
    database: sa.URL, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = sa.create_engine(database.set(host="127.0.0.1", port=1, query={}))
    with pytest.raises(SystemExit) as stop:
        exit_codes.end(lambda: nowhere.connect().close())
    said = capsys.readouterr().err
    assert stop.value.code == 3
    assert said.startswith("sluice: the warehouse failed: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_run_whose_record_is_cut_off_ends_with_one_message_of_a_tool_and_no_open_record(
    far: Warehouse, proxy: Proxy, mode: str
) -> None:
    for number in itertools.count(1):
        proxy.cut_at(number, mode)
        try:
            with lifecycle.running(far, "a run"):
                pass
        except ToolError as error:
            assert mode == "before", error  # noqa: PT017
        if not proxy.cut:
            break
        proxy.cut_at(0, mode)
        with lifecycle.running(far, "a later run"):
            pass
        with far.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM ops.runs WHERE ended_at IS NULL")) == 0
            assert connection.scalar(sa.text("SELECT count(*) FROM ops.incidents WHERE resolved_at IS NULL")) == 0
    assert number > 1
