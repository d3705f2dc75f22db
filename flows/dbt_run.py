"""Run dbt on one side of the warehouse and say what came of it. Knows where dbt's files lie and how it connects.

Not named dbt.py: a script in this folder (`python flows/nightly.py`, or a deployment's entrypoint) has the folder
first on its path, and `import dbt` would find this module instead of dbt itself.

Each node is a Prefect task run when called inside a flow or task (flows/dbt_nodes.py). Call it in the main
thread: only there can Ctrl-C and SIGTERM cancel dbt's queries. Should the process die, the server ends them.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import URL

from contracts.errors import ConfigError
from flows.dbt_results import COMMANDS_WITH_NODES, DbtDidNotRun, DbtRun, Secrets, judge, node_result

if TYPE_CHECKING:
    from flows.dbt_nodes import Outcome, Progress

PROJECT = Path(__file__).parents[1] / "dbt_project"
PROFILES = Path(__file__).parents[1] / "profiles"

# How the server treats dbt's sessions. A query without an end, or a wait for a lock that someone inspecting
# the candidate holds, fails with its reason; a client that is killed leaves no query behind.
SESSION = {
    "statement_timeout": "2h",  # the longest full refresh measured takes minutes
    "lock_timeout": "5min",
    "client_connection_check_interval": "2s",
}
# Connection facts of a URL's query that libpq also takes from the environment; the profile leaves them open.
LIBPQ = {key: f"PG{key.upper()}" for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl")} | {
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
}
_one_at_a_time = threading.Lock()  # dbt keeps its adapter, flags and events in globals of the process


def run_dbt(
    args: Sequence[str],
    *,
    url: URL,
    side: str,
    target: str,
    home: Path,
    project: Path = PROJECT,
    profiles: Path = PROFILES,
    progress: Progress | None = None,
) -> DbtRun:
    """Run one dbt command (`["build", "--select", ...]`) and return its nodes' results.

    Args:
        url: the warehouse; dbt gets it through environment variables that are set for this run only.
        side: the schema dbt builds into: marts__a, marts__b or dev. Artifacts and logs: `home`/dbt/`side`.
        target: the target in profiles.yml.
        progress: called with (nodes done, nodes in all, node) from dbt's threads; must be quick, not raise.

    Raises:
        DataError: tests of severity error found rows (as DbtTestsFailed, which carries the run).
        ToolError: dbt or one of its nodes broke (as DbtNodesBroke, which carries the run, where nodes ran).
        ConfigError: dbt does not know the arguments, or a build selects no model or no test.
    """
    secrets = Secrets((url.password or "", quote(url.password or "")))
    place = home.absolute() / "dbt" / side
    command = _command(args)
    started = time.monotonic()
    with _one_at_a_time, _environment(_facts(url, side) | _session(url)):
        outcome = _invoke([*args, "--target", target], command, place, project, profiles, progress)
    if outcome.error is not None:
        raise _why_it_did_not_run(outcome.error, command, args, place, secrets)
    results = getattr(outcome.result, "results", None) if command != "docs generate" else None
    run = DbtRun(
        command=command,
        invocation_id=outcome.invocation_id,
        nodes=tuple(node_result(result, secrets) for result in results or ()),
        seconds=time.monotonic() - started,
        target_path=place / "target",
        log=place / "logs" / "dbt.log",
    )
    if problem := judge(run):
        raise problem
    if command in COMMANDS_WITH_NODES:
        run.artifact("run_results")
    return run


def list_nodes(
    args: Sequence[str],
    keys: Sequence[str],
    *,
    url: URL,
    side: str,
    target: str,
    home: Path,
    project: Path = PROJECT,
    profiles: Path = PROFILES,
) -> list[str]:
    """`dbt ls`: its lines, which may be none. Opens no connection. No option may come twice: prefect-dbt drops one.

    Raises:
        ToolError: the project, or the state it is compared with, cannot be read.
        ConfigError: dbt does not know the arguments.
    """
    place = home.absolute() / "dbt" / side
    # That nothing is selected is an answer here, where in a build it is a mistake
    lenient = ["--warn-error-options", '{"silence": ["NoNodesForSelectionCriteria"]}']
    listed = ["ls", *args, *lenient, "--output-keys", *keys]
    with _one_at_a_time, _environment(_facts(url, side)):
        outcome = _invoke([*listed, "--target", target], "ls", place, project, profiles, None)
    if outcome.error is not None:
        secrets = Secrets((url.password or "", quote(url.password or "")))
        raise _why_it_did_not_run(outcome.error, "ls", listed, place, secrets)
    return list(outcome.result or ())


def warm_up(
    *, url: URL, side: str, target: str, home: Path, project: Path = PROJECT, profiles: Path = PROFILES
) -> None:
    """Import dbt and parse the project, so that the next run_dbt on this side starts at once.

    For a thread beside the load. Opens no connection. A project that does not parse is run_dbt's to report.
    """
    place = home.absolute() / "dbt" / side
    with _one_at_a_time, _environment(_facts(url, side)):
        _invoke(["parse", "--target", target], "parse", place, project, profiles, None)


def _invoke(
    args: list[str], command: str, place: Path, project: Path, profiles: Path, progress: Progress | None
) -> Outcome:
    from flows.dbt_nodes import NodeRunner  # imports dbt, 2 s: only for who runs it

    (place / "logs").mkdir(parents=True, exist_ok=True)
    runner = NodeRunner(project, profiles, place / "target", progress)
    # Prefect's logs and dbt's own file hold what dbt says; the console shows it once
    quiet = [
        "--quiet",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--log-path",
        str(place / "logs"),
    ]
    task_runs = command in (*COMMANDS_WITH_NODES, "source freshness")
    return runner.run([*args, *quiet], task_runs=task_runs)


def _command(args: Sequence[str]) -> str:
    """The command's name: the leading words, "docs generate" of `docs generate --no-compile`."""
    words: list[str] = []
    for arg in args:
        if arg.startswith("-"):
            break
        words.append(arg)
    if not words:
        raise ConfigError(f"dbt {shlex.join(args)}: put the command first: build, test, docs generate, ...")
    return " ".join(words[:2]) if words[0] in ("docs", "source") else words[0]


