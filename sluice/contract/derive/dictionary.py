"""contracts -> the data dictionary, a Markdown page a dataset. Pure."""

from __future__ import annotations

from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import Contract
from sluice.contract.derive.tables import comment
from sluice.contract.formatting import address_name, percent

HEADER = "<!-- Generated from contracts/ by `sluice derive`; do not edit. -->\n"


def dictionary_page(contract: Contract) -> str:
    """What a reader asks first: what a column holds, may it be null, what is checked."""
    lines = [
        f"# {contract.dataset_id}",
        "",
        contract.description,
        "",
        f"Owner: {contract.owner}. Source: <{address_name(contract.files.url)}>.",
        "",
        "## Columns",
        "",
        "| column | in the source | type | nulls | description |",
        "|---|---|---|---|---|",
    ]
    for column in contract.columns:
        since = f" From batch {column.since} on." if column.since else ""
        nulls = "yes" if column.nullable else "no"
        names = ", ".join(column.sources)
        lines.append(f"| {column.name} | {names} | {column.type} | {nulls} | {comment(column)}{since} |")
    lines += ["", "## Checks", "", "| check | severity | tolerance | runs as |", "|---|---|---|---|"]
    for check in checks_of(contract, contract.files.batches.first):
        tolerance = percent(check.tolerance) if check.tolerance is not None else ""
        name = check.name.replace("<", "&lt;").replace("|", "\\|")
        lines.append(f"| {name} | {check.severity} | {tolerance} | {check.kind} |")
    size = ""
    if contract.gate.rows_vs_last:
        fewest, most = contract.gate.rows_vs_last
        before = "of the same weekday before" if contract.gate.rows_vs == "weekday" else "before"
        size = f"when it has less than {fewest} or more than {most} times the rows of the one {before}, "
    lines += [
        "",
        f"The gate closes when more than {percent(contract.gate.max_rejected)} of the rows of a batch are rejected, "
        f"{size}or when more rows than its tolerance fail a check.",
        "",
    ]
    return HEADER + "\n".join(lines)
