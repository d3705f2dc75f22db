"""The dbt docs page that a run leaves, opened in a real browser from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOWEST_CONTRAST, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.long]

# Where a node of the lineage graph is on the screen: the graph is a canvas, which only its library can tell about.
PLACE = """name => {
  const graph = [...document.querySelectorAll('*')].find(element => element._cyreg)
  const frame = graph.getBoundingClientRect()
  const node = graph._cyreg.cy.getElementById(name).renderedPosition()
  return [frame.x + node.x, frame.y + node.y]
}"""
GRAPH_THERE = "[...document.querySelectorAll('*')].some(element => element._cyreg?.cy?.nodes().length > 5)"
NODES = "[...document.querySelectorAll('*')].find(element => element._cyreg)._cyreg.cy.nodes(':visible').length"

MODEL = "#!/model/model.sluice.fct_trips"
WIDEST = """() => Math.max(document.documentElement.scrollWidth, document.querySelector('.app').scrollWidth,
  ...[...document.querySelectorAll('.app-scroll, .launcher-window')].filter(e => e.checkVisibility())
    .map(e => e.getBoundingClientRect().left + e.scrollWidth))"""


@pytest.fixture
def docs(home: Path) -> Path:
    """The page that the run wrote."""
    return home / "site" / "dbt" / "index.html"


def resting_place(page: Page, node: str) -> list[float]:
    """Where a node is once the graph has glided to its place."""
    place, before = page.evaluate(PLACE, node), None
    while place != before:
        page.wait_for_timeout(1500)
        place, before = page.evaluate(PLACE, node), place
    return place


def test_a_reader_clicks_through_the_lineage_from_a_source_to_a_mart(page: Page, docs: Path) -> None:
    source = "#!/source/source.sluice.tlc.tlc__yellow_trips"
    page.goto(docs.as_uri() + source + "?g_v=1&g_i=source:tlc.tlc__yellow_trips%2B")  # with its graph open
    page.wait_for_function(GRAPH_THERE)
    x, y = resting_place(page, "model.sluice.fct_zone_revenue_monthly")
    page.mouse.click(x, y, button="right")
    page.get_by_role("button", name="View documentation").click()

    expect(page.get_by_role("heading", name="fct_zone_revenue_monthly").first).to_be_visible()
    expect(page.get_by_text("One row per", exact=False).first).to_be_visible()
    assert "/model/model.sluice.fct_zone_revenue_monthly" in page.url


def test_readers_see_the_name_marts_and_never_a_side(docs: Path) -> None:
    text = docs.read_text(encoding="utf-8")
    assert '"marts"' in text
    assert "marts__a" not in text
    assert "marts__b" not in text


def test_the_page_holds_nothing_of_the_machine_it_was_made_on(docs: Path) -> None:
    text = docs.read_text(encoding="utf-8")
    assert str(Path.home()) + "/" not in text
    assert str(docs.parents[2]) not in text


def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_button_shows_the_models(
    open_page: Callable[..., Page], docs: Path
) -> None:
    page = open_page(**PHONE)
    page.goto(docs.as_uri() + MODEL)
    page.get_by_role("cell", name="picked_up_at_local").click()
    expect(page.locator(".column-expanded").get_by_text("When the meter was engaged, in New York time")).to_be_visible()
    assert page.evaluate(WIDEST) <= 390
    page.locator(".sluice").get_by_text("Models").click()
    page.locator(".app-menu").get_by_title("dim_zones").first.click()
    expect(page.get_by_role("heading", name="dim_zones")).to_be_in_viewport()
    assert page.evaluate(WIDEST) <= 390
    page.goto(docs.as_uri() + "#!/overview?g_v=1")
    page.reload()
    page.wait_for_function(GRAPH_THERE)
    assert page.evaluate(WIDEST) <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_by_day_and_by_night(open_page: Callable[..., Page], docs: Path, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for place in (MODEL, "#!/overview", "#!/source/source.sluice.tlc.tlc__yellow_trips"):
        page.goto(docs.as_uri() + place)
        expect(page.locator(".app-content .panel").first).to_be_visible()
        contrast, where = page.evaluate(LOWEST_CONTRAST)
        assert contrast >= 4.5, f"{place}: {where}"
    for part in ("body", ".app-content", ".app-menu", ".panel"):
        colour = page.locator(part).first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert (max(map(int, colour[4:-1].split(","))) < 64) == (scheme == "dark"), part


def test_the_keyboard_alone_follows_the_graph_as_a_list_and_shuts_it(page: Page, docs: Path) -> None:
    def tab_to(text: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.title || document.activeElement.textContent.trim()") == text:
                return
        raise AssertionError(f"no {text} among the next 120 stops")

    page.goto(docs.as_uri() + MODEL)
    expect(page.get_by_role("heading", name="fct_trips").first).to_be_visible()
    tab_to("Graph")
    page.keyboard.press("Enter")
    page.wait_for_function(GRAPH_THERE)
    expect(page.get_by_text("The graph as a list")).to_be_focused()
    page.keyboard.press("Enter")
    node = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="fct_zone_trips_daily", exact=True))
    expect(node.filter(has_text="built from fct_trips").filter(has_text="needed by").first).to_be_visible()
    told = page.get_by_label("Lineage graph as a list").get_by_role("listitem").count()
    assert told == page.evaluate(NODES)
    tab_to("fct_zone_trips_daily")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="fct_zone_trips_daily").first).to_be_visible()
    expect(page.get_by_text("The graph as a list")).to_be_hidden()

    tab_to("Graph")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The graph as a list")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_text("The graph as a list")).to_be_hidden()
    expect(page.get_by_role("button", name="Graph", exact=True)).to_be_focused()


def test_the_keyboard_alone_opens_a_model_shuts_the_graph_and_goes_back_to_the_site(page: Page, docs: Path) -> None:
    def tab_to(text: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.title || document.activeElement.textContent.trim()") == text:
                return
        raise AssertionError(f"no {text} among the first 80 stops")

    page.goto(docs.as_uri() + MODEL)
    expect(page.get_by_role("heading", name="fct_trips").first).to_be_visible()
    tab_to("dim_zones")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="dim_zones").first).to_be_visible()

    page.goto(docs.as_uri() + "#!/overview?g_v=1")
    page.reload()
    page.wait_for_function(GRAPH_THERE)
    page.keyboard.press("Escape")
    expect(page.locator(".launcher-window")).to_be_hidden()
    expect(page.get_by_role("button", name="Graph", exact=True)).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Sluice")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("One gate is closed.")
