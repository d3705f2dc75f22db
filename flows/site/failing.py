"""The command that shows the rows a failed dbt test found, as the message to its owner has it. Reads files only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flows.dbt_verdict import rows_command


def commands(home: Path, results: Iterable[sa.Row]) -> dict[str, str]:
    """By the test's unique id.

    Args:
        results: the newest of each dbt node. One whose build left nothing here any more, or was made elsewhere, has
            no command.
    """
    found = {}
    of_side = cache(lambda side: _manifest(home, side))
    for row in results:
        manifest = of_side(row.side) if row.status == "fail" and row.resource_type == "test" else {}
        if manifest.get("metadata", {}).get("invocation_id") != row.invocation_id:
            continue  # of another build
        path = manifest["nodes"].get(row.unique_id, {}).get("compiled_path")
        if path and Path(path).exists():
            found[row.unique_id] = rows_command(Path(path))
    return found


def _manifest(home: Path, side: str) -> Mapping[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((home / "dbt" / side / "target" / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest
