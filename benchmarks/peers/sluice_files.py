"""Load files with Sluice: a draft of each by `sluice new`, without an edit, then one `sluice run` of all.

A file that is refused is tried again as the refusal says. Where its first line looks like a row: with --no-header, if
its sidecar says that it has none ("header": false), else with --header.

python sluice_files.py LIST OUTPUT     (a file with one path a line; lines of JSON)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from sluice.warehouse import embedded

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from file_cells import encoded

OPTION = re.compile(r"for sluice new: (--[a-z]+ [^\s.;]+)")
SYSTEM = ("_dataset", "_batch", "_load_id", "_row_number", "_loaded_at")


def sluice(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PREFECT_HOME": str(folder / "prefect"), "SLUICE_HOME": str(folder / ".sluice")}
    env.pop("SLUICE_PROJECT", None)
    command = [sys.executable, "-P", "-m", "sluice", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def draft(folder: Path, files: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Why each file was refused that has no draft; and the option that others were refused without."""
    refused, options = {}, {}
    for number, path in enumerate(files):
        command = ("new", "files", f"f{number}", "--from", path)
        said = sluice(folder, *command)
        if "If the file has no header, name its columns: --no-header" in said.stderr:
            options[path] = "--no-header" if has_no_header(path) else "--header"
            said = sluice(folder, *command, options[path])
        elif said.returncode and (named := OPTION.search(said.stderr)):
            options[path] = named[1]
            said = sluice(folder, *command, *named[1].split())
        if said.returncode:
            refused[path] = said.stderr.strip().splitlines()[-1]
    return refused, options


def has_no_header(path: str) -> bool:
    sidecar = Path(f"{path}.expected.json")
    return sidecar.exists() and json.loads(sidecar.read_text()).get("header") is False


def table_of(connection: sa.Connection, dataset: str) -> dict:
    query = f'select * from staging."{dataset}" order by _row_number'
    found = connection.execute(sa.text(query))
    places = [place for place, name in enumerate(found.keys()) if name not in SYSTEM]
    columns = [list(found.keys())[place] for place in places]
    rows = [[encoded(row[place]) for place in places] for row in found]
    query = f'select _row_number from quarantine."{dataset}" order by _row_number'
    return {"columns": columns, "rows": rows, "rejected": list(connection.scalars(sa.text(query)))}


def main(listed: str, output: str) -> None:
    files = Path(listed).read_text().splitlines()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sluice(folder, "init", ".")
        refused, options = draft(folder, files)
        drafted = [f"files__f{number}" for number, path in enumerate(files) if path not in refused]
        said = sluice(folder, "run", *drafted, "--json")
        outcomes = {each["dataset_id"]: each for each in json.loads(said.stdout)["batches"]} if drafted else {}
        home = folder / ".sluice"
        try:
            engine = sa.create_engine(embedded.start(home), poolclass=sa.NullPool)
            with engine.connect() as connection, Path(output).open("w") as out:
                for number, path in enumerate(files):
                    outcome = outcomes.get(f"files__f{number}")
                    if path in refused:
                        found = {"refused": f"new: {refused[path]}"}
                    elif outcome is None or outcome["verdict"] != "published":
                        found = {"refused": "; ".join(outcome["reasons"]) if outcome else said.stderr[-300:]}
                    else:
                        found = {**table_of(connection, f"files__f{number}"), "option": options.get(path, "")}
                    out.write(json.dumps({"file": path, **found}) + "\n")
        finally:
            embedded.remove(home)


if __name__ == "__main__":
    main(*sys.argv[1:])
