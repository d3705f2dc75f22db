"""`sluice doctor`: looks at everything a night needs and says what to do about each finding. Changes no data."""

from __future__ import annotations

from functools import partial

from sluice.contract.errors import SluiceError
from sluice.doctor import database, installation, prefect_server, spark
from sluice.doctor.finding import Finding, examine, fail
from sluice.warehouse.connection import look_into_warehouse
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse


def diagnose(send: bool = False) -> list[Finding]:
    """Every finding. Raises nothing: what a check cannot do is a finding.

    Args:
        send: also send a test message through each channel.
    """
    found = examine("versions", installation.versions) + examine("disk", installation.disk)
    warehouse, broken = _warehouse()
    found += broken
    if warehouse is not None:
        found += examine("database", partial(database.settings, warehouse))
        found += examine("rights", partial(database.rights, warehouse))
        found += examine("clocks", partial(database.clocks, warehouse))
        if _rows_are_here():
            found += examine("marts", partial(database.marts, warehouse))
            found += examine("gates", partial(database.gates, warehouse))
        found += examine("dbt", partial(installation.dbt_project, warehouse))
    found += examine(spark.AREA, spark.engine)
    found += examine("prefect", prefect_server.server)
    found += examine("nightly", prefect_server.nightly)
    return found + examine("channels", partial(prefect_server.channels, send))


def _rows_are_here() -> bool:
    """Whether PostgreSQL holds rows and marts; where that is not clear, the area `engine` says why."""
    try:
        return choice.engine() != choice.SPARK
    except SluiceError:
        return False


def _warehouse() -> tuple[Warehouse | None, list[Finding]]:
    try:
        return look_into_warehouse(start=True), []
    except SluiceError as error:
        return None, [
            fail("database", str(error), "Fix this first; the checks that depend on it were skipped", error.exit_code)
        ]
    except Exception as error:  # noqa: BLE001 - Prefect's API, which holds the block, may break in any way
        what = f"{type(error).__name__}: {str(error).strip()[:300]}"
        advice = "Check that Prefect's server responds (PREFECT_API_URL): it stores the block of the warehouse"
        return None, [fail("database", f"the warehouse's block cannot be loaded: {what}", advice)]
