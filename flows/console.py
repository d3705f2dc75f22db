"""What the commands print. Reads and shows; the work itself is in the modules it calls."""

from __future__ import annotations

import csv
import json
import logging
import signal
import sys
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from prefect.exceptions import TerminationSignal
from rich.console import Console
from rich.table import Table

from contracts import derive as derived
from contracts.checks import checks_of
from contracts.contract import Contract, Monthly
from contracts.derive.ddl import quarantine_table
from contracts.errors import ConfigError, DataError, SluiceError, ToolError
from contracts.registry import contract_for, contracts
from contracts.version import sql_of, version_of
from flows import ledger, progress, site, transform
from flows.report import RunFailed, Summary, rows_of
from flows.warehouse import DATABASE_ERRORS, first_line, open_warehouse

PIPE_WIDTH = 140  # columns where there is no terminal to ask: names stay whole
out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True)


class _WithoutTracebacks(logging.Filter):
    """Keeps Prefect's report of a SluiceError off the console, where its one message is shown; the API has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], SluiceError))


def run(datasets: list[str] | None, batches: list[str] | None, url: str | None, as_json: bool) -> None:
    """The nightly flow, with progress on the console and a summary at the end."""
    from flows.nightly import nightly

    progress.listen(progress.Lines(err))
    for handler in logging.getLogger().handlers:  # Prefect's console; what goes to its API is left whole
        handler.addFilter(_WithoutTracebacks())
    signal.signal(signal.SIGTERM, _terminate)
    try:
        summary = nightly(datasets, batches, url)
    except RunFailed as failure:
        show_summary(failure.summary, as_json)
        raise
    show_summary(summary, as_json)


def _terminate(*_: object) -> None:
    """Let a soft kill end the flow as Prefect's own runner does: queries cancelled, the run Crashed, the owner told."""
    raise TerminationSignal(signal=signal.SIGTERM)


def show_summary(summary: Summary, as_json: bool) -> None:
    """The end of a run."""
    if as_json:
        _print_json(summary.as_dict())
        return
    rows = rows_of(summary)
    if all(row["verdict"] == "nothing new" for row in rows) and summary.marts.verdict == "nothing new":
        batches = len(rows)
        out.print(f"\nNothing new: {batches} batch{'es' if batches > 1 else ''} looked at, all published before.")
        return
    _print_table("Batches", rows, right=("read", "accepted", "rejected", "share rejected"))
    if summary.marts.layers:
        names = ("layer", "models", "tests", "warnings")
        layers = [dict(zip(names, map(str, layer), strict=True)) for layer in summary.marts.layers]
        _print_table(f"dbt ({summary.marts.side or 'not published'})", layers, right=names[1:])
    for outcome in summary.outcomes:
        for warning in outcome.warnings:
            out.print(f"Warning: {outcome.dataset_id} {outcome.batch}: {warning}", markup=False, highlight=False)
    if summary.marts.docs:
        _next(summary)


