"""Results of the last runs, kept beside the site, so that it can be updated without a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.contract.formatting import span
from sluice.project.atomic import write_text
from sluice.runs.outcomes import Summary, by_line

RUNS = 30


def keep(home: Path, summary: Summary, run_id: str | None) -> None:
    """Put a run before the others."""
    batches = [
        asdict(group[0]) | {"batch": span([each.batch for each in group]), "count": len(group)}
        for group in by_line(summary.outcomes)
    ]
    run = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "run_id": run_id, **summary.as_dict(), "batches": batches}
    write_text(_path(home), json.dumps([run, *last(home)][:RUNS]))


def last(home: Path) -> list[dict[str, Any]]:
    """The last runs, newest first."""
    path = _path(home)
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def _path(home: Path) -> Path:
    return home / "runs.json"
