"""The project that the guides speak of, and all that they say to type into it, in parts that run at once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytest_httpserver import HTTPServer

from tests.support import quick_project, taxi
from tests.support.guides import BLOCKS, CONSOLE, Block
from tests.support.prefect_api import prefect_api
from tests.support.repository import ROOT

# The guides of a part, in this order. The others are a second part, and the commands within all texts a third.
FIRST = ("README.md", "alerts.md", "check.md", "contracts.md")
LATER = tuple(dict.fromkeys(block.guide for block in BLOCKS if block.guide not in FIRST))


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
        names = {
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
        for old, new in names.items():
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
# The blocks that make the dataset and the held batch of which the texts speak.
BEFORE_TEXT = ("sluice new shop orders", "sluice run tlc__yellow_trips --batch 2019-02")
AFTER = {
    "sluice contract export": (  # datacontract reads as that user
        r"printf '\\set ON_ERROR_STOP on\nselect count(*) from staging.tlc__zones;\n' | sluice connect --psql"
    ),
    "sluice contract import": "mv kept contracts/shop_orders.py",
}


@contextmanager
def guided_project(folder: Path, httpserver: HTTPServer, *, standing_server: bool) -> Iterator[Project]:
    """Such a project, whose owners have a channel: what went wrong in it was sent there by the end.

    Args:
        folder: an empty one.
        httpserver: the channel.
        standing_server: whether a Prefect server runs, as `sluice up` keeps one; else each command starts its own.
    """
    httpserver.expect_request("/").respond_with_data("")
    project = Project(folder, f"json://{httpserver.host}:{httpserver.port}")
    try:
        with ExitStack() as stack:
            if standing_server:
                api = stack.enter_context(prefect_api(project.environment, folder / "server.log"))
                project.environment["PREFECT_API_URL"] = api
            project.prepare()
            yield project
        assert [json["title"] for json in (request.get_json() for request, _ in httpserver.log)]
    finally:
        remove = "from sluice.project.paths import home; from sluice.warehouse import embedded; embedded.remove(home())"
        project.type(f"python -c '{remove}'")


def blocks_of(guides: Sequence[str]) -> list[Block]:
    """What is typed of these guides."""
    return [each for each in BLOCKS if each.guide in guides and each.is_typed and each.script]


def type_block(project: Project, block: Block, prefect_server: str) -> None:
    """Type it, with what its guide says around it; what is shown as its output is what comes."""
    script = project.as_here(block.script)
    first = next((key for key in BEFORE if script.startswith(key)), "")
    if first == "sluice contract import":  # the second draft takes the place of the first
        script = script.replace("\n", "\nrm contracts/shop_orders.py\n")
    if script.startswith("prefect "):
        script = f"export PREFECT_API_URL={prefect_server}\n{script}"
    if CONSOLE.search(block.text):  # its output is shown, too
        shown = project.must(script.replace("\n", " || ", 1))
        assert " ".join(re.sub(r"^\$ .*\n", "", block.text, flags=re.MULTILINE).split()[:-1]) in " ".join(shown.split())
    else:
        project.must("\n".join([BEFORE.get(first, ""), script, AFTER.get(first, "")]))
