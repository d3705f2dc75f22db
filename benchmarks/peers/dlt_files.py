"""Load files with dlt as it comes: its filesystem source and readers, into DuckDB.

python dlt_files.py LIST OUTPUT     (a file with one path a line; lines of JSON)
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import dlt
import duckdb
from dlt.sources.filesystem import filesystem, read_csv, read_jsonl, read_parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from file_cells import encoded

READERS = {".parquet": read_parquet, ".jsonl": read_jsonl, ".ndjson": read_jsonl}


def load(path: Path, folder: Path) -> dict:
    database = folder / "loaded.duckdb"
    try:
        pipeline = dlt.pipeline(
            "files", destination=dlt.destinations.duckdb(str(database)), dataset_name="d", pipelines_dir=str(folder)
        )
        files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
        reader = READERS.get(path.suffix.lower(), read_csv)
        pipeline.run((files | reader()).with_name("rows"))
        with duckdb.connect(str(database), read_only=True) as connection:
            found = connection.execute("select * from d.rows order by rowid")
            names = [column[0] for column in found.description]
            rows = found.fetchall()
    except Exception as error:  # noqa: BLE001 - each of its errors is a refusal
        said = (str(error).splitlines() or [""])[0]
        return {"refused": f"{type(error).__name__}: {said}"[:300]}
    return merged(names, rows)


def merged(names: list[str], rows: list[tuple]) -> dict:
    """Its own columns left out, and the values that it moved to `x__v_text` back in `x`."""
    base = {name: name.split("__v_")[0] for name in names if not name.startswith("_dlt_")}
    columns = list(dict.fromkeys(base.values()))
    out = []
    for row in rows:
        cells: dict[str, object] = {}
        for name, value in zip(names, row, strict=True):
            if name in base and value is not None:
                cells[base[name]] = value
        out.append([encoded(cells.get(name)) for name in columns])
    return {"columns": columns, "rows": out}


def main(listed: str, output: str) -> None:
    with Path(output).open("w") as out:
        for line in Path(listed).read_text().splitlines():
            with tempfile.TemporaryDirectory() as folder:
                out.write(json.dumps({"file": line, **load(Path(line), Path(folder))}) + "\n")
            out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
