"""What is derived from a contract says what the contract says, in the words of its readers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from sluice.contract.batches import Daily
from sluice.contract.columns import Money, Text, column, days
from sluice.contract.contract import Contract, Files, Freshness
from sluice.contract.derive.ddl_file import ddl_sql
from sluice.contract.derive.odcs import odcs_yaml
from sluice.project.datasets import contracts
from sluice.project.derived import stale_files
from tests.support import shops
from tests.support.parcels import PARCELS

# The standard's own JSON schema, which allows no other keys
STANDARD = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("contract", [*contracts().values(), PARCELS, shops.contract()], ids=str)
def test_odcs_is_valid_by_the_standard_s_own_package(contract: Contract) -> None:
    document = yaml.safe_load(odcs_yaml(contract))
    errors = jsonschema.Draft201909Validator(STANDARD).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    read = OpenDataContractStandard.from_string(odcs_yaml(contract))
    assert (read.apiVersion, read.id) == (STANDARD["properties"]["apiVersion"]["default"], str(contract)), "current"
    assert [(server.type, server.schema_) for server in read.servers] == [("postgres", "staging")]
    (table,) = read.schema_
    assert [column.name for column in table.properties] == [column.name for column in contract.columns]


def test_rules_that_a_database_can_run_are_library_or_sql_rules() -> None:
    (table,) = yaml.safe_load(odcs_yaml(shops.contract()))["schema"]
    rules = {rule["name"]: rule for each in (table, *table["properties"]) for rule in each.get("quality", [])}
    assert {name: rule["type"] for name, rule in rules.items() if rule["type"] != "sql"} == {
        "has rows": "library",
        "shop in ('north', 'south')": "library",
        "ordered_at in batch": "text",
    }
    assert rules["price >= 0"]["query"] == "SELECT count(*) FROM ${object} WHERE (price >= 0) IS FALSE"
    assert (rules["price >= 0"]["mustBe"], rules["weight > 0"]["mustBeLessOrEqualTo"]) == (0, 10.0)


def test_odcs_says_every_rule_of_the_contract() -> None:
    (table,) = yaml.safe_load(odcs_yaml(shops.contract()))["schema"]
    columns = {column["name"]: column for column in table["properties"]}
    rules = {name: [quality["name"] for quality in column.get("quality", [])] for name, column in columns.items()}
    assert rules["order_id"] == ["order_id unique"]
    assert rules["price"] == ["price >= 0", "price < 1000"]
    assert columns["quantity"]["quality"][0]["description"] == "quantity >= 1, for all but 50% of the rows."
    assert columns["weight"]["quality"][0]["severity"] == "warning"
    assert (columns["order_id"]["required"], columns["quantity"]["required"]) == (True, False)
    assert columns["email"]["classification"] == "personal"
    assert [quality["name"] for quality in table["quality"]] == ["has rows", "not_free_in_bulk"]


def test_odcs_requires_no_values_where_nulls_are_published() -> None:
    class Lenient(shops.Orders):
        price: Money = column("Of one.", ge=0, severity="warn")
        shop: Text = column("Where.", nullable="warn")

    files = Files("orders_{batch}.csv", Daily(start="2021-01-01"))
    limits = Freshness(days(0.25), days(0.5))
    given = replace(shops.contract(Lenient), files=files, freshness=limits)
    document = yaml.safe_load(odcs_yaml(given))
    assert [*jsonschema.Draft201909Validator(STANDARD).iter_errors(document)] == []
    columns = {column["name"]: column for column in document["schema"][0]["properties"]}
    rules = {name: {rule["name"]: rule for rule in each.get("quality", [])} for name, each in columns.items()}
    for name in ("price", "shop"):
        assert (columns[name]["required"], rules[name][f"{name} not null"]["severity"]) == (False, "warning")
    assert (columns["order_id"]["required"], "order_id not null" in rules["order_id"]) == (True, False)
    assert document["slaProperties"] == [{"property": "latency", "value": 12.0, "unit": "h"}]


def test_ddl_has_each_column_with_its_comment() -> None:
    text = ddl_sql(PARCELS)
    assert "CREATE TABLE staging.post__parcels (" in text
    assert "price NUMERIC(10, 2)" in text
    assert "COMMENT ON COLUMN staging.post__parcels.weight IS 'Weight. Unit: kg.';" in text
    assert len(re.findall("^COMMENT ON COLUMN", text, re.MULTILINE)) == len(PARCELS.columns) + 5


def test_a_derived_file_that_was_touched_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sluice.toml").touch()
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    for path, text in stale_files([PARCELS]).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert stale_files([PARCELS]) == {}
    odcs = tmp_path / "docs/odcs/post__parcels.odcs.yaml"
    odcs.write_text(odcs.read_text() + "mine: true\n")
    assert list(stale_files([PARCELS])) == [odcs]
