"""What is derived from a contract says what the contract says, in the words of its readers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sluice.contract.contract import Contract
from sluice.contract.derive.ddl_file import ddl_sql
from sluice.contract.derive.odcs import odcs_yaml
from sluice.project.datasets import contracts
from sluice.project.derived import stale_files
from tests.support import shops
from tests.support.parcels import PARCELS

# Keys by the standard's JSON schema, odcs-json-schema-v3.1.0, which allows no others.
REQUIRED = {"version", "apiVersion", "kind", "id", "status"}
OPTIONAL = {"name", "domain", "description", "schema", "team", "slaProperties", "customProperties"}
OBJECT = {"name", "logicalType", "physicalType", "physicalName", "description", "dataGranularityDescription",
          "properties", "quality"}  # fmt: skip
PROPERTY = {"name", "logicalType", "logicalTypeOptions", "physicalType", "description", "required", "classification",
            "customProperties", "quality"}  # fmt: skip
QUALITY = {"name", "type", "description", "severity", "customProperties"}
LOGICAL_TYPES = {"string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"}


@pytest.mark.parametrize("contract", [*contracts().values(), PARCELS, shops.contract()], ids=str)
def test_odcs_has_what_the_standard_requires_and_nothing_it_does_not_know(contract: Contract) -> None:
    document = yaml.safe_load(odcs_yaml(contract))
    assert REQUIRED <= document.keys() <= REQUIRED | OPTIONAL
    assert (document["apiVersion"], document["kind"], document["id"]) == ("v3.1.0", "DataContract", str(contract))
    assert all(isinstance(document[key], str) for key in REQUIRED)
    (table,) = document["schema"]
    assert {"name"} <= table.keys() <= OBJECT
    assert [column["name"] for column in table["properties"]] == [column.name for column in contract.columns]
    for column in table["properties"]:
        assert {"name"} <= column.keys() <= PROPERTY
        assert column["logicalType"] in LOGICAL_TYPES
    for quality in [
        *table.get("quality", []),
        *(q for column in table["properties"] for q in column.get("quality", [])),
    ]:
        assert quality.keys() <= QUALITY
        assert quality["type"] == "text"
    for member in document["team"]["members"]:
        assert "username" in member


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
    assert [quality["name"] for quality in table["quality"]] == ["not_free_in_bulk"]


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
