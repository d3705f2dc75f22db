"""Back up the warehouse into one file, and restore it into an empty one, by PostgreSQL's own pg_dump and pg_restore.

Both come with the embedded server's wheel and serve external servers too. A backup holds Sluice's schemas and those of
dbt's snapshots, and is one moment of them all. A restore is one transaction: the warehouse holds all of it or none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import IO

import sqlalchemy as sa

from sluice.contract.errors import ConfigError, ToolError
from sluice.project import atomic, paths
from sluice.warehouse import dumped, libpq
from sluice.warehouse.embedded.location import MAJOR, wheel_binaries
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

WAIT = "60s"  # for a table that a publish is just replacing
HEADER_LINES = 30  # of pg_restore's script, long before the first row: its settings, one unknown to an old server
NOT_BEFORE_17 = b"SET transaction_timeout = 0;"
SESSION = {
    "PGAPPNAME": "sluice",
    "PGCONNECT_TIMEOUT": "30",
    "PGOPTIONS": "-c client_min_messages=warning -c client_connection_check_interval=2s",
}
RELATIONS = sa.text(
    "SELECT n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm', 'f') AS is_view FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(:schemas) AND c.relkind IN "
    "('r', 'v', 'm', 'f') ORDER BY 1, 2"
)


def backup(url: sa.URL, target: Path) -> int:
    """Write the warehouse at this address into a file, which is there whole or not at all; an older one is replaced.

    Returns:
        The file's size in bytes.

    Raises:
        ConfigError: the file's folder does not exist.
        ToolError: the server or the disk refused, or the server is newer than pg_dump; no file was written.
    """
    target = target.expanduser().absolute()
    if target.is_dir() or not target.parent.is_dir():
        raise ConfigError(f"{target} cannot be written: name a file in a folder that exists")
    with atomic.replacing(target, private=True) as fresh:  # all data, also personal
        held = dumped.schemas_at(url, paths.project().settings.schemas)
        _refuse_newer(url, held)
        chosen = [f'--schema="{schema}"' for schema in held]
        _run(
            url,
            "pg_dump",
            "--no-password",
            "--format=custom",
            f"--lock-wait-timeout={WAIT}",
            f"--file={fresh}",
            *chosen,
        )
        return fresh.stat().st_size


def _schemas() -> tuple[str, ...]:
    return paths.project().settings.schemas.all


def restore(warehouse: Warehouse, file: Path, grants: bool = True) -> None:
    """Fill an empty warehouse with what a backup holds. Everything belongs to the warehouse's user then.

    Args:
        grants: also grant the rights that others had; their roles must exist.

    Raises:
        ConfigError: the file is not a backup, the warehouse holds data, or a role is missing; nothing was changed.
        BusyError: a run builds the marts.
        ToolError: the file is damaged, or the server refused; nothing was changed.
    """
    file = file.expanduser().absolute()
    with warehouse.lock("dbt"):
        _refuse_other_file(warehouse.url, file)
        _refuse_data(warehouse, file)
        _play(warehouse, file, grants)


def _refuse_other_file(url: sa.URL, file: Path) -> None:
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    try:
        contents = _run(url, "pg_restore", "--list", str(file))
    except ToolError as error:
        raise ConfigError(
            f"{file} is not a backup that this version of Sluice can read: {error}. What a newer PostgreSQL than "
            f"{MAJOR} wrote is restored by its own pg_restore, or with the version of Sluice that wrote it"
        ) from None
    ops = paths.project().settings.schemas.ops
    if f" TABLE {ops} batches " not in contents:
        raise ConfigError(f"{file} is not a backup of this warehouse: it has no table {ops}.batches")


def _refuse_data(warehouse: Warehouse, file: Path) -> None:
    with transaction(warehouse.engine, "whether the warehouse is empty cannot be looked up") as connection:
        found = connection.execute(RELATIONS, {"schemas": list(_schemas())}).all()
        full = [f"{row.schema}.{row.name}" for row in found if row.is_view or _has_rows(connection, row)]
    if full:
        more = f" and {len(full) - 3} more" if len(full) > 3 else ""
        raise ConfigError(
            f"the warehouse holds data ({', '.join(full[:3])}{more}), and {file.name} is restored into an empty one "
            "only. Nothing was changed. For the embedded PostgreSQL, move its folder away (mv .sluice/postgres "
            ".sluice/postgres-old); else name a new database in the block"
        )


def _has_rows(connection: sa.Connection, row: sa.Row) -> bool:
    table = sa.table(row.name, schema=row.schema)
    return bool(connection.scalar(sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table)))))


def _play(warehouse: Warehouse, file: Path, grants: bool) -> None:
    """Let psql run what pg_restore writes, in one transaction that is only committed when both came to their end."""
    quote = warehouse.engine.dialect.identifier_preparer.quote
    empty = ", ".join(quote(schema) for schema in _schemas())
    script = ["pg_restore", "--file=-", "--no-owner", *(() if grants else ("--no-privileges",)), str(file)]
    with _started(warehouse.url, *script) as (reader, read_errors):
        player = ("psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1")
        with _started(warehouse.url, *player) as (writer, write_errors):
            assert reader.stdout is not None
            assert writer.stdin is not None
            with suppress(BrokenPipeError), closing(writer.stdin) as statements:  # psql stops at the first error
                statements.write(f"BEGIN;\nDROP SCHEMA IF EXISTS {empty} CASCADE;\n".encode())
                for _, line in zip(range(HEADER_LINES), reader.stdout, strict=False):
                    statements.write(b"" if line.strip() == NOT_BEFORE_17 else line)
                shutil.copyfileobj(reader.stdout, statements)
                if reader.wait() == 0:
                    statements.write(b"COMMIT;\n")
            ended = writer.wait()
            reader.stdout.close()
            if ended:
                raise _refused(warehouse, file, _text(write_errors))
        if reader.wait():
            raise ToolError(f"{file} could not be read to its end: {_short(_text(read_errors))}. Nothing was restored")


def _refused(warehouse: Warehouse, file: Path, errors: str) -> ConfigError | ToolError:
    said = _masked(warehouse.url, next((line for line in errors.splitlines() if "ERROR:" in line), _short(errors)))
    said = said.partition("ERROR:")[2].strip() or said
    if said.startswith("role ") and said.endswith("does not exist"):
        return ConfigError(
            f"{file.name} grants rights to {said.removesuffix('does not exist').strip()}, which this server does not "
            "have. Nothing was restored. Create the role, or restore without grants: sluice restore FILE --no-grants"
        )
    if said.startswith("relation ") and said.endswith("does not exist"):
        return ConfigError(
            f"views of {file.name} read {said.removesuffix('does not exist').split()[1]}, which is not in it. "
            "Nothing was restored. Bring it into this database first, from another backup"
        )
    return ToolError(f"{file.name} could not be restored: {said}. Nothing was restored")


def _refuse_newer(url: sa.URL, schemas: Sequence[str]) -> None:
    """pg_dump reads servers of its major version and older ones. Raises ToolError."""
    ours = int(re.findall(r"\d+", _run(url, "pg_dump", "--version"))[0])
    if dumped.server_major(url) > ours:
        named = " ".join(f"--schema={schema}" for schema in schemas)
        raise ToolError(
            f"the server is newer than PostgreSQL {ours}, whose pg_dump this version of Sluice has. Use the server's "
            f"own: pg_dump --format=custom --file=FILE {named}"
        )


def _run(url: sa.URL, program: str, *arguments: str) -> str:
    """Run a program to its end and give its output. Raises ToolError with what it said."""
    with _started(url, program, *arguments) as (process, errors):
        output = process.communicate()[0]
        if process.returncode == 0:
            return output.decode(errors="replace")
        said = _masked(url, _short(_text(errors)))
    raise ToolError(f"{program} failed: {said}")


@contextmanager
def _started(url: sa.URL, program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """One of PostgreSQL's programs, connected to the address by its environment; it does not outlive the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment = {**kept, **libpq.place(url), **libpq.options(url), **SESSION}
    command = [str(wheel_binaries() / program), *arguments]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=errors)
        try:
            yield process, errors
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _text(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip()


def _short(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines()[:3])


def _masked(url: sa.URL, text: str) -> str:
    for word in libpq.secret_words(url):
        text = text.replace(word, "*****")
    return text