def _next(summary: Summary) -> None:
    rejected = next((o for o in summary.outcomes if o.rejected), None)
    lines = [
        f"Docs and lineage: {summary.marts.docs}",
        "Try next:",
        '  sluice sql "select * from marts.fct_zone_revenue_monthly order by 1, 2 limit 10"',
        *([f"  sluice quarantine show {rejected.dataset_id} {rejected.batch}"] if rejected else []),
        "  sluice status",
        "  sluice docs",
    ]
    out.print("\n" + "\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def status(as_json: bool) -> None:
    """Datasets, their batches, verdicts and freshness."""
    warehouse = open_warehouse()
    with warehouse.engine.begin() as connection:
        ledger.create(connection)
        rows = [row for contract in contracts().values() for row in _status_rows(connection, contract)]
    if as_json:
        _print_json(rows)
    else:
        _print_table("Datasets", rows, right=("read", "rejected"))
        out.print(f"Marts: {transform.live_side(warehouse) or 'not published yet'}")


def _status_rows(connection: sa.Connection, contract: Contract) -> list[dict[str, str]]:
    loads = ledger.batches
    newest = (
        sa.select(loads)
        .distinct(loads.c.batch)
        .where(loads.c.dataset == contract.dataset_id, loads.c.status != "superseded")
        .order_by(loads.c.batch, loads.c.load_id.desc())
    )
    found = connection.execute(newest).all()
    if not found:
        return [{"dataset": contract.dataset_id, "batch": "-", "verdict": "never loaded"}]
    return [
        {
            "dataset": row.dataset,
            "batch": row.batch,
            "verdict": row.status,
            "read": _number(row.rows_read),
            "rejected": _number(row.rows_rejected),
            "at (UTC)": f"{row.finished_at or row.started_at:%Y-%m-%d %H:%M}",
            "freshness": _freshness(contract, row) if row is found[-1] else "",
            "why": "; ".join(row.reasons),
        }
        for row in found
    ]


def _freshness(contract: Contract, newest: sa.Row) -> str:
    if contract.freshness is None or not isinstance(contract.files.batches, Monthly):
        return ""
    import datetime as dt

    age = dt.datetime.now() - contract.files.batches.window(newest.batch)[1]
    verdict = "fresh"
    if age > contract.freshness.warn_after:
        verdict = "stale" if age > contract.freshness.error_after else "late"
    return f"{verdict} ({max(age.days, 0)} days)"


def sql(query: str, form: str) -> None:
    """The rows of a query. Read-only: the ledger and the gate are the only ones that write."""
    try:
        with open_warehouse().engine.connect() as connection:
            connection.execute(sa.text("SET TRANSACTION READ ONLY"))
            result = connection.exec_driver_sql(query.replace("%", "%%"))
            names = list(result.keys()) if result.returns_rows else []
            rows = [list(row) for row in result] if names else []
    except DATABASE_ERRORS as error:
        raise ToolError(f"the query failed: {first_line(error)}") from None
    if form == "json":
        _print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerows([names, *rows])
    else:
        _print_table("", [dict(zip(names, map(_text, row), strict=True)) for row in rows], names=names)
        out.print(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")


def docs(open_browser: bool) -> None:
    """Write the dbt docs of what readers read now, and open them."""
    warehouse = open_warehouse()
    side = transform.live_side(warehouse)
    if side is None:
        raise ConfigError("there are no marts yet, so nothing to document. Load something: sluice run")
    page = site.write_docs(warehouse, side)
    out.print(f"Docs: {page}", markup=False, highlight=False, soft_wrap=True)
    if open_browser and not webbrowser.open(page.as_uri()):
        out.print("No browser found here; open that file in one.")


def derive(check: bool) -> None:
    """Write the derived files, or say which are stale."""
    stale = derived.stale_files(contracts().values())
    if check and stale:
        names = ", ".join(str(path) for path in stale)
        raise DataError(f"stale: {names}. Write them again: sluice derive")
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(f"wrote {path}", markup=False, highlight=False)
    if not stale:
        out.print("Derived files are up to date.")


def contract(dataset: str, as_json: bool) -> None:
    """A contract's columns and checks."""
    found = contract_for(dataset)
    first = getattr(found.files.batches, "start", None) or found.files.batches.name  # type: ignore[union-attr]
    checks = [
        {
            "check": check.name,
            "way": check.kind if check.kind != "pandas" else f"pandas: {check.untraced}",
            "severity": check.severity,
            "tolerance": "" if check.tolerance is None else str(check.tolerance),
            "sql": sql_of(check) or "",
        }
        for check in checks_of(found, first)
    ]
    columns = [
        {"column": c.name, "type": str(c.type), "nulls": "yes" if c.nullable else "no", "description": c.description}
        for c in found.columns
    ]
    if as_json:
        _print_json({"dataset": dataset, "version": version_of(found), "columns": columns, "checks": checks})
        return
    _print_table(f"{dataset}, version {version_of(found)}, owner {found.owner}", columns)
    _print_table("Checks", checks)


def quarantine(dataset: str, batch: str, limit: int, as_json: bool) -> None:
    """Reasons and rows of a batch's rejected rows."""
    found = contract_for(dataset)
    found.files.batches.validate(batch)
    table = quarantine_table(found)
    reasons_of = sa.func.unnest(table.c._reasons).table_valued("reason", joins_implicitly=True).render_derived()
    reason = reasons_of.c.reason
    counts = (
        sa.select(reason, sa.func.count())
        .select_from(table)
        .where(table.c._batch == batch)
        .group_by(reason)
        .order_by(sa.func.count().desc())
    )
    try:
        with open_warehouse().engine.begin() as connection:
            reasons: list[tuple[str, int]] = [(row[0], row[1]) for row in connection.execute(counts)]
            rows = [
                {"reason": name, "rows": count, "sample": _sample(connection, found, batch, name, limit)}
                for name, count in reasons
            ]
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"the quarantine of {dataset} cannot be read: {first_line(error)}. Was it ever loaded?"
        ) from None
    if as_json:
        _print_json(rows)
    elif not rows:
        out.print(f"No row of {dataset} {batch} is in quarantine.")
    else:
        _print_quarantine(dataset, batch, rows)


def _sample(connection: sa.Connection, found: Contract, batch: str, reason: str, limit: int) -> list[dict[str, Any]]:
    table = quarantine_table(found)
    query = (
        sa.select(table.c._row_number, table.c._row)
        .where(table.c._batch == batch, table.c._reasons.any(reason))
        .order_by(table.c._row_number)
        .limit(limit)
    )
    masked = {column.name for column in found.columns if column.pii}
    return [
        {"_row_number": number, **{k: "***" if k in masked else v for k, v in row.items()}}
        for number, row in connection.execute(query).tuples()
    ]


def _print_quarantine(dataset: str, batch: str, rows: Sequence[Mapping[str, Any]]) -> None:
    _print_table(
        f"Why rows of {dataset} {batch} were rejected",
        [{"reason": row["reason"], "rows": f"{row['rows']:,}"} for row in rows],
        right=("rows",),
    )
    for row in rows:
        out.print(f"\n{row['reason']}", markup=False, highlight=False)
        for sample in row["sample"]:
            values = ", ".join(f"{k}={v}" for k, v in sample.items() if v is not None and k != "_row_number")
            out.print(f"  row {sample['_row_number']}: {values}", markup=False, highlight=False, soft_wrap=True)


def _print_table(
    title: str, rows: Sequence[Mapping[str, str]], *, right: Iterable[str] = (), names: Sequence[str] | None = None
) -> None:
    columns = list(names or dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title or None, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_plain(str(row.get(name, ""))) for name in columns))
    out.print(table)


def _plain(text: str) -> str:
    """A value from a file, with nothing in it that a terminal or rich would obey."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
