"""The guides of the documentation: their blocks and commands, and why some of these are not typed by a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
