"""What a warehouse holds and says, as values that two warehouses can be compared by."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from sluice.ledger import builds
from sluice.warehouse.postgres import mart_views
from tests.sweep.report import Report

SYSTEM = ("_load_id", "_loaded_at", "_quarantined_at")  # other in every load
RELATIONS = """
SELECT n.nspname || '.' || c.relname, array_agg(quote_ident(a.attname) ORDER BY a.attname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname IN ('staging', 'quarantine', 'marts') AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
AND attnum > 0 AND NOT attisdropped GROUP BY 1 ORDER BY 1
"""
ROWS = "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t"
ENDED = "status IN ('published', 'held')"
UNSENT = "alerts that were not sent"
LEDGER = {
    "published and held loads": "SELECT dataset, batch, status, sha256, rows_read, rows_accepted, rows_rejected, "
    f"reasons FROM ops.batches WHERE {ENDED}",
    "loads without an end": "SELECT dataset, batch, status FROM ops.batches WHERE status = 'started'",
    "checks": "SELECT dataset, batch, check_name, outcome, rows, failing FROM ops.checks "
    f"JOIN ops.batches USING (load_id) WHERE {ENDED}",
    "runs without an end": "SELECT name FROM ops.runs WHERE ended_at IS NULL",
    "open incidents": "SELECT subject, kind FROM ops.incidents WHERE resolved_at IS NULL",
    UNSENT: "SELECT kind, stage, dataset, batch FROM ops.outbox WHERE sent_at IS NULL",
}
PUBLISHED = "SELECT dataset || ' ' || batch, sha256 FROM ops.batches WHERE status = 'published'"
NEWEST = (
    "SELECT DISTINCT ON (dataset, batch) dataset || ' ' || batch, status FROM ops.batches "
    "WHERE status NOT IN ('superseded', 'abandoned') ORDER BY dataset, batch, load_id DESC"
)
# What must hold at any moment, also between two nights: each query gives what breaks it.
ORDERS = "SELECT _batch, _load_id, count(*) FROM staging.shop__orders GROUP BY 1, 2"
REJECTED = "SELECT _batch, _load_id, count(*) FROM quarantine.shop__orders GROUP BY 1, 2"
LOADS = "SELECT batch, load_id, {} FROM ops.batches WHERE dataset = 'shop__orders' AND {} AND {} > 0"
ACCOUNTS = {
    "staging": (ORDERS, LOADS.format("rows_accepted", "status = 'published'", "rows_accepted")),
    "quarantine": (REJECTED, LOADS.format("rows_rejected", ENDED, "rows_rejected")),
}
ALERTS = (
    "SELECT kind, stage, coalesce(dataset, ''), coalesce(batch, ''), channel FROM ops.outbox WHERE sent_at IS NOT NULL"
)
FROM_STAGING = {
    "marts.fct_orders": "SELECT _batch, 'shop__orders' AS _dataset, quantity * price AS amount_usd, order_id, shop "
    "FROM staging.shop__orders",
    "marts.dim_shops": "SELECT city, shop FROM staging.shop__shops",
}


@dataclass(frozen=True)
class Contents:
    """What there is.

    Attributes:
        tables: rows and their checksum, by table of staging, quarantine and marts.
        ledger: what `ops` says that does not depend on how often a load was tried.
        published: fingerprint of the file that readers of staging have, by batch.
        newest: status of the newest load, by batch.
        broken: what must never be so.
        fresh: whether the marts show what is in staging.
        sent: kind, stage, dataset, batch and channel of the alerts that the ledger says were sent.
    """

    tables: dict[str, str] = field(default_factory=dict)
    ledger: dict[str, str] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    fresh: bool = True
    sent: frozenset[tuple[str, ...]] = frozenset()

    @property
    def marts(self) -> dict[str, str]:
        return {name: rows for name, rows in self.tables.items() if name.startswith("marts.")}

    def half(self, before: Contents, expected: Contents) -> list[str]:
        """What is neither as it was before the night nor as the night would have made it."""
        wrong = list(self.broken)
        for batch in sorted({*before.published, *self.published}):
            if self.published.get(batch) not in (before.published.get(batch), expected.published.get(batch)):
                wrong.append(f"{batch} is published as neither the old file nor the new one")
        if self.marts != before.marts and not self.fresh:
            wrong.append(f"the marts are neither the old ones nor those of what is in staging: {self.marts}")
        return wrong

    def untrue(self, report: Report, before: Contents, expected: Contents) -> list[str]:
        """What a night that met a fault said and is not so."""
        wrong = [report.crash] if report.crash else []
        for batch, (verdict, why) in report.batches.items():
            now, old, new = (each.published.get(batch) for each in (self, before, expected))
            is_true = {
                "published": now == new,
                "unchanged": now == new,
                "held": self.newest.get(batch) == "held",
                "failed": now == old and "held" not in {self.newest.get(batch)} - {before.newest.get(batch)},
            }
            if not is_true.get(verdict):
                wrong.append(f"{batch} is said to be {verdict} ({why}), and is {self.newest.get(batch)}")
        if report.marts is not None:
            verdict, why = report.marts
            is_true = {"published": self.fresh, "unchanged": self.fresh, "failed": self.marts == before.marts}
            if not is_true.get(verdict):
                wrong.append(f"the marts are said to be {verdict} ({why}), and are not")
        if report.error and report.error[2] not in (3, 4):
            wrong.append(f"exit code {report.error[2]}: {report.error[1]}")
        return wrong

    def differences(self, report: Report | None, expected: Contents) -> list[str]:
        """What is other than after a night without a fault, now that a whole night has followed."""
        wrong = [f"the next night: {each}" for each in bad_end(report)] + list(self.broken)
        found = {**self.tables, **self.ledger}
        due = {**expected.tables, **expected.ledger}
        for name in sorted({*found, *due}):
            if found.get(name) != due.get(name):
                wrong.append(f"{name}: {found.get(name)}, expected {due.get(name)}")
        return wrong


def bad_end(report: Report | None) -> list[str]:
    """Why a night was not a good one."""
    if report is None:
        return ["it was killed"]
    bad = [f"{batch}: {verdict} ({why})" for batch, (verdict, why) in report.batches.items() if verdict == "failed"]
    if report.marts is None or report.marts[0] == "failed":
        bad.append(f"marts: {report.marts}")
    return [*bad, *filter(None, [report.crash, report.error and str(report.error)])]


def look(url: sa.URL) -> Contents:
    """The contents of a warehouse now."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def rows(query: str) -> set[tuple[str, ...]]:
        return {tuple(map(str, row)) for row in connection.execute(sa.text(query))}

    with engine.connect() as connection:
        tables = {}
        for name, columns in connection.execute(sa.text(RELATIONS)).tuples():
            wanted = ", ".join(column for column in columns if column not in SYSTEM)
            tables[name] = sum_of(connection, f"(SELECT {wanted} FROM {name})")
        broken = [f"{what}: {sorted(rows(one) ^ rows(other))}" for what, (one, other) in ACCOUNTS.items()]
        contents = Contents(
            tables,
            {name: str(sorted(map(str, rows(query)))) for name, query in LEDGER.items()},
            dict(connection.execute(sa.text(PUBLISHED)).tuples().all()),
            dict(connection.execute(sa.text(NEWEST)).tuples().all()),
            (*(each for each in broken if not each.endswith("[]")), *misplaced(connection)),
            all(tables.get(name) == sum_of(connection, f"({query})") for name, query in FROM_STAGING.items()),
            frozenset(rows(ALERTS)),
        )
    engine.dispose()
    return contents


def misplaced(connection: sa.Connection) -> list[str]:
    """Marts that show something else than was published last."""
    now = builds.live(connection)
    return [] if now is None else mart_views.misplaced(connection, now.side, now.models)


def sum_of(connection: sa.Connection, relation: str) -> str:
    """Number and checksum of the rows, in an order of their own."""
    return str(connection.scalar(sa.text(ROWS.format(relation).replace("::", r"\:\:"))))