def _why_it_did_not_run(
    error: BaseException, command: str, args: Sequence[str], place: Path, secrets: Secrets
) -> ConfigError | DbtDidNotRun:
    """dbt's own words for why it ran no node: usage, parsing, compiling, connecting."""
    words = secrets.mask(str(error).strip() or type(error).__name__)
    log = os.path.relpath(place / "logs" / "dbt.log")
    if type(error).__name__ == "DbtUsageException":
        return ConfigError(f"dbt {secrets.mask(shlex.join(args))}: {words}")
    return DbtDidNotRun(f"dbt {command} could not run: {words}\ndbt's log: {log}")


def _facts(url: URL, side: str) -> dict[str, str]:
    """What profiles.yml asks for."""
    host = _first(url.query.get("host")) or url.host or "localhost"
    return {
        "SLUICE_PG_HOST": host,
        "SLUICE_PG_PORT": str(url.port or _first(url.query.get("port")) or 5432),
        "SLUICE_PG_USER": url.username or "postgres",
        "DBT_ENV_SECRET_SLUICE_PG_PASSWORD": url.password or "",
        "SLUICE_PG_DATABASE": url.database or "postgres",
        "SLUICE_DBT_SCHEMA": side,
    }


def _session(url: URL) -> dict[str, str]:
    """libpq's own variables: dbt-postgres passes none of these on from a profile."""
    settings = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    before = _first(url.query.get("options")) or os.environ.get("PGOPTIONS", "")
    found = {LIBPQ[key]: _first(value) for key, value in url.query.items() if key in LIBPQ}
    return {**found, "PGOPTIONS": f"{settings} {before}".strip()}


def _first(value: str | tuple[str, ...] | None) -> str:
    return value[0] if isinstance(value, tuple) else value or ""


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and put back what was there before."""
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
