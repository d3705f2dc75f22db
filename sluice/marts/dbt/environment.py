"""Database, side, folders and environment variables of one dbt command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from sluice.contract.derive.schemas import OPS
from sluice.ledger import write_right
from sluice.marts.dbt.results import Secrets
from sluice.marts.dbt.side_sessions import BUILD, RIGHT
from sluice.project import paths
from sluice.project.settings import Settings
from sluice.warehouse import libpq

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
SUFFIX = "SLUICE_DBT_SIDE"  # what macros/sluice/schemas_of_sides.sql puts after the name of each schema


def _settings() -> Settings:
    return paths.project().settings


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
        return Secrets(libpq.secret_words(self.url))

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
        place = libpq.place(self.url)
        return {
            "SLUICE_PG_HOST": place["PGHOST"],
            "SLUICE_PG_PORT": place["PGPORT"],
            "SLUICE_PG_USER": place["PGUSER"],
            "DBT_ENV_SECRET_SLUICE_PG_PASSWORD": place["PGPASSWORD"],
            "SLUICE_PG_DATABASE": place["PGDATABASE"],
            **self._schema(),
            "SLUICE_OPS_SCHEMA": self.ops,
            BUILD: "" if self.build_id is None else str(self.build_id),
            RIGHT: json.dumps({**write_right.statements(self.ops, _settings().schemas.sides), "side": self.side}),
        }

    def _schema(self) -> dict[str, str]:
        """The schema of the target; and, where the project names its schemas itself, what a side adds to each name."""
        schemas = _settings().schemas
        if _settings().marts.schemas is None:
            return {"SLUICE_DBT_SCHEMA": self.side, SUFFIX: ""}
        sides = (*schemas.sides, schemas.review)
        suffix = self.side.removeprefix(schemas.marts) if self.side in sides else f"__{self.side}"
        return {"SLUICE_DBT_SCHEMA": schemas.marts, SUFFIX: suffix}

    def _session(self) -> dict[str, str]:
        """libpq's own variables: dbt-postgres passes none of these on from a profile."""
        settings = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
        before = libpq.first(self.url.query.get("options")) or os.environ.get("PGOPTIONS", "")
        return {**libpq.options(self.url), "PGOPTIONS": f"{settings} {before}".strip()}
