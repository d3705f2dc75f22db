"""The site as files: what its pages say of a real ledger, and how it takes the last one's place."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice.cli import app
from sluice.contract.batches import Single
from sluice.contract.columns import Text, column
from sluice.contract.contract import Contract, Files
from sluice.ledger import loads, schema, tables
from sluice.project import paths
from sluice.runs.outcomes import Marts, Outcome, Summary, Verdict
from sluice.site import folder as place
from sluice.site import write
from sluice.site.pages.wording import NONE
from sluice.source import fetch
from sluice.staging import publish
from sluice.steps import finish, transform
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.support import shops

SCRIPT = '<script>document.title="obeyed"</script>'
BAD = [f"{n},2021-02-02 10:00:00,{SCRIPT},1,9.50,1.5,nobody{n}" for n in range(1, 9)]


class OrdersBefore(shops.Orders):
    """The same, before someone said that an address of a customer is personal."""

    email: Text = column("Of the customer.", str_contains="@", nullable=True)


class StrictOrders(shops.Orders):
    """The same, where few orders may be of an unknown shop."""

    shop: Text = column("Where.", isin=["north", "south"], tolerance=0.1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's site goes."""
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pages(home: Path) -> dict[str, str]:
    """Every page by its path in the site."""
    site = home / "site"
    return {str(p.relative_to(site)): p.read_text(encoding="utf-8") for p in site.rglob("*.html")}


def made(warehouse: Warehouse, home: Path, contract: Contract) -> dict[str, str]:
    """The pages of a site of one dataset."""
    write.write(warehouse, known={contract.dataset_id: contract})
    return pages(home)


def write_project(home: Path, mart: str, unique_id: str = "model.shop") -> None:
    """What the last dbt docs left, of a project of one mart."""
    node = {"name": mart, "page": mart, "kind": "model", "layer": "marts", "description": "Orders.", "parents": {}}
    node |= {"materialized": "table", "columns": [["price", "numeric", "Of one, in `EUR`."]]}
    node["tests"] = [["test.shop.paid", "paid_in_full", "price", "error"]]
    (home / "dbt" / "docs").mkdir(parents=True)
    (home / "dbt" / "docs" / "project.json").write_text(json.dumps({"nodes": {unique_id: node}, "unread": []}))


def close_the_gate(deliver: Callable, contract: Contract, folder: Path) -> None:
    """A good batch, then one in which eight of eighteen rows fail."""
    assert deliver(contract, "2021-01", shops.write(folder / "1.csv", shops.good_lines(10))).decision.open
    later = [line.replace("2021-01-", "2021-02-") for line in shops.good_lines(10, first=20)]
    assert not deliver(contract, "2021-02", shops.write(folder / "2.csv", [*BAD, *later])).decision.open


def test_a_dataset_that_was_never_loaded_is_there_and_says_so(warehouse: Warehouse, home: Path) -> None:
    site = made(warehouse, home, shops.contract())
    assert "no batch yet" in site["index.html"]
    assert "sluice run shop__orders" in site["datasets/shop__orders.html"]


def test_the_front_page_leads_from_a_closed_gate_to_what_is_known_of_it(warehouse, deliver, home, tmp_path) -> None:
    contract = shops.contract(max_rejected=0.2, tolerance={})
    close_the_gate(deliver, contract, tmp_path)
    site = made(warehouse, home, contract)
    assert "One gate is closed" in site["index.html"]
    page, anchor = re.search(r'held.*?href="(datasets/[^"#]+)#([^"]+)"', site["index.html"], re.S).groups()
    assert f'id="{anchor}"' in site[page]
    assert "44.44% of rows are rejected (at most 20%)" in html.unescape(site["index.html"])
    checks = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<wbr>", "", site[page])))
    assert re.search(r"shop in \('north', 'south'\)\s+\S\s+rows rejected\s+8\s+44.44%", checks), (
        "it is not called passed"
    )


