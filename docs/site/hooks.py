"""Pages of the site that are written when it is built: commands, the tables of `ops`, the list of decisions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[2]
OPS = {  # what a row of each table is
    "batches": "The ledger: one row a load, written when it begins and finished with its verdict.",
    "built_nodes": "What each side holds whole of dbt's nodes, and what each was built from.",
    "builds": "One row a build of the marts.",
    "checks": "Every result of every check of every audit, also when it passed.",
    "comparisons": "How the marts of a build differ from those that readers had.",
    "dbt_results": "dbt's result of each node of each build.",
    "files": "The files of a batch of several files, and which rows are each one's.",
    "incidents": "What owners are alerted to: open until it is resolved.",
    "outbox": "Messages about incidents, by channel, until they are sent and after.",
    "publications": "Each time readers were given other marts; the newest row is what they see.",
    "reference_counts": "What was found when rows that reference another dataset were last compared with it.",
    "reference_loads": "By how many published loads of another dataset a load was judged.",
    "runs": "One row a run.",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    from mkdocs.structure.files import File  # there when the site is built; a test reads OPS without it

    pages = {
        "reference/commands.md": commands(),
        "reference/ops.md": ops_tables(),
        "reference/decisions.md": decisions(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def decisions() -> str:
    """The decisions that shaped the project, and the dictionaries of the example's datasets, by their titles."""
    lines = ["# Decisions", "", "Why it is built as it is, one page each.", ""]
    for folder, heading in (("decisions", ""), ("dictionary", "## Dictionaries of the example's datasets")):
        lines += [heading, ""] if heading else []
        for page in sorted((ROOT / "docs" / folder).glob("*.md")):
            text = page.read_text(encoding="utf-8").splitlines()
            title = next(line for line in text if line.startswith("# ")).removeprefix("# ")
            lines.append(f"- [{title}](../{folder}/{page.name})")
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Every command, as its own help says it; in lists of commands, with a link and its whole first sentence."""
    from typer.main import get_command

    from sluice.cli.app import app

    call = [sys.executable, "-m", "typer", "sluice.cli.app", "utils", "docs", "--name", "sluice"]
    lines, command, words = [], None, ""
    for line in subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if heading := re.match(r"#+ `sluice ?(.*)`$", line):
            words, command = heading[1], get_command(app)
            for word in words.split():
                command = command.commands[word]
        if (listed := re.match(r"\* `([a-z-]+)`: ", line)) and listed[1] in getattr(command, "commands", {}):
            anchor = "-".join(["sluice", *words.split(), listed[1]])
            line = f"* [`{listed[1]}`](#{anchor}): {command.commands[listed[1]].get_short_help_str(limit=300)}"
        lines.append(line)
    return "\n".join(lines)


def ops_tables() -> str:
    """Every table of `ops`, as its declaration says it."""
    from sqlalchemy.dialects import postgresql

    from sluice.ledger.tables import metadata

    reading = "Read them with `sluice sql --as-owner`: the user that reads the marts has no right to them."
    lines = ["# Tables of `ops`", "", f"What Sluice writes down. {reading}", ""]
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        heading = f"## `ops.{table.name}`"
        lines += [heading, "", OPS[table.name], "", "| column | type | what it is |", "|---|---|---|"]
        for column in table.columns:
            kind = column.type.compile(postgresql.dialect()).lower().replace("timestamp with time zone", "timestamptz")
            null = ", or null" if column.nullable else ""
            lines.append(f"| `{column.name}` | {kind}{null} | {column.comment or ''} |")
        lines.append("")
    return "\n".join(lines)
