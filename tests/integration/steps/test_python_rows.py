"""Rows of a function, and rows that a caller has, in runs of a project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

import sluice as package
from sluice.project.init.write import init
from sluice.runs.outcomes import RunFailed, Verdict
from tests.support.documented import table

CONTRACT = """
from __future__ import annotations
from pathlib import Path
import pandera.pandas as pa
from sluice import Contract, Gate, Int, Monthly, Rows, column

INBOX = Path({inbox!r})


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True, ge=1)


def orders(batch):
    with (INBOX / "calls").open("a") as calls:
        calls.write(batch + " ")
    path = INBOX / batch
    if not path.exists():
        return None
    return ({{"order_id": int(line)}} for line in path.read_text().split())


def version(batch):
    return (INBOX / "version").read_text()


CONTRACT = Contract("shop", "{entity}", "me@example.com", Orders,
                    Rows(orders, Monthly("2024-01"){version}), Gate(max_rejected=0.5))
"""
FLOW = """
from __future__ import annotations
from sluice import Summary, deliver, finish, flow, load


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    more = load("shop__orders", "2024-09", [{"order_id": 90}])
    return finish((*deliver(datasets, batches, url), more))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = init(tmp_path / "project").root
    (root / "flows/nightly.py").write_text(FLOW)
    for entity, version in (("orders", ""), ("versioned", ", version=version")):
        text = CONTRACT.format(inbox=str(tmp_path), entity=entity, version=version)
        (root / f"contracts/{entity}.py").write_text(text)
    (tmp_path / "version").write_text("1")
    (tmp_path / "2024-01").write_text("1 2 0")
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    return root


@pytest.mark.long
def test_a_function_is_a_source_like_a_file(sluice, engine: sa.Engine, project: Path, tmp_path: Path) -> None:
    both = ("run", "shop__orders", "shop__versioned", "--batch", "2024-01")

    def shown(query: str) -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    planned = sluice("plan", *both[1:])
    assert planned.code == 0, planned.err
    said = sluice(*both)
    assert said.code == 0, said.err
    assert shown("select order_id from staging.shop__orders where _batch = '2024-01' order by 1") == [(1,), (2,)]
    assert shown("select _reasons from quarantine.shop__orders") == [(["order_id >= 1"],)]
    addresses = shown("select distinct address, bytes > 0 from ops.batches order by 1")
    assert addresses == [
        ("rows://shop__orders/2024-01", True),
        ("rows://shop__orders/2024-09", True),
        ("rows://shop__versioned/2024-01", True),
    ]
    calls = (tmp_path / "calls").read_text().split()
    assert len(calls) == 2

    # Nothing new: a function without a version is called to find that out, one with a version is not.
    said = sluice(*both)
    assert (said.code, shown("select count(*) from ops.batches")) == (0, [(3,)]), said.err
    assert len((tmp_path / "calls").read_text().split()) == len(calls) + 1

    (tmp_path / "2024-01").write_text("1 2 x")
    (tmp_path / "version").write_text("2")
    said = sluice(*both)
    assert said.code == 3
    assert "the function failed midway: ValueError: invalid literal" in said.err
    assert shown("select order_id from staging.shop__versioned order by 1") == [(1,), (2,)]

    # Rows that a notebook has: a whole run, which says what became of them.
    [example] = [row[2] for row in table("sources.md", "source") if row[0] == "rows that you have"]
    found = eval(example, {"sluice": package, "pd": pd})  # of the guide
    assert (found.verdict, found.accepted) == (Verdict.PUBLISHED, 2)
    with pytest.raises(RunFailed, match="gate closed"):
        package.load(package.contract_for("shop__orders"), "2024-02", [{"order_id": 0}])
    assert shown("select order_id from staging.shop__orders where _batch = '2024-02' order by 1") == [(3,), (4,)]
    with pytest.raises(package.ConfigError, match="not a month"):
        package.load("shop__orders", "February", [{"order_id": 1}])
