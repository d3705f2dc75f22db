"""Pages of the site that are written when it is built: commands, the tables of `ops`, the list of decisions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
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
    """Every command, as its own help says it."""
    call = [sys.executable, "-m", "typer", "sluice.cli.app", "utils", "docs", "--name", "sluice"]
    return subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def ops_tables() -> str:
    """Every table of `ops`, as its declaration says it."""
    from sluice.ledger.tables import metadata

    lines = ["# Tables of `ops`", "", "What Sluice writes down. Read them with `sluice sql`.", ""]
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        lines += [f"## `ops.{table.name}`", "", "| column | type | null | what it is |", "|---|---|---|---|"]
        for column in table.columns:
            null = "yes" if column.nullable else "no"
            lines.append(f"| `{column.name}` | {column.type!s} | {null} | {column.comment or ''} |")
        lines.append("")
    return "\n".join(lines)
