"""A real browser, the Chromium that is installed, driven by Playwright; and one run whose site all tests browse."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from sluice.warehouse import embedded
from tests.support import taxi
from tests.support.chromium import chromium

IMAGE = '<img src=x onerror="document.title=1">'
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# The lowest contrast (WCAG 2) of any text on the page with what is painted behind it.
LOWEST_CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data] }
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = element => { for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor); if (colour[3]) return colour }
    return [255, 255, 255] }
  const texts = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('svg')
    && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  return texts.map(e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x)
    return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 120)] }).sort((x, y) => x[0] - y[0])[0] }"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module's tests."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages with options such as a viewport; the test fails if a script on one fails or it asks the network."""
    errors: list[str] = []
    contexts = []

    def look(request) -> None:  # type: ignore[no-untyped-def]
        if not request.url.startswith(("file:", "data:", "blob:")):
            errors.append(f"asked for {request.url}")

    def new(**options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", look)
        return page

    yield new
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A page of a desktop's size."""
    return open_page()


@pytest.fixture(scope="session")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What one `sluice run` left: a month that was published, and one whose gate is closed, HTML in a value.

    Made by whichever of pytest's processes asks first, and removed by the last that uses it.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "browsed"
    folder.mkdir(exist_ok=True)
    users = folder / "users"
    with _alone(folder):
        others = int(users.read_text()) if users.exists() else 0
        if not others:
            request.getfixturevalue("prefect_server")
            _run(folder)
        users.write_text(str(others + 1))
    yield folder / "home"
    with _alone(folder):
        others = int(users.read_text()) - 1
        users.write_text(str(others))
        if not others:
            embedded.remove(folder / "home")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(folder: Path) -> None:
    taxi.csv(folder / "2019-01.csv", taxi.trips("2019-01"))
    bad = taxi.trips("2019-02", 8, passengers=0)
    bad[0] = bad[0].replace(",N,", f",{taxi.quoted(IMAGE)},")
    taxi.csv(folder / "2019-02.csv", [*bad, *taxi.trips("2019-02")])
    run = subprocess.run(
        [sys.executable, "-m", "sluice", "run", "tlc__yellow_trips", "--url", str(folder / "{batch}.csv")],
        env={**os.environ, "SLUICE_HOME": str(folder / "home")},
        timeout=600,
    )
    assert run.returncode == 2  # refused because of the data
