"""The pages of the documentation leave nothing out."""

from __future__ import annotations

import yaml

import sluice
from sluice.project.settings import KEYS
from tests.support.repository import ROOT

DOCS = ROOT / "docs"


def test_every_public_name_is_on_the_page_of_python() -> None:
    page = (DOCS / "reference/python.md").read_text()
    assert [name for name in sluice.__all__ if f".{name}\n" not in page and f"| `{name}` |" not in page] == []


def test_every_key_of_sluice_toml_is_on_its_page() -> None:
    page = (DOCS / "reference/sluice-toml.md").read_text()
    assert [key for table, keys in KEYS.items() for key in keys if key not in page or f"[{table}]" not in page] == []


def test_every_page_is_in_the_navigation() -> None:
    nav = str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = [*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")]
    assert [str(page) for page in pages if page.relative_to(DOCS).as_posix() not in nav] == []
