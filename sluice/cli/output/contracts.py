"""`contract show`, `contract export` and `derive`."""

from __future__ import annotations

from sluice.cli.output.tables import out, print_json, print_table, text
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.version import sql_of, version_of
from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.errors import DataError
from sluice.project.datasets import contract_for, contracts
from sluice.project.derived import stale_files
from sluice.project.paths import project
from sluice.warehouse import reach

WAYS = {
    "row": "SQL, one scan",
    "aggregate": "SQL, whole batch",
    "unique": "SQL, grouped",
    "reference": "SQL, against another dataset",
    "across_batches": "SQL, against other batches",
}


def contract(dataset: str, as_json: bool) -> None:
    """A contract's columns and checks."""
    found = contract_for(dataset)
    first = found.files.batches.first
    checks = [
        {
            "check": check.name,
            "way": WAYS.get(check.kind) or _pandas_way(check),
            "severity": check.severity,
            "tolerance": check.tolerance,
            "sql": sql_of(check),
        }
        for check in checks_of(found, first)
    ]
    columns = [
        {"column": c.name, "type": str(c.type), "nullable": bool(c.nullable), "description": c.description}
        for c in found.columns
    ]
    if as_json:
        print_json({"dataset": dataset, "version": version_of(found), "columns": columns, "checks": checks})
        return
    worded = [
        {**{name: text(value) for name, value in c.items()}, "nullable": "yes" if c["nullable"] else "no"}
        for c in columns
    ]
    print_table(f"{dataset}, version {version_of(found)}, owner {found.owner}", worded)
    print_table("Checks", [{name: text(value) for name, value in check.items()} for check in checks])


def export(dataset: str) -> None:
    """A contract in the Open Data Contract Standard, with the warehouse as its server."""
    found, place = contract_for(dataset), reach.find().place
    server = {"host": place["PGHOST"], "port": int(place["PGPORT"]), "database": place["PGDATABASE"]}
    out.print(
        odcs_yaml(found, project().settings.schemas, server, header=""),
        markup=False,
        highlight=False,
        soft_wrap=True,
        end="",
    )


def _pandas_way(check: Check) -> str:
    if check.across:
        return f"cannot be run, the gate stays closed: it looks across rows ({check.across})"
    return f"pandas: {check.untraced}"


def derive(check: bool) -> None:
    """Write the derived files, or say which are stale."""
    stale = stale_files(contracts().values())
    if check and stale:
        names = ", ".join(str(path) for path in stale)
        raise DataError(f"stale: {names}. Write them again: sluice derive")
    for path, content in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        out.print(f"wrote {path}", markup=False, highlight=False)
    if not stale:
        out.print("Derived files are up to date.")
