"""Commands and Python examples of the guides: Python runs, commands are typed in one project, exceptions have a reason.

The tutorial's are typed by test_documentation.py, in an empty folder. That each command exists, with its options, is in
tests/unit/project/test_documentation.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from tests.support import quick_project, taxi
from tests.support.repository import ROOT

# What cannot be typed here, by a text that its lines have, and the reason; where another test shows it, its name.
NOT_TYPED = {
    "pip install": "installs from an index: test_wheel.py installs the package, test_ceilings.py beside other tools",
    "make run": "is the call of .ci/run",
    "make test": "is the call of .ci/run",
    "PIP_CONSTRAINT": "is for pip",
    "dbt-core<1.12": "is a file for pip",
    "sluice init shop && cd shop": "is typed by test_wheel.py, from the installed package",
    "sluice new shop orders --from orders.csv": "as the line before",
    "sluice run                                   #": "as the line before",
    "sluice restore warehouse.dump                       # into an empty": "is typed in the upgrade above it",
    "sluice up": "takes Prefect's port until Ctrl-C: tests/integration/server/test_server.py",
    "export PREFECT_API_URL": "names the server of sluice up",
    "sluice setup --roles": "makes users of another server: tests/integration/warehouse/test_roles.py",
    "SLUICE_OWNER": "as the line before",
    "SLUICE_TRANSFORMER": "as the line before",
    "SLUICE_READER=my-reader": "names a block of another server: tests/integration/cli/test_reading.py",
    "datacontract ": "in an environment of that tool: test_datacontract_cli.py",
    "sluice init --dbt": "is for a dbt project of another team: tests/integration/marts/test_own_project.py",
    "sluice connect --serve &": "serves until Ctrl-C: tests/integration/warehouse/test_reach.py",
    "alias owner=": "copies the sources of that project from another server",
    "| owner sluice_owner": "as the line before",
    "owner postgres --command": "as the line before",
    "sudo ": "needs root and systemd: tests/integration/server/test_deployment.py",
    "docker ": "needs Docker: tests/integration/server/test_deployment.py runs what the containers would",
    "python -m pytest tests/sweep": "takes an hour and more",
}
# The same for the commands within a sentence or a table; one without its arguments is only named there.
NOT_TYPED_IN_TEXT = {
    "sluice up": "as above",
    "SLUICE_WAREHOUSE=": "names a block of another server: tests/integration/setup/test_setup.py",
    "sluice backfill": "loads a year: tests/integration/runs/test_backfill.py",
    "sluice forget": "asks for a dataset without a contract: tests/integration/staging/test_forget.py",
    "sluice init": "as above",
    "sluice new": "is typed with all it needs in a block; its options: tests/integration/cli/test_new_dataset.py",
    "sluice restore": "as above",
    "sluice check --reference": "is an option: tests/integration/file_check",
    "sluice quarantine replay": "comes to the verdict it had, 2: tests/integration/staging/test_replay.py",
    "sluice run": "is typed in a block",
}
ONLY_NAMED = (
    *(
        "backfill",
        "backup",
        "check",
        "contract diff",
        "contract show",
        "forget",
        "marts",
        "marts diff",
        "restore",
        "sql",
        "sql --json",
    ),
    *("marts publish --why '...'", "quarantine release", "quarantine release --why '...'"),
    *("quarantine show", "sql --as-owner"),
)
SHOWN = (
    "source file ──>",
    "Candidate ",
    "file -> incoming",
    "load tlc__",
    "┃",
    '{"time"',
    "sluice: ",
    "inbox/orders_2024-01.csv, ",
)
CONSOLE = re.compile(r"^\$ (.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a guide."""

    guide: str
    language: str
    text: str

    @property
    def is_typed(self) -> bool:
        """Whether it is for a shell; output and drawings are not."""
        shown = any(self.text.lstrip().startswith(each) for each in SHOWN)
        return self.language in ("sh", "shell", "console") or (not self.language and not shown)

    @property
    def script(self) -> str:
        """What is typed of it: all lines but those of NOT_TYPED."""
        text = "\n".join(CONSOLE.findall(self.text)) or self.text
        return "\n".join(line for line in text.splitlines() if not _is_excepted(line)).strip()


def _is_excepted(line: str) -> bool:
    code = re.split(r"\s# ", line)[0]
    return any(line.startswith(each) if "  " in each else each in code for each in NOT_TYPED)


GUIDES = [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "tutorial.md")]
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [Block(path.name, *found) for path in GUIDES for found in FENCED.findall(path.read_text())]


