"""A process that is stopped while it renews PostgreSQL's statistics keeps nobody from publishing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from sluice.warehouse.postgres.rows.batch_tables import analyze_new
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import new_warehouse
from tests.support.proxy import Link, proxied
from tests.support.shops import contract, good_lines, write

HELD = sa.text("SELECT count(*) FROM pg_locks WHERE pid = :backend AND locktype = 'relation'")


def test_between_two_tables_no_lock_is_held(warehouse: Warehouse, deliver: Callable, tmp_path: Path) -> None:
    for batch in ("2021-01", "2021-02"):
        lines = [line.replace("2021-01-", f"{batch}-") for line in good_lines(5)]
        deliver(contract(), batch, write(tmp_path / f"{batch}.csv", lines))
    held: list[int] = []

    def look(link: Link, message: bytes) -> bytes:
        with warehouse.engine.connect() as connection:
            held.append(connection.scalar(HELD, {"backend": link.backend}) or 0)
        return message

    with proxied(warehouse.engine.url) as link, new_warehouse(link.url) as far:
        link.at('ANALYZE "staging"."shop__orders__2021_02" #1', look)
        analyze_new(far.engine)
    assert held == [0]
