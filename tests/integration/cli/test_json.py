"""Every object that `--json` prints has the fields that docs/json.md lists, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import taxi
from tests.support.repository import ROOT

FREE = {"sample", "layers"}  # what is in them depends on the dataset
FIELDS = re.compile(r"`([a-z0-9_.\[\]]+)`")


def documented() -> dict[str, set[str]]:
    """The fields by command, as the page lists them."""
    found: dict[str, set[str]] = {}
    for section in (ROOT / "docs/json.md").read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        fields = {field for row in rows for field in FIELDS.findall(row)}
        for command in re.findall(r"`(?:sluice )?([a-z ]+)`", heading):
            found[command] = fields
    return found


def fields(document: Any, before: str = "") -> Iterator[str]:
    """Every field of a document, as the page writes them."""
    if isinstance(document, list):
        for each in document:
            yield from fields(each, f"{before}[]" if before else "")
    elif isinstance(document, dict):
        for name, value in document.items():
            path = f"{before}.{name}" if before else name
            yield path
            if name not in FREE:
                yield from fields(value, path)


@pytest.fixture
def said(sluice, tmp_path):
    """What every command prints after a night with a month that was published and one that is held."""
    taxi.csv(tmp_path / "2019-01.csv", [*taxi.trips("2019-01", 60), *taxi.trips("2019-01", 1, passengers=0)])
    taxi.csv(tmp_path / "2019-02.csv", [*taxi.trips("2019-02", 20), *taxi.trips("2019-02", 10, passengers=0)])
    url, month = ("--url", str(tmp_path / "{batch}.csv")), ("tlc__yellow_trips", "2019-02")
    commands = {
        "run": ("run", "tlc__yellow_trips", *url),
        "status": ("status",),
        "plan": ("plan", "tlc__yellow_trips", *url),
        "alerts": ("alerts",),
        "quarantine list": ("quarantine", "list"),
        "quarantine show": ("quarantine", "show", *month),
        "contract show": ("contract", "show", "tlc__yellow_trips"),
        "check": ("check", str(tmp_path / "2019-02.csv"), "--contract", str(ROOT / "contracts/tlc_yellow_trips.py")),
        "connect": ("connect",),
        "contract diff": ("contract", "diff", *(str(ROOT / f"contracts/tlc_{n}.py") for n in ("zones", "green_trips"))),
        "doctor": ("doctor",),
        "setup": ("setup", "--yes"),
        "heartbeat": ("heartbeat",),
        "quarantine release": ("quarantine", "release", *month, "--why", "a test"),
        "quarantine replay": ("quarantine", "replay", *month),
        "backfill": ("backfill", "tlc__yellow_trips", "--from", "2019-01", "--to", "2019-01", *url),
        "rollback": ("rollback",),
        "alerts send": ("alerts", "send"),
    }
    return {name: json.loads(sluice(*command, "--json").out) for name, command in commands.items()}


def test_every_document_has_the_fields_that_the_page_lists_and_verdicts_are_machine_words(said) -> None:
    listed = documented()
    assert set(listed) == set(said)
    for command, document in said.items():
        assert document, command
        assert set(fields(document)) == listed[command], command
    assert [batch["verdict"] for batch in said["run"]["batches"]] == ["published", "held"]
    assert said["quarantine release"]["batches"][0]["verdict"] == "released"
    assert said["backfill"]["batches"][0]["verdict"] == "unchanged"
    assert {row["verdict"] for row in said["status"]} == {"published", "held", "never_loaded"}
    assert [batch["would"] for batch in said["plan"]["batches"]] == ["unchanged", "load"]
