"""The dbt docs page that a run leaves, opened in a real browser from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

# Where a node of the lineage graph is on the screen: the graph is a canvas, which only its library can tell about.
PLACE = """name => {
  const graph = [...document.querySelectorAll('*')].find(element => element._cyreg)
  const frame = graph.getBoundingClientRect()
  const node = graph._cyreg.cy.getElementById(name).renderedPosition()
  return [frame.x + node.x, frame.y + node.y]
}"""
GRAPH_THERE = "[...document.querySelectorAll('*')].some(element => element._cyreg?.cy?.nodes().length > 5)"


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
