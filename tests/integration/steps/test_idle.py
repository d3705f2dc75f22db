"""A run that finds nothing new does without Prefect and dbt, and leaves what such a run always left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.alerts import rules
from sluice.contract.errors import ConfigError, ToolError
from sluice.ledger import builds, loads, tables
from sluice.marts import build, freshness
from sluice.project import fingerprints, paths
from sluice.project.datasets import contract_for
from sluice.project.init.write import init
from sluice.runs import lifecycle, plan
from sluice.runs.outcomes import RunFailed
from sluice.source import fetch
from sluice.steps import idle, prefect_settings
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, forget_warehouse, open_warehouse
from sluice.warehouse.warehouse import Warehouse

CONTRACT = """
from __future__ import annotations

import pandera.pandas as pa

from sluice import Contract, Files, Freshness, Int, Monthly, column, days


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True)


CONTRACT = Contract(
    source="shop",
    entity="orders",
    owner="shop@example.com",
    schema=Orders,
    files=Files(url="orders_{batch}.csv", batches=Monthly(start="2024-01")),
    freshness=Freshness(warn_after=days(LATE), error_after=days(99999)),
)
"""
HEAVY = ("prefect", "dbt", "prefect_sqlalchemy", "prefect_dbt")
# The command, and what of these was imported for it, as the last line of its errors
COMMAND = f"""
import atexit, sys
from sluice.cli.app import main
atexit.register(lambda: sys.stderr.write(str([name for name in {HEAVY} if name in sys.modules])))
main(sys.argv[1:])
"""


class Shop:
    """A project whose one batch is published, by ledger; its marts have been built."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse()

    def count(self, query: str) -> int:
        with self.warehouse.engine.begin() as connection:
            return int(connection.scalar(sa.text(query)) or 0)

    def command(self, *arguments: str) -> tuple[str, str]:
        """What a command printed, and what it imported."""
        given = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        call = [sys.executable, "-c", COMMAND, *arguments]
        said = subprocess.run(call, cwd=self.root, env=given, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout, said.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = init(tmp_path_factory.mktemp("idle") / "shop").root
    (root / "contracts" / "shop_orders.py").write_text(CONTRACT.replace("LATE", "99999"))
    (root / "orders_2024-01.csv").write_text("order_id\n1\n2\n")
    yield root
    embedded.remove(root / ".sluice")


@pytest.fixture
def shop(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in ("SLUICE_HOME", BLOCK_VARIABLE, "PREFECT_API_URL", *prefect_settings.OF_PROFILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(made / ".sluice" / "prefect"))  # the suite's has what other tests set up
    monkeypatch.setenv(paths.VARIABLE, str(made))
    monkeypatch.chdir(made)
    found = Shop(made)
    warehouse = found.warehouse
    lifecycle.ensure_tables(warehouse)
    contract = contract_for("shop__orders")
    with warehouse.engine.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
        file = fetch.fetch(fetch.look("orders_2024-01.csv"), made)
        load = loads.begin(connection, contract, "2024-01", file, None)
        counts = {"rows_read": 2, "rows_accepted": 2, "rows_rejected": 0}
        of_it = tables.batches.c.load_id == load.load_id
        connection.execute(tables.batches.update().where(of_it).values(status="published", **counts))
        inputs = builds.fingerprint(loads.published_loads(connection), fingerprints.project())
        connection.execute(
            tables.publications.insert().values(side="marts__a", models=[], inputs=inputs, kind="publish")
        )
    yield found
    warehouse.engine.dispose()
    forget_warehouse()


def test_an_idle_night_imports_neither_prefect_nor_dbt_and_leaves_one_record(shop: Shop) -> None:
    said, imported = shop.command("run", "--json")
    summary = json.loads(said)
    assert imported == "[]"
    assert [batch["verdict"] for batch in summary["batches"]] == ["unchanged"]
    assert summary["marts"]["verdict"] == "unchanged"
    assert summary["stale"] == []
    assert Path(summary["site"]).exists()
    assert shop.count("select count(*) from ops.runs where nightly and ended_as = 'finished'") == 1
    beat = json.loads((shop.root / ".sluice" / "heartbeat.json").read_text())["finished_at"]
    assert (datetime.now(UTC) - datetime.fromisoformat(beat)).total_seconds() < 60


def test_what_a_rollback_gave_readers_stays_until_there_is_something_new(shop: Shop) -> None:
    with shop.warehouse.engine.begin() as connection:
        back = {"side": "marts__b", "models": [], "inputs": "of an older build", "kind": "rollback"}
        connection.execute(tables.publications.insert().values(back))
    said, imported = shop.command("run", "--json")
    summary = json.loads(said)
    assert imported == "[]"
    assert summary["marts"]["verdict"] == "unchanged"
    [warning] = summary["marts"]["warnings"]
    assert "readers have an older build of the marts, rolled back 2" in warning
    assert not build.due(shop.warehouse)
    model = shop.root / "dbt_project/models/marts/other.sql"
    try:
        model.parent.mkdir(exist_ok=True)
        model.write_text("select 1 as one")
        assert build.due(shop.warehouse), "another project"
    finally:
        model.unlink()
    with shop.warehouse.engine.begin() as connection:
        connection.execute(tables.batches.update().values(status="abandoned"))
    assert build.due(shop.warehouse), "a load is gone"


def test_the_age_of_a_source_is_read_from_the_ledger_as_dbt_reads_it(shop: Shop) -> None:
    file = shop.root / "contracts" / "shop_orders.py"
    try:
        file.write_text(CONTRACT.replace("LATE", "10"))
        [stale] = freshness.by_ledger(shop.warehouse)
    finally:
        file.write_text(CONTRACT.replace("LATE", "99999"))
    assert str(stale).startswith("shop__orders is stale: its data goes up to 2024-02-01 00:00 UTC, ")
    assert str(stale).endswith(" days old, past the contract's warn_after")
    assert stale.late == "warn"


@pytest.mark.long
def test_it_resolves_what_is_over(shop: Shop) -> None:
    with shop.warehouse.engine.begin() as connection:
        [delivery] = plan.deliveries(None, None, None)
        rules.broken(connection, delivery.contract, delivery.batch, ToolError("no answer"), shop.warehouse.now())
    assert idle.run(["shop__orders"], None, None) is not None
    assert shop.count("select count(*) from ops.incidents where resolved_as = 'recovered'") == 1
    assert shop.count("select count(*) from ops.runs where nightly") == 0  # a dataset was named


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "orders_2024-02.csv").write_text("order_id\n3\n"),
        lambda root: (root / "orders_2024-01.csv").write_text("order_id\n1\n"),
        lambda root: (root / "orders_2024-01.csv").unlink(),
        lambda root: (root / "dbt_project" / "models" / "more.sql").write_text("select 1 as one"),
        lambda root: (root / "flows" / "nightly.py").write_text(
            (root / "flows" / "nightly.py").read_text().replace("    marts =", "    print('mine')\n    marts =")
        ),
        lambda root: (root / "flows" / "__init__.py").write_text("import this"),
        lambda root: (root / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:1/api"),
        lambda root: (root / "prefect.toml").write_text("[api]\nurl = 'http://127.0.0.1:1/api'"),
        lambda root: (root / "openlineage.yml").write_text("transport: {type: console}"),
    ],
    ids=["new", "changed", "gone", "project", "task", "package", "dotenv", "prefect.toml", "lineage"],
)
def test_the_flow_runs_for_whatever_is_not_idle(shop: Shop, change) -> None:
    before = {path: path.read_bytes() for path in shop.root.rglob("*") if _is_source(path, shop.root)}
    change(shop.root)
    try:
        if not list(shop.root.glob("orders_*.csv")):  # no file at all is a mistake, and said at once
            with pytest.raises(ConfigError, match="nothing to load"):
                idle.run(None, None, None)
        else:
            assert idle.run(None, None, None) is None
        assert shop.count("select count(*) from ops.runs") == 0
    finally:
        for path in [path for path in shop.root.rglob("*") if _is_source(path, shop.root)]:
            if path not in before:
                path.unlink()
        for path, content in before.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)


