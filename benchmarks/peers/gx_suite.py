"""The same checks as a suite of Great Expectations 1: counts and samples (result format SUMMARY).

Runs in a separate environment.

    python gx_suite.py SPEC     (a JSON file; checks.py writes it)
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path

import great_expectations as gx
from great_expectations import expectations as gxe


def expectation(check: dict, spec: dict) -> gxe.Expectation:
    column = check.get("column")
    meta = {"name": check["name"]}
    if check["name"].endswith("in batch"):
        first, following = (datetime.fromisoformat(moment) for moment in spec["window"])
        return gxe.ExpectColumnValuesToBeBetween(
            column=spec["by"], min_value=first, max_value=following, strict_max=True, meta=meta
        )
    match check["kind"]:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "ge":
            return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=check["low"], meta=meta)
        case "between":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=check["low"], max_value=check["high"], meta=meta
            )
        case "isin":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=check["values"], meta=meta)
    if check["name"] == "dropoff_not_before_pickup":
        later, earlier = spec["by"].replace("pickup", "dropoff"), spec["by"]
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=later,
            column_B=earlier,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            meta=meta,
        )
    return gxe.ExpectColumnValuesToBeBetween(column=column, max_value=check["high"], strict_max=True, meta=meta)


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text())
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.enable_analytics(False)
    source = context.data_sources.add_sql("bench", connection_string=spec["url"])
    schema, table = spec["table"].split(".")
    whole = source.add_table_asset("trips", table_name=table, schema_name=schema)
    suite = gx.ExpectationSuite(name="trips", expectations=[expectation(check, spec) for check in spec["checks"]])
    definition = gx.ValidationDefinition(
        name="trips",
        data=whole.add_batch_definition_whole_table("whole"),
        suite=context.suites.add(suite),
    )
    start = time.perf_counter()
    outcome = definition.run(result_format="SUMMARY")
    seconds = time.perf_counter() - start
    failing = {}
    for result in outcome.results:
        name = result.expectation_config.meta["name"]
        if result.exception_info.get("raised_exception"):
            raise SystemExit(f"{name}: {result.exception_info}")
        failing[name] = result.result["unexpected_count"]
    print(json.dumps({"seconds": seconds, "failing": failing}))


if __name__ == "__main__":
    main(sys.argv[1])
