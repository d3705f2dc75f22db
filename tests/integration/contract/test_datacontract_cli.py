"""The exported contract, run by another tool: datacontract-cli finds what Sluice finds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.derive.schemas import Schemas
from sluice.warehouse.warehouse import Warehouse
from tests.conftest import new_database
from tests.support import shops

BAD = [
    "1,2021-01-02 10:00:00,north,1,9.50,1.5,a@example.com",
    "1,2021-01-03 10:00:00,north,1,9.50,1.5,a@example.com",  # the number again
    *(f"{n},2021-01-02 10:00:00,north,0,9.50,1.5,a@example.com" for n in range(2, 6)),  # over the tolerance
    "6,2021-01-02 10:00:00,east,1,9.50,1.5,a@example.com",
    "7,2021-01-02 10:00:00,north,11,0,1.5,a@example.com",
    "8,2021-01-02 10:00:00,south,1,-1,-2,a@example.com",
]
# The checks that fail, and what that tool calls each
RULES = {name: name for name in ("order_id unique", "quantity >= 1", "price >= 0", "weight > 0", "not_free_in_bulk")}
RULES |= {"shop in ('north', 'south')": "shop"}


@pytest.fixture
def warehouse_url(postgres15_url: sa.URL) -> Iterator[sa.URL]:
    """The kind of server that this tool can reach: over TCP."""
    with new_database(postgres15_url) as url:
        yield url


@pytest.fixture(scope="module")
def datacontract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in an environment that is its alone: it allows other versions than Sluice."""
    if named := os.environ.get("DATACONTRACT_CLI"):
        return Path(named)
    folder = tmp_path_factory.mktemp("datacontract")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin/pip"), "install", "--quiet", "datacontract-cli[postgres]"]
    if (done := subprocess.run(install, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"datacontract-cli cannot be installed, name it in DATACONTRACT_CLI: {done.stderr[-300:]}")
    return folder / "bin/datacontract"


@pytest.fixture
def verdict(datacontract: Path, warehouse: Warehouse, tmp_path: Path) -> Callable[[str], tuple[bool, set[str]]]:
    """Whether the table of a schema keeps the contract, by that tool, and the rules that it breaks."""
    url = warehouse.url
    environment = {**os.environ, "DATACONTRACT_POSTGRES_USERNAME": str(url.username)}
    environment["DATACONTRACT_POSTGRES_PASSWORD"] = str(url.password)

    def judge(schema: str) -> tuple[bool, set[str]]:
        server = {"host": url.host, "port": url.port, "database": url.database}
        file, result = tmp_path / f"{schema}.odcs.yaml", tmp_path / f"{schema}.json"
        file.write_text(odcs_yaml(shops.contract(), Schemas(staging=schema), server))
        linted = subprocess.run(
            [datacontract, "lint", file], env=environment, capture_output=True, text=True, check=False
        )
        assert linted.returncode == 0, linted.stdout
        call = [datacontract, "test", file, "--output", result, "--output-format", "json"]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
        found: Any = json.loads(result.read_text())
        broken = {check["name"] for check in found["checks"] if check["result"] not in ("passed", "info")}
        return done.returncode == 0, broken

    return judge


@pytest.mark.long
def test_another_tool_finds_the_same_verdict_on_a_good_and_a_bad_batch(
    deliver, verdict, warehouse: Warehouse, rows, tmp_path: Path
) -> None:
    good = deliver(shops.contract(), "2021-01", shops.write(tmp_path / "good.csv", shops.good_lines(20)))
    assert good.decision.open
    assert verdict("staging") == (True, set())

    bad = deliver(shops.contract(), "2021-02", shops.write(tmp_path / "bad.csv", in_february(BAD)))
    assert not bad.decision.open
    delivered_whole(warehouse)
    passed, broken = verdict("delivered")
    assert not passed
    ours = {result.name for result in bad.report.checks if result.failing}
    assert ours == set(RULES), "each kind of check finds something"
    assert {name for name in ours if any(RULES[name] in each for each in broken)} == ours, broken
    assert len(broken) == len(ours), broken


def in_february(lines: list[str]) -> list[str]:
    return [re.sub("2021-01", "2021-02", line) for line in lines]


def delivered_whole(warehouse: Warehouse) -> None:
    """The batch that is held, as it was delivered: its accepted rows and those in quarantine, in one table."""
    statements = (
        "CREATE SCHEMA delivered",
        "CREATE TABLE delivered.shop__orders AS SELECT * FROM staging.shop__orders WITH NO DATA",
        "INSERT INTO delivered.shop__orders SELECT (jsonb_populate_record(NULL::delivered.shop__orders, "
        "to_jsonb(q) || q._row)).* FROM quarantine.shop__orders q",
    )
    with warehouse.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
