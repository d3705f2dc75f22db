"""Load files with Sluice: a draft of each by `sluice new`, without an edit, then one `sluice run` of all.

A file that is refused, or that comes out wrong, is tried again with the options that its refusal names, or the
first point of its draft that names some, as a person would who looks at the file: --no-header only where its sidecar
says that there is no header ("header": false), else --header. Twice at most.

python sluice_files.py LIST OUTPUT     (a file with one path a line; lines of JSON)
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.warehouse import embedded

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from file_cells import encoded
from file_values import Loaded, truth_of, verdict_of

AGAIN, TRIES = ("refused", "silently wrong"), 2
ROW_AS_HEADER = "If the file has no header, name its columns: --no-header"
_VALUED = "skip|names|records|delimiter|comment|quote|escape|encoding|sheet|member"
_OPTION = rf"""--(?:no-header|header|multiline|trim|(?:{_VALUED}) (?:"[^"\n]*"|'[^'\n]*'|[^\s;]+?(?=[;.]?(?:\s|$))))"""
NAMED = re.compile(rf"(for sluice new: )?({_OPTION}(?: {_OPTION})*)")
SYSTEM = ("_dataset", "_batch", "_load_id", "_row_number", "_loaded_at")


class Project:
    """A new project, and what `sluice new` said of each file."""

    def __init__(self, folder: Path, files: list[str]) -> None:
        self.folder, self.home = folder, folder / ".sluice"
        self.datasets = {path: f"f{number}" for number, path in enumerate(files)}
        self.said: dict[str, subprocess.CompletedProcess[str]] = {}
        self.options: dict[str, str] = {}
        self.sluice("init", ".")

    def sluice(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PREFECT_HOME": str(self.folder / "prefect"), "SLUICE_HOME": str(self.home)}
        env.pop("SLUICE_PROJECT", None)
        command = [sys.executable, "-P", "-m", "sluice", *arguments]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)

    def load(self, options: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """What came of each file, drafted with its options."""
        for path, given in options.items():
            if path in self.said:  # as a dataset of another name, which has no table yet
                self.datasets[path] += "x"
            self.options[path] = f"{self.options.get(path, '')} {given}".strip()
            command = ("new", "files", self.datasets[path], "--from", path, *shlex.split(self.options[path]))
            self.said[path] = self.sluice(*command)
        drafted = [path for path in options if not self.said[path].returncode]
        said = self.sluice("run", *(f"files__{self.datasets[path]}" for path in drafted), "--json") if drafted else None
        batches = json.loads(said.stdout)["batches"] if said else []
        outcomes = {each["dataset_id"]: each for each in batches}
        engine = sa.create_engine(embedded.start(self.home), poolclass=sa.NullPool)
        with engine.connect() as connection:
            return {path: self._found(connection, path, outcomes) | {"option": self.options[path]} for path in options}

    def _found(self, connection: sa.Connection, path: str, outcomes: Mapping[str, Any]) -> dict[str, Any]:
        dataset = f"files__{self.datasets[path]}"
        if self.said[path].returncode:
            return {"refused": f"new: {self.said[path].stderr.strip().splitlines()[-1]}"}
        outcome = outcomes.get(dataset)
        if outcome is None or outcome["verdict"] != "published":
            return {"refused": "; ".join(outcome["reasons"]) if outcome else "the run ended before it"}
        return table_of(connection, dataset)

    def option(self, path: str) -> str:
        """What its refusal, or a point of its draft, says to add; nothing if none does. Names that are cut short are
        left out: the columns then have made-up ones."""
        said = self.said[path].stderr if self.said[path].returncode else self.said[path].stdout
        if ROW_AS_HEADER in said:
            return "--no-header" if has_no_header(path) else "--header"
        found = sorted(NAMED.findall(said), key=lambda one: not one[0])  # in their order, those for this command first
        return re.sub(r" ?--names \S*\.\.", "", found[0][1]).strip() if found else ""


def verdict(path: str, found: Mapping[str, Any]) -> str:
    return verdict_of(truth_of(Path(path)), Loaded(**found))[0]


def has_no_header(path: str) -> bool:
    sidecar = Path(f"{path}.expected.json")
    return sidecar.exists() and json.loads(sidecar.read_text()).get("header") is False


def table_of(connection: sa.Connection, dataset: str) -> dict[str, Any]:
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
        project = Project(Path(temporary), files)
        try:
            found = project.load(dict.fromkeys(files, ""))
            wrong = [path for path in files if verdict(path, found[path]) in AGAIN]
            for _ in range(TRIES):
                again = project.load({path: option for path in wrong if (option := project.option(path))})
                found |= {path: one for path, one in again.items() if verdict(path, one) not in AGAIN}
                wrong = [path for path, one in again.items() if verdict(path, one) in AGAIN]
        finally:
            embedded.remove(project.home)
        Path(output).write_text("".join(json.dumps({"file": path, **found[path]}) + "\n" for path in files))


if __name__ == "__main__":
    main(*sys.argv[1:])
