"""What a checkout's user has, as lines to compare: in `.ci/run`, before and after the tests, and another run.

python -m tests.support.state data     every table of the warehouse but ops.runs: rows, and a sum over them
python -m tests.support.state runs     the number of runs
python -m tests.support.state files    the user's folders and the tracked files: size in bytes, time in ns
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import sqlalchemy as sa

from sluice.warehouse.connection import look_into_warehouse
from tests.support import user_folders
from tests.support.repository import ROOT

SCHEMAS = ("staging", "quarantine", "marts", "ops")


def data() -> Iterator[str]:
    """A line a table or view. The sum does not depend on the order of rows."""
    with _warehouse().engine.connect() as connection:
        inspector = sa.inspect(connection)
        for schema in SCHEMAS:
            for name in sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)]):
                if (schema, name) != ("ops", "runs"):
                    line = sa.cast(sa.literal_column("line"), sa.Text)
                    query = sa.select(sa.func.count(), sa.func.sum(sa.func.hashtextextended(line, 0)))
                    query = query.select_from(sa.table(name, schema=schema).alias("line"))
                    yield " ".join(map(str, (f"{schema}.{name}", *connection.execute(query).one())))


def runs() -> Iterator[str]:
    """One line."""
    with _warehouse().engine.connect() as connection:
        yield str(connection.scalar(sa.text("SELECT count(*) FROM ops.runs")))


def files() -> Iterator[str]:
    """A line a file or folder, once no run uses the warehouse any more."""
    theirs = user_folders.of_this_user()
    if theirs.in_use():
        sys.exit(f"a process uses the warehouse in {theirs.warehouse}, and may change it at any time: end it first")
    for path, facts in sorted(theirs.look().items()):
        yield f"{path} {facts}"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        facts = (ROOT / name).lstat()
        yield f"{name} {(facts.st_size, facts.st_mtime_ns)}"


def _warehouse():
    warehouse = look_into_warehouse()
    if warehouse is None:
        sys.exit("there is no warehouse yet: make run")
    return warehouse


if __name__ == "__main__":
    for line in {"data": data, "runs": runs, "files": files}[sys.argv[1]]():
        print(line)  # noqa: T201
