"""Every object that `--json` prints has the fields that docs/json.md lists, and no others."""

from __future__ import annotations

import json

import pytest

from tests.support import taxi
from tests.support.documented import fields, json_fields
from tests.support.repository import ROOT

ELSEWHERE = {"backup", "restore", "forget", "diff"}  # in test_backup.py, test_forget.py and test_diff_models.py


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
        "marts build": ("marts", "build"),
        "marts diff": ("marts", "diff"),
        "marts publish": ("marts", "publish"),
        "marts rollback": ("marts", "rollback"),
        "alerts send": ("alerts", "send"),
    }
    return {name: json.loads(sluice(*command, "--json").out) for name, command in commands.items()}


@pytest.mark.long
def test_every_document_has_the_fields_that_the_page_lists_and_verdicts_are_machine_words(said) -> None:
    listed = json_fields()
    assert set(listed) == set(said) | ELSEWHERE
    for command, document in said.items():
        assert document, command
        assert set(fields(document)) == listed[command], command
    assert [batch["verdict"] for batch in said["run"]["batches"]] == ["published", "held"]
    assert said["quarantine release"]["batches"][0]["verdict"] == "released"
    assert said["backfill"]["batches"][0]["verdict"] == "unchanged"
    assert {row["verdict"] for row in said["status"]} == {"published", "held", "never_loaded"}
    assert [batch["would"] for batch in said["plan"]["batches"]] == ["unchanged", "load"]
