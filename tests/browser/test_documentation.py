"""The documentation as a site, built as its readers have it, served, and opened in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE
from tests.support import documentation

pytestmark = [pytest.mark.browser, pytest.mark.long]

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
LINKS = "[...document.querySelectorAll('a[href]')].map(a => a.href)"
IDS = "[...document.querySelectorAll('[id]')].map(e => e.id)"
# Names in tables that are broken into pieces of fewer than eight characters
CRUMBLED = """[...document.querySelectorAll('td code')].filter(code => {
  const lines = code.getClientRects().length
  return lines > 1 && code.textContent.length / lines < 8 && !/[ -]/.test(code.textContent)
}).map(code => code.textContent)"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing, in place of a line a request."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site."""
    return documentation.build(tmp_path_factory.mktemp("documentation"))


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens pages of a size; the test fails if a script fails, a file is missing, or another host is asked."""
    faults: list[str] = []
    contexts = []

    def new(size: dict) -> Page:
        contexts.append(browser.new_context(**size))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((address, "data:", "blob:")) else faults.append(sent.url),
        )
        return page

    yield new
    for context in contexts:
        context.close()
    assert faults == []


@SIZES
def test_no_page_is_wider_than_the_screen_and_no_name_crumbles(
    opened: Callable[..., Page], site: Path, address: str, size: dict
) -> None:
    page = opened(size)
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert len(names) > 40
    for name in names:
        page.goto(address + name)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"], name
        assert page.evaluate(CRUMBLED) == [], name
        assert page.locator("article").inner_text().strip(), name


def test_every_link_leads_to_a_place_that_is_there(opened: Callable[..., Page], site: Path, address: str) -> None:
    page = opened(DESKTOP)
    names = [path.relative_to(site).as_posix() for path in site.rglob("*.html") if path.name != "404.html"]
    places, links = set(), set()
    for name in names:
        page.goto(address + name)
        places |= {address + name, *(f"{address}{name}#{place}" for place in page.evaluate(IDS))}
        links |= {(name, unquote(link)) for link in page.evaluate(LINKS) if link.startswith(address)}
    places |= {address}
    assert sorted(f"{name}: {link}" for name, link in links if link.rstrip("#") not in places) == []


@SIZES
def test_the_search_finds_a_page_and_opens_it(opened: Callable[..., Page], address: str, size: dict) -> None:
    page = opened(size)
    page.goto(address)
    if size is PHONE:
        page.locator("label.md-header__button[for=__search]").tap()
    box = page.get_by_role("textbox", name="Search")
    box.click()
    box.press_sequentially("quarantine release")
    found = page.locator(".md-search-result__link").first
    expect(found).to_be_visible()
    expect(page.locator(".md-search-result__meta")).to_contain_text("matching documents")
    found.click()
    expect(page.locator("article")).to_contain_text("quarantine")
    assert page.url != address


def test_on_a_phone_the_menu_leads_to_the_tutorial(opened: Callable[..., Page], address: str) -> None:
    page = opened(PHONE)
    page.goto(address)
    page.locator("label.md-header__button[for=__drawer]").tap()
    page.get_by_role("navigation").get_by_role("link", name="Tutorial").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("from an empty folder")
