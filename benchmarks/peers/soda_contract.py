"""The same checks as a contract of soda-core 4: counts only. Runs in a separate environment.

python soda_contract.py SPEC     (a JSON file; checks.py writes it)
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from soda_core.contracts import verify_contract_locally


def column_check(check: dict) -> dict:
    named = {"name": check["name"], "qualifier": check["name"]}
    match check["kind"]:
        case "not_null":
            return {"missing": named}
        case "ge":
            return {"invalid": {**named, "valid_min": check["low"]}}
        case "between":
            return {"invalid": {**named, "valid_min": check["low"], "valid_max": check["high"]}}
        case "isin":
            return {"invalid": {**named, "valid_values": check["values"]}}
    raise ValueError(check["kind"])


def contract(spec: dict) -> dict:
    """What soda has no form for becomes a failed_rows expression."""
    columns: dict[str, list] = {name: [] for name in spec["columns"]}
    rows = []
    for check in spec["checks"]:
        if check["kind"] == "expression":
            rows.append(
                {
                    "failed_rows": {
                        "name": check["name"],
                        "qualifier": check["name"],
                        "expression": check["fails"],
                    }
                }
            )
        else:
            columns[check["column"]].append(column_check(check))
    parts = [f'{{"name": "{name}", "checks": {json.dumps(checks)}}}' for name, checks in columns.items()]
    schema, table = spec["table"].split(".")
    return {
        "dataset": f"bench/{spec['connection']['database']}/{schema}/{table}",
        "columns": [json.loads(part) for part in parts],
        "checks": rows,
    }


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text())
    folder = Path(tempfile.mkdtemp())
    source = {"type": "postgres", "name": "bench", "connection": {**spec["connection"], "password": "-"}}
    (folder / "source.yml").write_text(json.dumps(source))  # JSON is YAML
    (folder / "contract.yml").write_text(json.dumps(contract(spec)))
    start = time.perf_counter()
    session = verify_contract_locally(
        data_source_file_path=str(folder / "source.yml"), contract_file_path=str(folder / "contract.yml")
    )
    seconds = time.perf_counter() - start
    if session.has_errors:
        raise SystemExit(str(session.get_errors()))
    failing = {}
    for result in session.contract_verification_results[0].check_results:
        failing[result.check.name] = int(result.threshold_value or 0)
    print(json.dumps({"seconds": seconds, "failing": failing}))


if __name__ == "__main__":
    main(sys.argv[1])
