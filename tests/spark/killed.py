"""A process that is killed (SIGKILL) while it publishes a batch into a lake.

Called with the ledger's address, the lake's folder, a file of orders of 2021-01, and the point: `written`, when the
rows of the load are in the lake; `announced`, when the ledger says that it is being published; `published`, when the
lake has published it and the ledger does not say so yet. With `release` in place of a file, the held load is released.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.staging import publish
from sluice.warehouse.batch import Batch
from sluice.warehouse.connection import connect
from sluice.warehouse.spark.engine import Spark
from tests.integration.conftest import connector_for, delivered
from tests.spark.lakes import lake_in, of
from tests.support import shops

POINTS = {"written": ("reject", True), "announced": ("publish", False), "published": ("publish", True)}
BATCH = "2021-01"


class Killed(Spark):
    """Kills its process before or after a call."""

    def __init__(self, lake: Any, point: str) -> None:
        super().__init__(lake)
        name, after = POINTS[point]
        call = getattr(self, name)

        def kill(*arguments: Any) -> None:
            if after:
                call(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(self, name, kill)


def main(address: str, folder: str, file: str, point: str) -> None:
    warehouse = connect(connector_for(sa.make_url(address)), "test", "postgres")
    warehouse = replace(warehouse, data=Killed(lake_in(Path(folder)), point))
    orders = shops.contract(max_rejected=0.2)
    if file == "release":
        held = Batch(str(orders), BATCH, of(warehouse, orders, BATCH, "held").load_id)
        publish.release(warehouse, orders, held, "Ann", "checked by hand")
    else:
        delivered(warehouse, orders, BATCH, Path(file), Path(folder) / "downloads")


if __name__ == "__main__":
    main(*sys.argv[1:])