def test_the_lineage_page_begins_with_a_picture_of_files_tables_and_marts(warehouse, deliver, home, tmp_path) -> None:
    contract = shops.contract(max_rejected=0.2, tolerance={})
    close_the_gate(deliver, contract, tmp_path)
    write_project(home, "fct_orders")
    kept = home / "dbt" / "docs" / "project.json"
    project = json.loads(kept.read_text())
    source = {"name": "shop__orders", "page": "staging.shop__orders", "kind": "source", "layer": "raw"}
    source |= {"description": "", "materialized": "source", "columns": [], "tests": [], "parents": {}}
    parent = {"dbt_node": "source.shop", "column": "price", "lineage_type": "pass-through"}
    project["nodes"]["model.shop"]["parents"] = {"price": [parent]}
    kept.write_text(json.dumps({"nodes": {"source.shop": source, **project["nodes"]}, "unread": []}))
    picture = picture_of(made(warehouse, home, contract))
    boxes = re.findall(r'<a href="(.*?)"><title>(.*?)</title>', picture)
    assert boxes == [
        ("datasets/shop__orders.html", "orders_{batch}.csv: held"),
        ("models/staging.shop__orders.html", "shop__orders: published"),
        ("models/fct_orders.html", "fct_orders: not built"),
    ]
    assert picture.count("<path") == 2
    assert picture.startswith('<svg class="way" '), "a small one is not blown up"
    assert "<script" not in picture
    later = [line.replace("2021-01-", "2021-03-") for line in shops.good_lines(18, first=40)]
    assert deliver(contract, "2021-03", shops.write(tmp_path / "3.csv", later)).decision.open
    assert "orders_{batch}.csv: published, 1 held</title>" in picture_of(made(warehouse, home, contract))


def picture_of(site: Mapping[str, str]) -> str:
    return re.search(r'<svg class="way.*?</svg>', site["lineage.html"], re.S).group()


def test_a_load_that_fails_does_not_hide_what_readers_have(warehouse, deliver, home, tmp_path) -> None:
    contract = shops.contract()
    deliver(contract, "2021-01", path := shops.write(tmp_path / "1.csv", shops.good_lines(10)))
    with warehouse.engine.begin() as connection:
        file = fetch.fetch(fetch.look(str(path)), tmp_path)
        again = loads.begin(connection, contract, "2021-01", file, None)
    publish.fail(warehouse, contract, again, "the disk is full")
    page = made(warehouse, home, contract)["datasets/shop__orders.html"]
    assert re.search(r"Verdict</dt><dd><span class=\"state bad\">.*?failed", page)
    assert "Readers have</dt><dd>2021-01" in page


def test_every_link_leads_to_a_page_and_a_place_that_are_there(warehouse, deliver, home, tmp_path) -> None:
    close_the_gate(deliver, contract := shops.contract(max_rejected=0.2), tmp_path)
    site = made(warehouse, home, contract)
    for name, text in site.items():
        for link in re.findall(r'<a [^>]*href="([^"]+)"', text):
            path, _, anchor = link.partition("#")
            target = (home / "site" / name).parent / path if path else home / "site" / name
            assert target.exists(), f"{name}: {link}"
            assert not anchor or f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{name}: {link}"


def test_values_of_files_are_shown_and_never_obeyed(warehouse, deliver, home, tmp_path) -> None:
    close_the_gate(deliver, contract := shops.contract(max_rejected=0.2), tmp_path)
    site = made(warehouse, home, contract)
    assert html.escape(SCRIPT, quote=False) in site["datasets/shop__orders.html"].replace("&#34;", '"')
    assert not [name for name, text in site.items() if "<script" in text]


def test_a_check_that_failed_is_told_in_full_and_what_is_said_of_the_canary_rows_is_true(
    warehouse: Warehouse, deliver: Callable, home: Path, tmp_path: Path
) -> None:
    close_the_gate(deliver, contract := shops.contract(StrictOrders), tmp_path)
    page = html.unescape(made(warehouse, home, contract)["datasets/shop__orders.html"])
    told = {name: kind for kind, name in re.findall(r'<article class="([^"]+)".*?<h3[^>]*>(.*?) <span', page, re.S)}
    assert told.pop("canary rows are rejected") == "check picked"
    assert {kind for name, kind in told.items() if name.startswith("shop in")} == {"check"}
    canary = page[page.index(">canary rows are rejected <") :]
    assert "Two rows that must be rejected are added to each batch" in canary[: canary.index("</article>")]
    assert "Failing rows are rejected" not in canary[: canary.index("</article>")]


