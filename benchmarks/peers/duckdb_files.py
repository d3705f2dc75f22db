"""Load files with DuckDB as it comes: `select * from` the file.

python duckdb_files.py LIST OUTPUT     (a file with one path a line; lines of JSON)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from file_cells import encoded


def load(path: str) -> dict:
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        quoted = path.replace("'", "''")
        found = connection.execute(f"select * from '{quoted}'")
        columns = [column[0] for column in found.description]
        return {"columns": columns, "rows": [[encoded(cell) for cell in row] for row in found.fetchall()]}
    except Exception as error:  # noqa: BLE001 - each of its errors is a refusal
        return {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    finally:
        connection.close()


def main(listed: str, output: str) -> None:
    with Path(output).open("w") as out:
        for path in Path(listed).read_text().splitlines():
            out.write(json.dumps({"file": path, **load(path)}) + "\n")
            out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
