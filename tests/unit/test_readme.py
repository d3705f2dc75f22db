"""What the README leads to is there."""

from __future__ import annotations

import re

from tests.support.repository import ROOT


def test_every_promise_leads_to_tests_that_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    promises = [
        line for line in text.split("## What Sluice promises")[1].split("\n## ")[0].splitlines() if "](" in line
    ]
    assert len(promises) > 8
    for promise in promises:
        files = re.findall(r"\]\((tests/[^)]+)\)", promise)
        assert files, promise
        assert [file for file in files if not (ROOT / file).exists()] == []