def _is_source(path: Path, root: Path) -> bool:
    return path.is_file() and not {".sluice", "__pycache__"} & set(path.relative_to(root).parts)


def test_a_setting_or_profile_that_names_a_server_has_the_flow_run(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert idle.run(None, None, None) is None
    monkeypatch.delenv("PREFECT_API_URL")
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(
        'active = "work"\n[profiles.work]\nPREFECT_API_URL = "http://127.0.0.1:1/api"\n[profiles.home]\n'
    )
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(profiles))
    assert idle.run(None, None, None) is None
    monkeypatch.setenv("PREFECT_PROFILE", "home")
    assert idle.run(None, None, None) is not None


def test_commands_that_only_show_something_import_neither_prefect_nor_dbt(shop: Shop) -> None:
    for arguments in (["--help"], ["status"], ["plan"], ["alerts"], ["sql", "select 1 as one"], ["run", "--help"]):
        assert shop.command(*arguments)[1] == "[]", arguments


def test_a_dataset_that_another_run_has_is_busy(shop: Shop) -> None:
    with shop.warehouse.lock("shop__orders"), pytest.raises(RunFailed) as failed:
        idle.run(None, None, None)
    assert failed.value.exit_code == 4


def test_an_idle_run_that_crashes_opens_an_incident(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_warehouse: Warehouse) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(lifecycle, "expire", full)
    with pytest.raises(OSError, match="No space left"):
        idle.run(None, None, None)
    assert shop.count("select count(*) from ops.incidents where kind = 'run_crashed' and resolved_at is null") == 1


def test_what_cannot_be_looked_at_is_left_to_the_flow(shop: Shop) -> None:
    docs = shop.root / ".sluice" / "dbt" / "docs"
    docs.mkdir(parents=True, exist_ok=True)
    try:
        (docs / "project.json").write_text("{")
        assert idle.run(None, None, None) is None
    finally:
        (docs / "project.json").unlink()