def test_personal_values_are_on_no_page_even_if_they_became_personal_later(warehouse, deliver, home, tmp_path) -> None:
    close_the_gate(deliver, shops.contract(OrdersBefore, max_rejected=0.2), tmp_path)
    now = shops.contract(max_rejected=0.2)
    with warehouse.engine.connect() as connection:
        assert "nobody1" in str(connection.scalar(sa.text("select string_agg(sample::text, '') from ops.checks")))
    site = made(warehouse, home, now)
    assert "***" in site["datasets/shop__orders.html"]
    assert not [name for name, text in site.items() if "nobody" in text]


def test_the_command_at_a_check_brings_its_rows_from_quarantine(warehouse, deliver, home, tmp_path) -> None:
    close_the_gate(deliver, contract := shops.contract(max_rejected=0.2), tmp_path)
    page = made(warehouse, home, contract)["datasets/shop__orders.html"]
    at_check = page[page.index('<h3 id="check-shop-in-north-south-') :]
    command = html.unescape(re.search(r'<pre class="command"[^>]*>(sluice sql .*?)</pre>', at_check).group(1))
    typed = ["bash", "-c", command.replace("sluice sql", "printf %s", 1)]
    query = subprocess.run(typed, check=True, capture_output=True, text=True).stdout
    with warehouse.engine.connect() as connection:
        rows = connection.exec_driver_sql(query.replace("%", "%%")).all()
    assert [row._row_number for row in rows] == list(range(1, 9))
    assert rows[0]._row["shop"] == SCRIPT
    assert "email" not in rows[0]._row


def test_while_sites_follow_each_other_a_reader_always_finds_a_whole_one(tmp_path: Path) -> None:
    stop, read_one, broken = threading.Event(), threading.Semaphore(0), []

    def fill(number: int) -> None:
        with place.fresh_site(tmp_path) as folder:
            (folder / "index.html").write_text(str(number))
            (folder / "last.html").write_text(str(number))

    def read() -> None:
        while not stop.is_set():
            try:
                assert place.front_page(tmp_path).read_text()
                assert (tmp_path / "site" / "last.html").read_text()
            except (OSError, AssertionError) as error:
                broken.append(error)
            read_one.release()

    fill(0)
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 100):
        fill(number)
        while read_one.acquire(blocking=False):  # those that were read before
            pass
        for _ in range(2):  # the one that was being read when the site changed, and one more
            read_one.acquire()
    stop.set()
    reader.join()
    assert not broken
    assert len([path for path in (tmp_path / "sites").iterdir() if path.is_dir()]) == 2  # this, and the last


def test_a_site_that_fails_half_way_leaves_the_last_one(tmp_path: Path) -> None:
    with place.fresh_site(tmp_path) as folder:
        (folder / "index.html").write_text("whole")
    with pytest.raises(TypeError), place.fresh_site(tmp_path) as folder:
        (folder / "index.html").write_text("half") + ""
    assert place.front_page(tmp_path).read_text() == "whole"
    assert len([path for path in (tmp_path / "sites").iterdir() if path.is_dir()]) == 1


def test_a_site_of_an_older_sluice_gives_way(tmp_path: Path) -> None:
    (tmp_path / "site" / "dbt").mkdir(parents=True)
    with place.fresh_site(tmp_path) as folder:
        (folder / "index.html").write_text("new")
    assert place.front_page(tmp_path).read_text() == "new"


