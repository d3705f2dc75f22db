"""The Prefect tasks that write the docs and the site.

Each opens the warehouse's block itself; between tasks go references (`Batch`, `SourceFile`), never rows.
"""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from sluice.contract.errors import SluiceError
from sluice.runs.outcomes import Summary
from sluice.runs.progress import step
from sluice.site import dbt_docs, write
from sluice.warehouse.connection import open_warehouse


@task(name="dbt docs", task_run_name="dbt docs", cache_policy=NO_CACHE)
def write_docs(side: str) -> tuple[str, ...]:
    """Write dbt's docs of the side that is live now, and what the site shows of dbt's models. Returns warnings."""
    with step("dbt docs"):
        return dbt_docs.write_docs(open_warehouse(), side)


@task(name="site", task_run_name="site", cache_policy=NO_CACHE)
def write_site(summary: Summary, run_id: str | None) -> str:
    """Make the site that people browse; gives its front page."""
    with step("site"):
        try:
            dbt_docs.renew_tests(open_warehouse())
        except SluiceError as error:  # a project that cannot be read: dbt build has said so
            get_run_logger().warning("the site shows the tests of an older dbt project: %s", error)
        return str(write.write(open_warehouse(), summary, run_id))
