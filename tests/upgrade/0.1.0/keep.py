"""Keep what make.sh made, small: called by it, in the virtual environment of 0.1.0."""

import gzip
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

work, out, binaries = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
home, prefect = work / ".sluice", work / "prefect"

from flows import embedded  # noqa: E402

url = embedded.start(home)
where = ["--host", str(url.query["host"]), "--username", str(url.username), str(url.database)]
plain = ("--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges")
dump = subprocess.run([binaries / "pg_dump", *plain, *where], check=True, capture_output=True, text=True).stdout
with gzip.open(out / "warehouse.sql.gz", "wt", 9) as file:
    file.write("\n".join(line for line in dump.splitlines() if not line.startswith("\\")))  # psql's own commands

with sqlite3.connect(prefect / "prefect.db") as database, gzip.open(out / "prefect.sql.gz", "wt", 9) as file:
    for table in ("event_resources", "events", "log"):  # history, of which nothing of Sluice's is read
        database.execute(f"DELETE FROM {table}")
    # Prefect's own catalogue of block types, which each server registers for itself
    database.execute("DELETE FROM block_schema WHERE block_type_id NOT IN (SELECT block_type_id FROM block_document)")
    database.execute("DELETE FROM block_type WHERE id NOT IN (SELECT block_type_id FROM block_document)")
    database.commit()
    file.write("\n".join(database.iterdump()))

with tarfile.open(out / "home.tar.gz", "w:gz") as kept:
    for path in (home / "runs.json", home / "heartbeat.json", home / "dbt" / "docs" / "project.json"):
        if path.exists():
            kept.add(path, path.relative_to(work))
    for path in sorted((home / "downloads").rglob("*")) + sorted((prefect / "storage").rglob("*")):
        if path.is_file():
            kept.add(path, path.relative_to(work))
    kept.add(work / "files", "files")
for path in sorted(out.iterdir()):
    print(path.name, path.stat().st_size)  # noqa: T201
