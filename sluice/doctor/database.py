"""Whether the warehouse is one that runs can trust: settings, rights, clock, and the gate of each contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from psycopg2.errors import InsufficientPrivilege

from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import OPS, QUARANTINE, STAGING
from sluice.contract.errors import ConfigError
from sluice.contract.formatting import counted
from sluice.doctor.finding import Finding, fail, ok, warn
from sluice.ledger import builds
from sluice.ledger.tables import metadata
from sluice.marts import restore_views
from sluice.project.datasets import contracts
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.reader import MAKE_READER, READER_VARIABLE, is_superuser
from sluice.warehouse.warehouse import Warehouse

APART, TOO_FAR_APART = timedelta(seconds=5), timedelta(minutes=5)  # freshness counts in days, the heartbeat in hours
FEW_CONNECTIONS = 10  # a run has about 3, and dbt one a thread

# Setting, the value it must or should have, whether other values break runs, why.
SETTINGS = (
    ("server_encoding", "UTF8", True, "Files hold any character: create the database again with encoding UTF8"),
    ("transaction_read_only", "off", True, "Nothing can be loaded: this is a standby, or its user may only read"),
    ("fsync", "on", True, "A power failure could lose the warehouse: set fsync = on"),
    ("full_page_writes", "on", False, "A power failure could damage tables: set full_page_writes = on"),
    ("autovacuum", "on", False, "Tables grow and statistics become outdated: set autovacuum = on"),
    (
        "statement_timeout",
        "0",
        False,
        "A long load or audit would be cancelled: ALTER ROLE ... RESET statement_timeout",
    ),
    ("transaction_timeout", "0", False, "A long load would be cancelled: ALTER ROLE ... RESET transaction_timeout"),
)


def settings(warehouse: Warehouse) -> Iterator[Finding]:
    """The server's version, its settings, and whether session locks hold (they do not through some poolers)."""
    with _writing(warehouse) as connection:
        version = connection.scalar(sa.text("show server_version"))
        size = connection.scalar(sa.text("select pg_size_pretty(pg_database_size(current_database()))"))
        yield ok("database", f"PostgreSQL {version}, block {warehouse.block!r}, {size}")
        found = {row.name: row.setting for row in connection.execute(sa.text("select name, setting from pg_settings"))}
        wrong = [each for each in SETTINGS if each[0] in found and found[each[0]] != each[1]]
        for name, _, breaks, advice in wrong:
            said = f"{name} is {found[name]}"
            yield fail("database", said, advice, 5) if breaks else warn("database", said, advice)
        used = connection.scalar(sa.text("select count(*) from pg_stat_activity where backend_type = 'client backend'"))
        if (free := int(found["max_connections"]) - int(used or 0)) < FEW_CONNECTIONS:
            yield warn("database", f"{free} connections are free", "Raise max_connections, or end idle sessions")
    try:
        locks.refuse_pooler(warehouse.engine, warehouse.block)
    except ConfigError as error:
        yield fail("database", "a pooler shares sessions between transactions, so locks do not hold", str(error), 5)


def rights(warehouse: Warehouse) -> Iterator[Finding]:
    """Whether the block's user may make schemas and tables, and owns what is there already."""
    may = "select has_database_privilege(current_database(), :right)"
    strange = sa.text(
        "select n.nspname || coalesce('.' || c.relname, '') as name from pg_namespace n "
        "left join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v') "
        "where n.nspname = any(:schemas) and not pg_has_role(coalesce(c.relowner, n.nspowner), 'USAGE') order by 1"
    )
    with warehouse.engine.connect() as connection:
        user = connection.scalar(sa.text("select current_user"))
        missing = [right for right in ("CREATE", "TEMP") if not connection.scalar(sa.text(may), {"right": right})]
        foreign = connection.scalars(strange, {"schemas": list(warehouse.schemas.all)}).all()
        sees_others = connection.scalar(sa.text("select pg_has_role('pg_read_all_stats', 'USAGE')"))
    if missing:
        advice = f"As its owner: GRANT {', '.join(missing)} ON DATABASE {warehouse.url.database} TO {user}"
        yield fail("rights", f"{user} lacks {', '.join(missing)} on the database", advice, 5)
    if foreign:
        names = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        yield fail("rights", f"{user} does not own {names}", f"Transfer it: ALTER ... OWNER TO {user}", 5)
    if not sees_others:
        advice = f"As a superuser: GRANT pg_read_all_stats TO {user}"
        why = "so a publish does not wait for those that would find the new marts empty"
        yield warn("rights", f"{user} cannot see how old others' transactions are, {why}", advice)
    if warehouse.target == "postgres" and not os.environ.get(READER_VARIABLE) and is_superuser(warehouse):
        yield warn("rights", f"{user} is a superuser, so sluice sql refuses to read as that user", MAKE_READER)
    if not missing and not foreign:
        yield ok("rights", f"{user} may create schemas and tables, and owns those of Sluice")
    yield _separation(warehouse, str(user))


