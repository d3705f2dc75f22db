"""The audit of a loaded batch as Sluice runs it: all counts, samples, results kept in the ledger.

python sluice_audit.py SPEC     (a JSON file; checks.py writes it)
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from sluice.project.datasets import contract_for
from sluice.staging.audit import audit
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text())
    warehouse = Warehouse(sa.create_engine(spec["url"]), "bench", "embedded")
    batch = Batch(spec["dataset"], spec["batch"], spec["load_id"], spec["rows"])
    with warehouse.engine.connect():
        start = time.perf_counter()
        report = audit(warehouse, contract_for(spec["dataset"]), batch)
    seconds = time.perf_counter() - start
    failing = {result.name: result.failing for result in report.results}
    print(json.dumps({"seconds": seconds, "failing": failing}))


if __name__ == "__main__":
    main(sys.argv[1])
