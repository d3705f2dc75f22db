"""What Prefect's UI shows of a run: its summary, and every check of each batch."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from contracts.gate import AuditReport, percent
from flows.ledger import Batch
from flows.report import Summary, rows_of

OF_RUN = "sluice-run"  # key of the artifact that says what a run did


def keep(summary: Summary) -> None:
    """Keep the run's summary with the flow run, where Prefect's UI shows it."""
    rows = rows_of(summary)
    lines = ["| dataset | batch | verdict | read | accepted | rejected |", "|---|---|---|--:|--:|--:|"]
    lines += ["| " + " | ".join(_cell(v) for v in list(row.values())[:6]) + " |" for row in rows]
    lines += ["", f"Marts: {summary.marts.verdict}"]
    lines += [f"- {_cell(compared)}" for compared in summary.marts.compared]
    lines += [f"- {_cell(reason)}" for o in summary.outcomes for reason in (*o.reasons, *o.warnings)]
    lines += [f"- {_cell(reason)}" for reason in (*summary.marts.reasons, *summary.marts.warnings)]
    lines += [f"- {_cell(warning)}" for warning in (*summary.warnings, *summary.stale)]
    create_markdown_artifact("\n".join(lines), key=OF_RUN, description=str(summary))


def keep_audit(batch: Batch, audit: AuditReport) -> None:
    """Keep every check's result of one batch with its task run, where Prefect's UI shows it."""
    rows = [
        {
            "check": result.name,
            "outcome": result.outcome,
            "failing": f"{result.failing:,}",
            "share": percent(result.share),
            "tolerance": percent(result.tolerance),
        }
        for result in sorted(audit.results, key=lambda result: -result.failing)
    ]
    key = f"audit-{batch.dataset_id}-{batch.batch}".replace("_", "-").lower()
    create_table_artifact(
        rows, key=key, description=f"Checks of {batch}: {audit.rejected:,} of {audit.rows:,} rejected"
    )


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, on one line of a table."""
    escaped = "".join(f"\\{c}" if c in "\\`*{}[]<>|#!" else c for c in text)
    return " ".join(escaped.split())
