"""A run that lost a dataset to a later one does not alert anybody to what that one has judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.contract.errors import ToolError
from sluice.runs import lifecycle
from sluice.runs.plan import Delivery
from sluice.warehouse.warehouse import Warehouse
from tests.support import shops

BROKEN = ToolError("the load could not be begun: the link broke")


def test_an_error_is_alerted_unless_a_later_run_has_judged_the_batch(
    warehouse: Warehouse,
    deliver: Callable[..., Any],
    rows: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "open_warehouse", lambda: warehouse)
    contract = shops.contract()
    january, february = (Delivery(contract, batch, f"{batch}.csv", True) for batch in ("2021-01", "2021-02"))

    def alerts() -> list[str]:
        return [subject for (subject,) in rows("SELECT subject FROM ops.incidents WHERE kind = 'batch_failed'")]

    deliver(contract, "2021-01", shops.write(tmp_path / "first.csv", shops.good_lines(3)))
    with lifecycle.taken(january):
        deliver(
            contract, "2021-02", shops.write(tmp_path / "second.csv", shops.good_lines(4, 10))
        )  # held, by a later run
        assert lifecycle.undelivered(february, BROKEN).verdict == "failed"
        assert alerts() == []
        lifecycle.undelivered(january, BROKEN)
        assert alerts() == ["batch shop__orders 2021-01"], "what was loaded before is this run's to alert"
