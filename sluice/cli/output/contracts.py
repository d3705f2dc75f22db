"""`contract show`, `export`, `diff` and `import`, and `derive`."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from sluice.cli.options import Engine
from sluice.cli.output.tables import out, print_json, print_table, text
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.checks.version import sql_of, version_of
from sluice.contract.contract import PART, Contract
from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.errors import ConfigError, DataError
from sluice.contract.exchange import difference, drafted, standards
from sluice.contract.formatting import counted
from sluice.contract.registry import load_contract
from sluice.contract.scaffold.new_dataset import NO_OWNER
from sluice.project.atomic import write_text
from sluice.project.datasets import contract_for, contracts
from sluice.project.derived import stale_files
from sluice.project.paths import contracts_folder, project
from sluice.warehouse import reach
from sluice.warehouse.spark import dialect

WAYS = {
    "row": "SQL, one scan",
    "aggregate": "SQL, whole batch",
    "unique": "SQL, grouped",
    "reference": "SQL, against another dataset",
    "across_batches": "SQL, against other batches",
}


def contract(dataset: str, engine: Engine, as_json: bool) -> None:
    """A contract's columns and checks."""
    found = contract_for(dataset)
    first = found.files.batches.first
    compiled = ((check, *_said(check, found, engine)) for check in checks_of(found, first))
    checks = [
        {"check": check.name, "way": way, "severity": check.severity, "tolerance": check.tolerance, "sql": sql}
        for check, way, sql in compiled
    ]
    columns = [
        {"column": c.name, "type": str(c.type), "nullable": bool(c.nullable), "description": c.description}
        for c in found.columns
    ]
    if as_json:
        head = {"dataset": dataset, "version": version_of(found), "engine": engine}
        print_json({**head, "columns": columns, "checks": checks})
        return
    worded = [
        {**{name: text(value) for name, value in c.items()}, "nullable": "yes" if c["nullable"] else "no"}
        for c in columns
    ]
    print_table(f"{dataset}, version {version_of(found)}, owner {found.owner}", worded)
    of = "" if engine is Engine.postgres else f", in the SQL of {engine.capitalize()}"
    print_table(f"Checks{of}", [{name: text(value) for name, value in check.items()} for check in checks])


def _said(check: Check, contract: Contract, engine: Engine) -> tuple[str, str | None]:
    """How a check runs on an engine, and its SQL there, if it has any."""
    if check.kind == "pandas":
        return _pandas_way(check), None
    if engine is Engine.postgres:
        return WAYS[check.kind], sql_of(check)
    try:
        return WAYS[check.kind], dialect.sql_of(check, contract)
    except dialect.NotInSpark as why:
        return f"{'cannot be run' if check.kind in OF_KEYS else 'pandas'}: on Spark, {why}", None


def export(dataset: str) -> None:
    """A contract in the Open Data Contract Standard, with the warehouse as its server. Starts nothing."""
    found, server = contract_for(dataset), reach.named_server()
    out.print(
        odcs_yaml(found, project().settings.schemas, server, header=""),
        markup=False,
        highlight=False,
        soft_wrap=True,
        end="",
    )


def diff(old: str, new: str, as_json: bool) -> bool:
    """What differs between two contract files, and whom it breaks. Returns whether it breaks anybody."""
    with _contract_at(old) as was, _contract_at(new) as now:
        changes = difference.differences(was, now)
    breaking = any(change.breaks for change in changes)
    if as_json:
        found = [{"what": change.what, "breaks": list(change.breaks)} for change in changes]
        print_json({"dataset": now.dataset_id, "breaking": breaking, "changes": found})
        return breaking
    for change in changes:
        whom = f"breaks {' and '.join(change.breaks)}" if change.breaks else "compatible"
        out.print(f"{whom}: {change.what}", markup=False, highlight=False, soft_wrap=True)
    verdict = "breaking" if breaking else "compatible" if changes else "the same"
    out.print(f"{now.dataset_id}: {verdict}", markup=False, highlight=False, soft_wrap=True)
    return breaking


@contextmanager
def _contract_at(named: str) -> Iterator[Contract]:
    """The contract of a file, or of `REVISION:FILE` of git, with the files beside it."""
    revision, _, file = named.partition(":")
    if Path(named).exists() or not file or revision.startswith("-"):
        yield load_contract(Path(named))
        return
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(file).parent
        done = subprocess.run(["git", "archive", revision, f"{beside}/"], capture_output=True, check=False)
        if done.returncode:
            why = (done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"])[-1]
            raise ConfigError(f"{named}: {why}. Name a file, or REVISION:FILE from the repository's folder")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield load_contract(Path(folder, file))


def imported(file: Path, source: str, entity: str, table: str | None, url: str, owner: str, replace: bool) -> None:
    """Draft a contract from a file of another standard, and write it if it can be loaded."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid YAML: {str(error).splitlines()[0]}") from None
    for name in (source, entity):
        if not PART.fullmatch(name):
            raise ConfigError(f"{name!r} is not a valid name: use lower case letters, digits and single _")
    target = contracts_folder() / f"{source}_{entity}.py"
    if target.exists() and not replace:
        raise ConfigError(f"{target} exists; write it again with --replace")
    found = standards.read(document, table)
    owner = owner or found.owner or NO_OWNER
    text = drafted.text(found, source, entity, owner, url or f"inbox/{entity}.csv")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, target.name).write_text(text, encoding="utf-8")
        made = load_contract(Path(folder, target.name))
        checks_of(made, made.files.batches.first)
    write_text(target, text)
    out.print(f"wrote {target}", markup=False, highlight=False, soft_wrap=True)
    open_points = text.count("# confirm")
    out.print(f"Next: review its {counted(open_points, 'point')} marked `confirm`, then: sluice derive", markup=False)


def _pandas_way(check: Check) -> str:
    if check.across:
        return f"cannot be run, the gate stays closed: it looks across rows ({check.across})"
    return f"pandas: {check.untraced}"


def derive(check: bool) -> None:
    """Write the derived files, or say which are stale."""
    stale = stale_files(contracts().values())
    if check and stale:
        names = ", ".join(str(path) for path in stale)
        raise DataError(f"missing, or not as the contracts say: {names}. Write them: sluice derive")
    for path, content in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        out.print(f"wrote {path}", markup=False, highlight=False)
    if not stale:
        out.print("Derived files are up to date.")