@pytest.fixture
def block(prefect_server: str, database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs use: an empty database, through a block."""
    connector_for(database).save("site-test", overwrite=True)
    monkeypatch.setenv("SLUICE_WAREHOUSE", "site-test")


def test_before_the_first_run_the_site_says_how_to_begin(block: None, home: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        app.main(["docs", "--no-open"])
    assert str(home / "site" / "index.html") in capsys.readouterr().out.replace("\n", "")
    assert "Nothing is loaded yet." in pages(home)["index.html"]
    assert set(pages(home)) >= {"datasets/tlc__yellow_trips.html", "datasets/tlc__zones.html", "run.html"}


def test_a_run_whose_site_cannot_be_made_warns_and_goes_on(block: None, home: Path) -> None:
    home.mkdir()
    (home / "sites").write_text("a file stands where the folder should be")
    summary = finish.browsable(Summary((), Marts.unchanged()))
    assert summary.site is None
    assert "the site was not written, the last one stays: the site cannot be written" in summary.warnings[0]
    summary.raise_worst()


def test_a_run_whose_dbt_docs_cannot_be_made_warns_and_goes_on(block: None, home: Path) -> None:
    [warning] = transform.documented("marts__a")  # of a warehouse that has nothing to document
    assert "the lineage were not written, the last ones stay: dbt docs generate could not run" in warning


def test_a_column_that_loses_its_lineage_is_a_warning_of_the_run(
    block: None, home: Path, tmp_path: Path, database: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "project" / "models" / "marts"
    models.mkdir(parents=True)
    (tmp_path / "project" / "dbt_project.yml").write_text("{name: shop, profile: sluice}")
    (models / "orders.sql").write_text("select 1 as price")
    columns = "columns: [{name: price, data_type: integer}]"
    (models / "models.yml").write_text(f"models: [{{name: fct_orders, {columns}}}, {{name: orders, {columns}}}]")
    monkeypatch.setattr(paths, "dbt_project", lambda: tmp_path / "project")
    with sa.create_engine(database).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA marts__a")
    (models / "fct_orders.sql").write_text("select price from {{ ref('orders') }}")
    assert transform.documented("marts__a") == ()
    (models / "fct_orders.sql").write_text("select price from {{ ref('orders') }}, unnest(array[1]) as price(price)")
    [warning] = transform.documented("marts__a")
    assert "1 column had a lineage and now has none: fct_orders.price" in warning


def test_a_contract_at_fault_is_told_on_its_page_and_the_others_have_theirs(warehouse, deliver, home, tmp_path) -> None:
    class Notes(pa.DataFrameModel):
        """A dataset without a single check."""

        note: Text = column("What was noted.", nullable=True)

    shop = shops.contract()
    deliver(shop, "2021-01", shops.write(tmp_path / "1.csv", shops.good_lines(10)))
    files = Files(url="notes.csv", batches=Single())
    notes = Contract(source="shop", entity="notes", owner="shop@example.com", schema=Notes, files=files)
    write.write(warehouse, known={str(contract): contract for contract in (notes, shop)})
    site = pages(home)
    assert (
        "No batch can be loaded: shop__notes: no checks, so its gate would never close"
        in site["datasets/shop__notes.html"]
    )
    assert 'href="datasets/shop__notes.html#contract"' in site["index.html"]
    assert "not_free_in_bulk" in site[f"datasets/{shop}.html"]


def test_a_failed_dbt_test_is_on_the_front_page_and_next_to_its_model(warehouse: Warehouse, home: Path) -> None:
    write_project(home, "fct_orders")
    result = {"unique_id": "test.shop.paid", "side": "marts__b", "resource_type": "test", "seconds": 0.1}
    with warehouse.engine.begin() as connection:
        for night, status, failures in ((1, "pass", 0), (2, "fail", 7)):
            told = {"invocation_id": str(night), "status": status, "failures": failures, "message": f"Got {failures}"}
            at = sa.func.now() + sa.func.make_interval(0, 0, 0, night)
            connection.execute(tables.dbt_results.insert().values(**result, **told, recorded_at=at))
    site = made(warehouse, home, shops.contract())
    [item] = re.findall(r"<li>(.*?)</li>", site["index.html"], re.S)
    assert "failed</span>" in item
    assert 'href="models/fct_orders.html#tests"' in item
    assert "paid_in_full: Got 7" in item
    row = re.search(r"<tr><th[^>]*>paid_<wbr>in_<wbr>full</th>.*?</tr>", site["models/fct_orders.html"]).group()
    assert "failed</span>" in row
    assert ">7</td>" in row


def test_old_data_is_told_at_its_dataset_and_a_source_without_a_contract_by_its_own_name(
    warehouse: Warehouse, home: Path
) -> None:
    node = {"kind": "source", "layer": "sources", "description": "", "materialized": "source", "columns": []}
    names = ("shop__orders", "rates", "never_loaded")
    nodes = {name: node | {"name": name, "page": f"shop.{name}", "parents": {}, "tests": []} for name in names}
    (home / "dbt" / "docs").mkdir(parents=True)
    (home / "dbt" / "docs" / "project.json").write_text(json.dumps({"nodes": nodes, "unread": []}))
    results = [(names[0], "error", "9 days old"), (names[1], "error", "8 days old"), (names[2], "skipped", "no row")]
    with warehouse.engine.begin() as connection:
        for name, status, message in results:
            told = {"unique_id": name, "resource_type": "source", "status": status, "message": message}
            told |= {"invocation_id": "1", "side": "marts__b", "seconds": 0.1}
            connection.execute(tables.dbt_results.insert().values(**told))
    site = made(warehouse, home, shops.contract())
    [item] = re.findall(r"<li>(.*?)</li>", site["index.html"], re.S)
    assert re.search(r"stale</span>.*rates.*8 days old", item, re.S)
    assert re.search(r"Freshness</dt><dd><span[^>]*><i[^>]*>.</i>stale</span>", site["models/shop.shop__orders.html"])
    assert "no row yet</span>" in site["models/shop.never_loaded.html"]


def test_the_rows_of_a_failed_dbt_test_can_be_seen_with_a_command_at_its_model(
    warehouse: Warehouse, home: Path, tmp_path: Path
) -> None:
    write_project(home, "fct_orders")
    target, unpaid = home / "dbt" / "marts__b" / "target", tmp_path / "paid in full.sql"
    target.mkdir(parents=True)
    unpaid.write_text("select 7 as unpaid")
    facts = {"unique_id": "test.shop.paid", "side": "marts__b", "resource_type": "test", "seconds": 0.1}
    facts |= {"invocation_id": "2", "status": "fail", "failures": 1, "message": "Got 1"}
    with warehouse.engine.begin() as connection:
        connection.execute(tables.dbt_results.insert().values(**facts))

    def command(build: str) -> str:
        manifest = {"metadata": {"invocation_id": build}, "nodes": {"test.shop.paid": {"compiled_path": str(unpaid)}}}
        (target / "manifest.json").write_text(json.dumps(manifest))
        page = made(warehouse, home, shops.contract())["models/fct_orders.html"]
        return html.unescape("".join(re.findall(r'<pre class="command"[^>]*>(.*?)</pre>', page)))

    assert command("a later build's") == ""
    quoted = shlex.split(command("2"))
    assert quoted[:2] == ["sluice", "sql"]
    shown = subprocess.run(["bash", "-c", f"echo {quoted[2]}"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "select 7 as unpaid"


def test_a_test_that_is_newer_than_the_marts_stands_next_to_its_model_and_has_not_run(
    block: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    write_project(home, "fct_orders", "model.shop.fct_orders")
    project = tmp_path / "project"
    (project / "models" / "marts").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("{name: shop, profile: sluice}")
    (project / "models" / "marts" / "fct_orders.sql").write_text("select 1 as price")
    tested = "models: [{name: fct_orders, columns: [{name: price, data_tests: [not_null]}]}]"
    (project / "models" / "models.yml").write_text(tested)
    monkeypatch.setattr(paths, "dbt_project", lambda: project)
    with open_warehouse().engine.begin() as connection:
        schema.create(connection)

    def tests_shown() -> list[str]:
        with pytest.raises(SystemExit, match="0"):
            app.main(["docs", "--no-open"])
        page = pages(home)["models/fct_orders.html"].replace("<wbr>", "")
        return re.findall(r'class="name">(\w+)</th><td><span class="state idle">.*?</i>(.*?)</span>', page)

    assert tests_shown() == [("not_null_fct_orders_price", "not run")]  # and `paid_in_full` is in the project no more
    (project / "models" / "models.yml").write_text("models: [")
    assert tests_shown() == [("not_null_fct_orders_price", "not run")]
    assert "Warning: the site shows the tests of an older dbt project" in capsys.readouterr().err


def test_old_and_new_marts_stand_side_by_side_where_they_differ(warehouse: Warehouse, home: Path) -> None:
    write_project(home, "fct_orders")
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ops.comparisons (build_id, mart, batch, measure, column_name, old, new) VALUES "
            "(1, 'fct_orders', '', 'rows', '', 7, 8), "
            "(2, 'fct_orders', 'shop__orders 2021-02', 'rows', '', 1200, 1300.0), "
            "(2, 'fct_orders', 'shop__orders 2021-02', 'keys added', '', NULL, 40), "
            "(2, 'fct_orders', '', 'null share', 'price', 0.01, 0.25), "
            "(2, 'fct_orders', '', 'total', 'price', 5.0, 5.0)"
        )
    page = made(warehouse, home, shops.contract())["models/fct_orders.html"]
    section = re.search(r'<section aria-labelledby="compared">.*?</section>', page, re.S).group()
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", section[section.index("<tbody>") :])
    assert cells[:5] == ["all", "as many as before", NONE, NONE, "shop__orders 2021-02"]
    assert cells[5:9] == ["1,200", "1,300", "40", NONE]
    assert cells[-5:] == ["all", "price", "null share", "1%", "25%"]


def test_open_incidents_are_on_the_front_page_and_closed_ones_are_not(warehouse: Warehouse, home: Path) -> None:
    columns = "subject, kind, dataset, batch, times_seen, opened_at, last_seen_at, resolved_at"
    others = "detail, reminded, facts, owners, last_told_at"
    rows = (
        "('batch shop__orders 2021-02', 'gate_closed', 'shop__orders', '2021-02', 3, '2026-01-01', '2026-01-03', NULL)",
        "('marts', 'dbt_failed', NULL, NULL, 1, '2026-01-02', '2026-01-02', '2026-01-03')",
    )
    with warehouse.engine.begin() as connection:
        given = ", ".join(row.removesuffix(")") + ", '', false, '{}', '[]', '2026-01-03')" for row in rows)
        connection.exec_driver_sql(f"INSERT INTO ops.incidents ({columns}, {others}) VALUES {given}")
    write.write(warehouse, known={"shop__orders": shops.contract()})
    front = pages(home)["index.html"]
    section = re.search(r'<section aria-labelledby="incidents">.*?</section>', front, re.S).group()
    assert 'href="datasets/shop__orders.html">shop__orders 2021-02</a>' in section
    assert "gate closed" in section
    assert "2026-01-01 00:00" in section
    assert "dbt failed" not in section


def test_a_stale_source_is_on_the_page_of_the_run(warehouse: Warehouse, home: Path) -> None:
    told = "shop__orders is stale: its data goes up to 2021-02-28, 90 days old"
    write.write(warehouse, Summary((), Marts.unchanged(), stale=(told,)), "a run", known={})
    section = re.search(r'<section aria-labelledby="sources">.*?</section>', pages(home)["run.html"], re.S).group()
    assert told in section


def test_thousands_of_unchanged_batches_are_one_line_of_the_run(warehouse: Warehouse, home: Path) -> None:
    same = [Outcome("shop__orders", f"2021-{day:03}", Verdict.UNCHANGED) for day in range(1, 301)]
    new = Outcome("shop__orders", "2021-301", Verdict.PUBLISHED, 20, 20)
    write.write(warehouse, Summary((*same, new), Marts.unchanged()), "a run", known={})
    page = pages(home)["run.html"]
    assert re.findall(r'data-label="Batch">([^<]*)<', page) == ["300 batches, 2021-001 to 2021-300", "2021-301"]
    assert "300 unchanged" in page
    assert "1 published" in page
    assert len((home / "runs.json").read_text()) < 2_000
