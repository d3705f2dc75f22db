"""What each setting of the embedded PostgreSQL is worth: a night with it, and with PostgreSQL's default in its place.

    python benchmarks/settings.py

The month is loaded and its marts are built, as Parquet, in an emptied database; one setting at a time is set back. The
first and the last night are as shipped. Writes results/settings.json.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import make_month
import measure
from contenders import CONTENDERS, Database
from environments import HERE, HOME

from sluice.warehouse import embedded

RESULT = HERE / "results" / "settings.json"
NIGHT = "sluice run, Parquet"
DBT = "select extract(epoch from finished_at - started_at)::float from ops.builds"
# PostgreSQL's defaults, where the file beside the server's data says something else
DEFAULTS = {
    "shared_buffers": "128MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "64MB",
    "random_page_cost": "4",
    "jit": "on",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
}


def night(month: make_month.Month, setting: str = "") -> dict[str, float]:
    """Seconds of its steps, with PostgreSQL's default of one setting."""
    database = Database(embedded.start(HOME).set(username="postgres"))
    try:
        if setting:
            database.execute(f"alter system set {setting} = '{DEFAULTS[setting]}'")
            embedded.stop(HOME)
            database = Database(embedded.start(HOME).set(username="postgres"))
        database.empty()
        run = CONTENDERS[NIGHT](database, month, NIGHT)
        return {**run.phases, "dbt build": round(database.first_row(DBT)[0], 2), "whole": run.whole.seconds}
    finally:
        if setting:
            database.execute(f"alter system reset {setting}")
            embedded.stop(HOME)


def main() -> None:
    facts, month = measure.hardware(), make_month.make(HOME / "data")
    night(month)  # compiles, parses, and fills the system's cache
    found = {"as shipped": night(month)}
    for setting in DEFAULTS:
        found[f"{setting} = {DEFAULTS[setting]}"] = night(month, setting)
        print(setting, found[f"{setting} = {DEFAULTS[setting]}"], flush=True)
    found["as shipped, again"] = night(month)
    embedded.stop(HOME)
    result = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "hardware": facts, "nights": found}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