def in_text() -> Iterator[str]:
    """The commands within sentences and tables that are typed here, each once."""
    for path in GUIDES:
        for span in re.findall(r"`([^`]+)`", FENCED.sub("", path.read_text())):
            command = " ".join(span.split())
            named = command.removeprefix("sluice ") in ONLY_NAMED or "..." in command.replace("'...'", "")
            if re.match(r"([A-Z_]+=\S+ )*sluice [a-z]", command) and not named:
                yield command


IN_TEXT = [command for command in dict.fromkeys(in_text()) if not any(each in command for each in NOT_TYPED_IN_TEXT)]


def test_every_block_is_a_language_that_is_tried_here() -> None:
    assert {block.language for block in BLOCKS} <= {"", "sh", "console", "python", "toml", "yaml", "sql", "text"}


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.is_typed], ids=lambda each: each.guide)
def test_what_is_typed_is_a_script_that_a_shell_can_read(block: Block) -> None:
    text = "\n".join(CONSOLE.findall(block.text)) or block.text
    if not text.startswith(("0 5 ", "dbt-core<")):
        read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr


def test_each_exception_is_of_a_command_that_is_there() -> None:
    texts = [block.text for block in BLOCKS]
    assert [each for each in NOT_TYPED if not any(each in text for text in texts)] == []
    assert [each for each in NOT_TYPED_IN_TEXT if not any(each in command for command in in_text())] == []


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in ("toml", "yaml")], ids=str)
def test_settings_of_the_guides_can_be_read(block: Block) -> None:
    assert tomllib.loads(block.text) if block.language == "toml" else yaml.safe_load(block.text)


def test_the_python_of_the_guides_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.blocks.core import Block as PrefectBlock

    import sluice

    saved: list[str] = []
    monkeypatch.setattr(PrefectBlock, "save", lambda _, name: saved.append(name))  # there is no server here
    names = {name: getattr(sluice, name) for name in sluice.__all__}
    for block in (each for each in BLOCKS if each.language == "python"):
        text = block.text.replace("    ...\n", "    files=Files('a.csv', Single()), schema=TheSchema,\n").replace(
            "Contract(..., files", "Contract(source='shop', entity='orders', owner='a', schema=TheSchema, files"
        )
        exec(
            compile(text, block.guide, "exec", dont_inherit=True),
            {"__name__": "guide", **names, "TheSchema": schema()},
        )
    assert saved == ["data-team", "data-mail"]


def schema() -> type:
    import pandera.pandas as pa

    from sluice import Int, column

    return type("TheSchema", (pa.DataFrameModel,), {"__annotations__": {"n": Int}, "n": column("A number.")})


