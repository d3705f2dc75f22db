"""Database, side, folders and environment variables of one dbt command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from sluice.contract.derive.schemas import OPS
from sluice.marts.dbt.results import Secrets

# How the server treats dbt's sessions. A query without an end, or a wait for a lock that someone inspecting
# the candidate holds, fails with its reason; a client that is killed leaves no query behind.
SESSION = {
    "statement_timeout": "2h",  # the longest full refresh measured takes minutes
    "lock_timeout": "5min",
    "client_connection_check_interval": "2s",
}
# From version 1.12 on dbt reads a file `.env` of the working directory, and leaves what it says in this process: in the
# middle of a run, Sluice would find another warehouse named there than the one it began with.
NO_DOTENV = {"PYTHON_DOTENV_DISABLED": "1"}
BUILD = "SLUICE_DBT_BUILD"  # number of the build whose sessions may write to the side; without one they only read
# Connection facts of a URL's query that libpq also takes from the environment; the profile leaves them open.
LIBPQ = {key: f"PG{key.upper()}" for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl")} | {
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
}


@dataclass(frozen=True, slots=True)
class DbtPlace:
    """Where dbt runs.

    Attributes:
        url: the warehouse; dbt gets it through environment variables that are set for one run only.
        side: the schema dbt builds into: marts__a, marts__b or dev. Artifacts and logs: `home`/dbt/`side`.
        target: the target in profiles.yml.
        ops: the schema of the ledger, which is a source of dbt's.
        build_id: the build that may write to the side; without one, dbt's sessions there are read-only.
    """

    url: URL
    side: str
    target: str
    home: Path
    project: Path
    profiles: Path
    build_id: int | None = None
    ops: str = OPS

    @property
    def target_path(self) -> Path:
        """Where dbt writes its artifacts."""
        return self.home.absolute() / "dbt" / self.side / "target"

    @property
    def logs(self) -> Path:
        return self.home.absolute() / "dbt" / self.side / "logs"

    @property
    def log(self) -> Path:
        """dbt's own log file."""
        return self.logs / "dbt.log"

    @property
    def secrets(self) -> Secrets:
        password = self.url.password or ""
        return Secrets((password, quote(password)))

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Set what profiles.yml and libpq ask for, and put back in the end what was there before."""
        values = self._facts() | self._session() | NO_DOTENV
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def _facts(self) -> dict[str, str]:
        """What profiles.yml asks for."""
        url = self.url
        return {
            "SLUICE_PG_HOST": _first(url.query.get("host")) or url.host or "localhost",
            "SLUICE_PG_PORT": str(url.port or _first(url.query.get("port")) or 5432),
            "SLUICE_PG_USER": url.username or "postgres",
            "DBT_ENV_SECRET_SLUICE_PG_PASSWORD": url.password or "",
            "SLUICE_PG_DATABASE": url.database or "postgres",
            "SLUICE_DBT_SCHEMA": self.side,
            "SLUICE_OPS_SCHEMA": self.ops,
            BUILD: "" if self.build_id is None else str(self.build_id),
        }

    def _session(self) -> dict[str, str]:
        """libpq's own variables: dbt-postgres passes none of these on from a profile."""
        query = self.url.query
        settings = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
        before = _first(query.get("options")) or os.environ.get("PGOPTIONS", "")
        found = {LIBPQ[key]: _first(value) for key, value in query.items() if key in LIBPQ}
        return {**found, "PGOPTIONS": f"{settings} {before}".strip()}


def _first(value: str | tuple[str, ...] | None) -> str:
    return value[0] if isinstance(value, tuple) else value or ""
