"""A run of the marts in a process of its own that stops itself (SIGSTOP) at one point, and goes on when it is told to.

Called with a database's address, a dbt project's folder, and the point: row, parse, node, backup, compare or publish.
What became of it is its last line.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import SluiceError
from sluice.marts import build, candidate, measures
from sluice.marts import publish as marts
from sluice.marts.incremental import full_refresh
from sluice.project import paths
from sluice.warehouse.connection import connect
from tests.integration.conftest import connector_for

stopped = False


def stop() -> None:
    """Once."""
    global stopped
    if not stopped:
        stopped = True
        os.kill(os.getpid(), signal.SIGSTOP)


def before(owner: Any, name: str, when: Any = lambda *_: True) -> None:
    """Stop before the first call of `owner.name` for which `when` holds."""
    original = getattr(owner, name)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if when(*args):
            stop()
        return original(*args, **kwargs)

    setattr(owner, name, stopping)


def main(address: str, project: str, point: str) -> None:
    paths.dbt_project = lambda: Path(project)
    warehouse = connect(connector_for(sa.make_url(address)), "test", "postgres")
    if point == "row":
        before(full_refresh, "changed")
    if point == "parse":
        from dbt.parser.manifest import ManifestLoader

        before(ManifestLoader, "load")
    if point == "backup":  # the node's tables are committed, what they replaced is not dropped yet
        from dbt.adapters.postgres import PostgresAdapter

        def of_mart(_: Any, relation: Any) -> bool:
            return str(relation.identifier) == "dim_days__dbt_backup"

        before(PostgresAdapter, "drop_relation", of_mart)
    if point == "compare":  # one mart was compared in the transaction, others follow
        calls = itertools.count()
        before(measures, "measure", lambda *_: next(calls) == 1)
    if point == "publish":
        before(marts, "publish_marts")
    if point == "node":  # one has ended, others follow
        from dbt.adapters.postgres import PostgresAdapter

        before(PostgresAdapter, "post_model_hook")
    with warehouse.lock("dbt"):
        built = build.build(warehouse, "stopped", changed=False)  # every node, so that it comes to the point
        candidate.publish(warehouse, built, "stopped")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
        print("published")  # noqa: T201
    except SluiceError as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}")  # noqa: T201
        sys.exit(error.exit_code)