class Project:
    """The project that the guides speak of: the taxi example without its dbt tests, and a file of the shop."""

    def __init__(self, folder: Path, channel: str) -> None:
        self.root, home = folder / "project", folder / "home"
        self.root.mkdir()
        home.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "PREFECT_", "DBT_"))}
        self.environment = {
            **kept,
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BROWSER": "true",  # the program of that name
            "SLUICE_BLOCK_TAXI_DATA_URL": channel,
        }

    def type(self, script: str) -> subprocess.CompletedProcess[str]:
        call = ["bash", "-c", f"set -e\n{script}"]
        return subprocess.run(
            call, cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def must(self, script: str, code: int = 0) -> str:
        done = self.type(script)
        assert done.returncode == code, f"{script}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def prepare(self) -> None:
        """Two nights, so that there are marts to go back to."""
        self.must("sluice init . --example taxi")
        quick_project.leave_tests_out(self.root / "dbt_project")
        for contract in self.root.glob("contracts/tlc_*.py"):  # in place of addresses in the internet
            named = re.sub(r'"https://[^"]+"', '".sluice/demo/{entity}_{batch}.parquet"', contract.read_text())
            contract.write_text(named.replace("{entity}_{batch}", "zones_all") if "zones" in contract.name else named)
        shutil.copytree(ROOT / "deploy", self.root / "deploy")
        self.must("sluice derive && git init -qb main && git add -A")
        self.must('git -c user.name=a -c user.email=a@example.com commit -qm "A project"')
        (self.root / "inbox").mkdir()
        orders = [f"{n},2024-01-{n % 28 + 1:02d} 10:00:00,shop {n % 2},{n % 5 + 1},{n % 90}.50" for n in range(1, 101)]
        header = "order_id,ordered_at,shop,quantity,price"
        (self.root / "inbox/orders_2024-01.csv").write_text("\n".join([header, *orders]) + "\n")
        taxi.csv(self.root / "yellow_tripdata_2019-02.csv.gz", february())
        self.must("sluice demo --rows 2000 && sluice setup && sluice run tlc__zones && sluice run")

    def month(self) -> str:
        """The newest month of the demo."""
        return max(self.root.glob(".sluice/demo/yellow_trips_*")).stem.removeprefix("yellow_trips_")

    def as_here(self, command: str) -> str:
        """A command with the names of this project, ended where it would go on until Ctrl-C."""
        told = {
            "2026-09": self.month(),
            "/srv/sluice": str(self.root),
            ".venv/bin/sluice": "sluice",
            "0 5 * * *  ": "",
            "DATASET [BATCH]": "tlc__yellow_trips 2019-02",
            "run DATASET --batch BATCH": f"run tlc__yellow_trips --batch {self.month()}",
            "DATASET BATCH": "tlc__yellow_trips 2019-02",
            "DATASET": "tlc__yellow_trips",
            "check FILE": "check inbox/orders_2024-01.csv",
            "check orders_": "check inbox/orders_",
            "FILE": "another.dump",
            "NUMBER": f"$(sluice alerts --json | python -c '{FIRST_INCIDENT}')",
        }
        for old, new in told.items():
            command = command.replace(old, new)
        # --foreground: one signal, as of Ctrl-C; else timeout sends it to its group, too, and the command gets two
        until = re.compile(r"^(sluice (?:alerts send --watch|run --watch|connect --serve).*)", re.MULTILINE)
        return until.sub(r"timeout --foreground --preserve-status --signal=INT 40 \1", command)


def february() -> list[str]:
    """The month of docs/gate.md, as it counts it."""
    good, odd = taxi.trips("2019-02", 10_000 - 1579 - 14), taxi.trips("2019-02", 14)
    return [*good, *taxi.trips("2019-02", 1579, passengers=0), *(line.replace("2019-02", "2019-05") for line in odd)]


FIRST_INCIDENT = 'import json, sys; print(json.load(sys.stdin)[0]["incident"])'
# What a block asks for that stands in the text around it.
BEFORE = {
    "sluice new shop orders": "rm -rf contracts/shop_*",
    "sluice contract export": "",
    "sluice marts publish --why": "sluice marts build",
    "sluice contract import": (
        "sluice contract export shop__orders > orders.odcs.yaml; mv contracts/shop_orders.py kept\n"
        "mkdir -p models/marts; echo 'models: [{name: fct_orders, columns: [{name: order_id, data_type: integer}]}]' "
        "> models/marts/_marts.yml"
    ),
}
AFTER = {
    "sluice contract export": (  # datacontract reads as that user
        r"printf '\\set ON_ERROR_STOP on\nselect count(*) from staging.tlc__zones;\n' | sluice connect --psql"
    ),
    "sluice contract import": "mv kept contracts/shop_orders.py",
}


@pytest.mark.long(minutes=20)
def test_every_command_of_the_guides_is_typed_in_one_project(
    tmp_path: Path, httpserver: HTTPServer, prefect_server: str
) -> None:
    httpserver.expect_request("/").respond_with_data("")
    project = Project(tmp_path, f"json://{httpserver.host}:{httpserver.port}")
    try:
        project.prepare()
        for block in (each for each in BLOCKS if each.is_typed and each.script):
            script = project.as_here(block.script)
            first = next((key for key in BEFORE if script.startswith(key)), "")
            if first == "sluice contract import":  # the second draft takes the place of the first
                script = script.replace("\n", "\nrm contracts/shop_orders.py\n")
            if script.startswith("prefect "):
                script = f"export PREFECT_API_URL={prefect_server}\n{script}"
            if CONSOLE.search(block.text):  # its output is shown, too
                shown = project.must(script.replace("\n", " || ", 1))
                assert " ".join(re.sub(r"^\$ .*\n", "", block.text, flags=re.MULTILINE).split()[:-1]) in " ".join(
                    shown.split()
                )
            else:
                project.must("\n".join([BEFORE.get(first, ""), script, AFTER.get(first, "")]))
        for command in IN_TEXT:
            project.must(project.as_here(command))
        assert [json["title"] for json in (request.get_json() for request, _ in httpserver.log)]
    finally:
        remove = "from sluice.project.paths import home; from sluice.warehouse import embedded; embedded.remove(home())"
        project.type(f"python -c '{remove}'")
