"""The site that a run leaves, in a real browser from a file: with a mouse, by keyboard, on a phone, at night."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import IMAGE, LOWEST_CONTRAST, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.long]

CLI = [sys.executable, "-m", "sluice"]


@pytest.fixture
def front(home: Path) -> str:
    """The address of the front page."""
    return (home / "site" / "index.html").as_uri()


def test_a_reader_clicks_from_a_failing_check_to_its_rows_in_quarantine(page: Page, front: str, home: Path) -> None:
    page.goto(front)
    expect(page.get_by_role("heading", level=1)).to_have_text("One gate is closed.")
    page.get_by_role("link", name=re.compile("2019-02.*rows fail passenger_count >= 1")).click()

    check = page.locator("article:target")
    expect(check.get_by_role("heading", name="passenger_count >= 1")).to_be_in_viewport()
    expect(check).to_contain_text("8 rows fail (28.57%)")
    command = check.locator("pre.command").first.inner_text()
    assert command.startswith('sluice sql "SELECT')

    typed = command.removeprefix("sluice sql").strip()
    shown = subprocess.run(
        ["bash", "-c", f'"$0" -m sluice sql --json {typed}', sys.executable],
        env={**os.environ, "SLUICE_HOME": str(home)},
        capture_output=True,
        check=True,
        timeout=120,
    )
    rows = json.loads(shown.stdout)
    assert [row["_row_number"] for row in rows] == list(range(1, 9))
    assert {row["_row"]["passenger_count"] for row in rows} == {0}


def test_a_reader_follows_a_raw_column_to_the_mart_columns_that_need_it(page: Page, front: str) -> None:
    page.goto(front)
    page.get_by_role("link", name="Lineage", exact=True).click()
    raw = page.locator(".table-of", has=page.get_by_role("link", name="tlc__yellow_trips", exact=True))
    raw.get_by_role("link", name="tip_amount").first.click()

    trail = page.locator("article.trail:target")
    expect(trail).to_contain_text("columns of the marts depend on it")
    needed = trail.locator("li", has=page.get_by_role("heading", name="marts")).get_by_role("link")
    assert {"fct_trips", "fct_zone_trips_daily", "fct_zone_revenue_monthly", "tip_amount_usd"} <= set(
        needed.all_inner_texts()
    )
    trail.locator(".of", has=page.get_by_role("link", name="fct_zone_revenue_monthly")).get_by_role(
        "link", name="tip_amount_usd"
    ).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("fct_zone_revenue_monthly")
    back = page.locator("article.trail:target")
    expect(back.get_by_role("link", name="tip_amount", exact=True).first).to_be_visible()
    expect(back.get_by_role("link", name="trip_distance", exact=True)).to_have_count(0)


def test_every_box_of_the_picture_leads_to_its_page(page: Page, home: Path) -> None:
    lineage = (home / "site" / "lineage.html").as_uri()
    page.goto(lineage)
    boxes = page.locator("svg.way a")
    names = boxes.locator("text.name").all_text_contents()
    assert {"tlc__yellow_trips", "stg_tlc__yellow_trips", "fct_trips"} <= set(names)
    assert any(name.endswith(".parquet") for name in names), "raw files"
    for at, name in enumerate(names):
        page.goto(lineage)
        boxes.nth(at).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert re.search("/(datasets|models)/", page.url), name
        if "…" not in name and not name.endswith((".csv", ".parquet")):
            expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_on_a_phone_the_picture_says_that_it_scrolls_and_a_tap_on_a_mart_leads_to_it(
    open_page: Callable[..., Page], home: Path
) -> None:
    page = open_page(**PHONE)
    page.goto((home / "site" / "lineage.html").as_uri())
    expect(page.get_by_text("Scroll the picture sideways")).to_be_visible()
    letters = page.locator("svg.way text.name").first.evaluate("e => e.getBoundingClientRect().height")
    assert letters >= 11, "pixels: letters that can be read"
    mart = page.locator("svg.way a", has_text="fct_zone_revenue_monthly")
    expect(mart).not_to_be_in_viewport()
    mart.tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("fct_zone_revenue_monthly")


def test_a_test_s_result_stands_next_to_its_model(page: Page, home: Path) -> None:
    page.goto((home / "site" / "models" / "fct_trips.html").as_uri())
    tests = page.get_by_role("region", name="Tests of fct_trips")
    row = tests.get_by_role("row", name=re.compile("fct_trips_amounts_add_up"))
    expect(row).to_contain_text("pass")
    expect(row).to_contain_text("warn")


def test_the_keyboard_alone_goes_from_the_top_to_a_column_s_lineage(page: Page, home: Path) -> None:
    page.goto((home / "site" / "lineage.html").as_uri())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    wanted = "models/tlc.tlc__yellow_trips.html#tip_amount"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == wanted:
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("article.trail:target")).to_be_in_viewport()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article')?.id") == "tip_amount"


def test_a_phone_shows_every_page_without_scrolling_sideways(open_page: Callable[..., Page], home: Path) -> None:
    page = open_page(**PHONE)
    for path in sorted((home / "site").glob("*.html")) + sorted((home / "site").glob("[dm]*s/*.html")):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.name
    page.goto((home / "site" / "models" / "fct_trips.html").as_uri() + "#tip_amount_usd")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto((home / "site" / "index.html").as_uri())
    page.evaluate("document.querySelector('.attention a').append('https://example.com/' + 'long'.repeat(40))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "an address as a reason"
    page.goto((home / "site" / "run.html").as_uri())
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.evaluate(cut) == 0, "the run's page has a table that is cut off"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_by_day_and_by_night(open_page: Callable[..., Page], home: Path, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for name in ("index.html", "run.html", "lineage.html", "datasets/tlc__yellow_trips.html", "models/fct_trips.html"):
        page.goto((home / "site" / name).as_uri() + "#tip_amount_usd")
        contrast, where = page.evaluate(LOWEST_CONTRAST)
        assert contrast >= 4.5, f"{name}: {where}"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(251, 251, 249)"
    assert dark == (scheme == "dark")


def test_html_in_a_value_is_only_text(page: Page, home: Path) -> None:
    page.goto((home / "site" / "datasets" / "tlc__yellow_trips.html").as_uri())
    page.get_by_role("link", name=re.compile("store_and_fwd_flag in")).first.click()  # passed: told when picked
    expect(page.get_by_role("cell", name=IMAGE)).to_be_visible()
    assert page.title() == "tlc__yellow_trips · Sluice"
    assert page.locator("img").count() == 0


def test_served_it_answers_on_this_machine_alone_until_ctrl_c(home: Path) -> None:
    command = [*CLI, "docs", "--serve", "--port", "0", "--no-open"]
    env = {**os.environ, "SLUICE_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    serving = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", serving.stdout.readline())
        with urllib.request.urlopen(address.group(), timeout=10) as answer:
            assert b"One gate is closed" in answer.read()
        elsewhere = urllib.request.Request(address.group(), headers={"Host": f"evil.example:{address.group(1)}"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(elsewhere, timeout=10)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address.group() + "datasets/", timeout=10)
        listening = Path("/proc/net/tcp").read_text().splitlines() if Path("/proc/net/tcp").exists() else []
        port = f":{int(address.group(1)):04X}"
        assert {line.split()[1] for line in listening if line.split()[1].endswith(port)} <= {f"0100007F{port}"}
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0
    finally:
        serving.kill()