def _separation(warehouse: Warehouse, user: str) -> Finding:
    """Whether dbt works as another user than runs do, and what it costs where it does not."""
    if warehouse.transformer is not None:
        return ok("rights", f"dbt works as {warehouse.dbt.url.username}, which owns the two sides of the marts only")
    cost = (
        f"{user} does everything: SQL of a dbt model could change published rows and Sluice's records, and read "
        "quarantine and rows that no check has seen"
    )
    return warn("rights", cost, "See what separate users take: sluice setup --roles --dry-run")


def clocks(warehouse: Warehouse) -> Iterator[Finding]:
    """The database's clock against this machine's, the way there and back taken out."""
    with warehouse.engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        before = datetime.now(UTC)
        there: datetime = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
        after = datetime.now(UTC)
    apart = there - (before + (after - before) / 2)
    said = f"the database's clock is {abs(apart.total_seconds()):.1f} s {'behind' if apart < timedelta() else 'ahead'}"
    advice = "Synchronize both machines by NTP: freshness and schedules depend on it"
    if abs(apart) > TOO_FAR_APART:
        yield fail("clocks", said, advice)
    else:
        yield warn("clocks", said, advice) if abs(apart) > APART else ok("clocks", said)


def marts(warehouse: Warehouse) -> Iterator[Finding]:
    """Whether the views that readers have show what was published last."""
    with warehouse.engine.connect() as connection:
        known = sa.inspect(connection).has_table("publications", schema=warehouse.schemas.ops)
        live = builds.live(connection) if known else None
        found = restore_views.damage(warehouse, connection) if known else []
    if found:
        advice = "Put them back, with what the last run saw granted on them: sluice run"
        yield fail("marts", "; ".join(found), advice)
    elif live is None:
        yield ok("marts", "none were published yet")
    else:
        yield ok("marts", f"{counted(len(live.models), 'view')} of {live.side}")


def gates(warehouse: Warehouse) -> Iterator[Finding]:
    """Whether the audit of each contract rejects the rows that it must reject. Nothing of it is kept."""
    for contract in contracts().values():
        try:
            yield _gate(warehouse, contract)
        except DATABASE_ERRORS as error:
            denied = isinstance(getattr(error, "orig", error), InsufficientPrivilege)
            advice = "Grant the missing rights" if denied else "A run may hold its tables: try again after it"
            yield fail("gates", f"{contract}: the canary rows could not be audited: {first_line(error)}", advice)


def _gate(warehouse: Warehouse, contract: Contract) -> Finding:
    # No real batch has this name, so no held load's table is touched
    batch = Batch(contract.dataset_id, contract.files.batches.unreal, -1)
    checks = checks_of(contract, batch.batch)
    with _temporarily(_writing(warehouse)) as connection:  # never committed
        connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        metadata.create_all(connection)
        alive, errors = warehouse.data.try_canary(connection, contract, batch, checks)
        connection.rollback()
    show = f"See its SQL: sluice contract show {contract}"
    if alive.error:
        return fail(
            "gates", f"{contract}: a row that should have been rejected was accepted", f"Publish nothing. {show}"
        )
    if errors:
        broken = "; ".join(f"{name}: {why}" for name, why in errors.items())
        return fail("gates", f"{contract}: checks cannot be run: {broken}", show, 5)
    return ok("gates", f"{contract}: the canary rows were rejected; {len(checks)} checks")


def _writing(warehouse: Warehouse) -> sa.Connection:
    """A connection as runs have them, also where the warehouse was opened to be looked into only."""
    return warehouse.engine.connect().execution_options(postgresql_readonly=False)


def _temporarily(connection: sa.Connection) -> sa.Connection:
    """The same connection, whose tables all are temporary ones of the session."""
    return connection.execution_options(schema_translate_map=dict.fromkeys((STAGING, QUARANTINE, OPS), "pg_temp"))
