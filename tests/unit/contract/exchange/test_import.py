"""A contract of another standard becomes a draft of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sluice.cli import app
from sluice.contract.contract import Contract
from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.errors import ConfigError
from sluice.contract.exchange import drafted, standards
from sluice.contract.exchange.difference import differences
from sluice.contract.registry import load_contract
from sluice.project.datasets import contracts
from tests.support import shops
from tests.support.parcels import PARCELS

DBT = """
models:
  - name: fct_orders
    description: Orders, "as shipped".
    columns:
      - name: OrderId
        description: Number of the order.
        data_type: bigint
        constraints: [{type: not_null}]
        data_tests: [unique]
      - name: status
        data_type: varchar(20)
        tests:
          - accepted_values: {arguments: {values: [open, 'it''s shipped']}}
          - dbt_utils.at_least_one
      - name: price
        data_type: numeric(12, 4)
  - name: dim_customers
    columns: [{name: id, data_type: integer}]
"""


def loaded(tmp_path: Path, document: object, table: str | None = None) -> tuple[Contract, str]:
    text = drafted.text(standards.read(document, table), "shop", "orders", "o@example.com", "a.csv")
    file = tmp_path / "shop_orders.py"
    file.write_text(text)
    return load_contract(file), text


@pytest.mark.parametrize("contract", [*contracts().values(), PARCELS, shops.contract()], ids=str)
def test_what_was_exported_comes_back_with_the_same_columns(contract: Contract, tmp_path: Path) -> None:
    back, _ = loaded(tmp_path, yaml.safe_load(odcs_yaml(contract)))
    found = [change.what for change in differences(contract, back)]
    assert [
        what for what in found if what.startswith("column") and "described" not in what and "read as" not in what
    ] == []


def test_a_rule_without_an_equal_is_a_comment_beside_its_column(tmp_path: Path) -> None:
    back, text = loaded(tmp_path, yaml.safe_load(odcs_yaml(shops.contract())))
    assert "# confirm: write a check for the rule 'price >= 0': SELECT count(*)" in text
    assert max(map(len, text.splitlines())) <= 120
    assert {"shop in ('north', 'south')"} <= set(names(back))


ODCS = """
kind: DataContract
schema:
  - name: orders
    quality:
      - {metric: rowCount, mustBeGreaterThan: 0}
      - {name: enough, metric: rowCount, mustBeGreaterThan: 100}
    properties:
      - {name: shop, logicalType: string, primaryKey: true, primaryKeyPosition: 1,
         logicalTypeOptions: {minLength: 2, maxLength: 9, format: email, pattern: "[a-z]+"}}
      - {name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 2,
         logicalTypeOptions: {minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false, multipleOf: 3}}
      - {name: share, logicalType: number,
         logicalTypeOptions: {exclusiveMinimum: 0, maximum: 1, exclusiveMaximum: true}}
      - {name: day, logicalType: date, logicalTypeOptions: {minimum: "2020-01-01"}}
      - {name: state, logicalType: string, quality: [
          {metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0, severity: warning}]}
      - {name: code, logicalType: string, unique: true, quality: [
          {metric: nullValues, mustBe: 0, severity: warning}, {metric: duplicateValues, mustBeLessThan: 5}]}
"""


def test_every_option_of_odcs_is_taken_or_noted(tmp_path: Path) -> None:
    contract, text = loaded(tmp_path, yaml.safe_load(ODCS))
    found = set(names(contract))
    assert {"number > 0", "number <= 9", "share > 0", "share < 1", "shop not null", "number not null"} <= found
    assert {name for name in found if name.endswith("unique")} == {"code unique"}, "each column of a key is not"
    columns = {column.name: column for column in contract.columns}
    assert (columns["state"].severity, columns["code"].severity) == ("warn", "error")
    for note in (
        "the primary key there is (shop, number): check that it is unique",
        "write a check for the rule 'enough': enough ({'mustBeGreaterThan': 100})",
        "write a check for minLength: 2", "write a check for maxLength: 9", "write a check for format: email",
        "write a check for multipleOf: 3", "write a check for minimum: 2020-01-01",
        "the rule nullValues only warns there", "{'mustBeLessThan': 5}",
    ):  # fmt: skip
        assert f"{note}\n" in text or note in text, note
    assert text.count("# confirm: write a check for the rule") == 2


DBT_SETTINGS = """
models:
  - name: orders
    constraints: [{type: primary_key, columns: [a, b]}]
    columns:
      - name: a
        tests: [{not_null: {config: {severity: WARN}}}, {accepted_values: {values: [x], severity: warn}}]
      - name: b
        tests: [not_null, {unique: {config: {where: "a > 1"}}}, {accepted_values: {values: [y], severity: warn}}]
      - name: c
        tests: [{test_name: accepted_values, values: [z]}]
"""


def test_where_and_severity_of_a_test_of_dbt_are_taken_or_noted(tmp_path: Path) -> None:
    contract, text = loaded(tmp_path, yaml.safe_load(DBT_SETTINGS))
    columns = {column.name: column for column in contract.columns}
    assert {name: (each.severity, each.nullable) for name, each in columns.items()} == {
        "a": ("warn", False), "b": ("error", False), "c": ("error", True),
    }  # fmt: skip
    assert set(names(contract)) == {"a not null", "a in ('x')", "b not null", "b in ('y')", "c in ('z')"}
    assert "write a check for the test primary_key ({'columns': ['a', 'b']})" in text
    assert "write a check for the test unique ({'where': 'a > 1'})" in text
    assert "accepted_values only warns there" in text


@pytest.mark.parametrize(("keys", "unique"), [("a", {"a"}), ("ab", set())])
def test_a_primary_key_of_several_columns_is_one_key_and_none_of_them_alone_is_unique(
    keys: str, unique: set[str], tmp_path: Path
) -> None:
    columns = [{"name": each, "constraints": [{"type": "primary_key"}]} for each in keys]
    contract, text = loaded(tmp_path, {"models": [{"name": "orders", "columns": columns}]})
    assert set(names(contract)) == {f"{each} not null" for each in keys} | {f"{each} unique" for each in unique}
    assert ("the primary key there is (a, b): check that it is unique" in text) == (keys == "ab")


def names(contract: Contract) -> list[str]:
    from sluice.contract.checks.compile import checks_of

    return [check.name for check in checks_of(contract, contract.files.batches.first)]


def test_a_model_of_dbt_is_taken_with_its_types_tests_and_constraints(tmp_path: Path) -> None:
    contract, text = loaded(tmp_path, yaml.safe_load(DBT), "fct_orders")
    columns = {column.name: column for column in contract.columns}
    assert {name: str(column.type) for name, column in columns.items()} == {
        "order_id": "integer", "status": "text", "price": "decimal(12,4)",
    }  # fmt: skip
    assert (columns["order_id"].nullable, columns["status"].nullable) == (False, True)
    assert columns["order_id"].sources == ("OrderId",)
    assert {"order_id not null", "order_id unique", """status in ('open', "it's shipped")"""} <= set(names(contract))
    assert "# confirm: write a check for the test dbt_utils.at_least_one" in text
    assert contract.description == 'Orders, "as shipped".'


@pytest.mark.parametrize(
    ("document", "why"),
    [({"a": 1}, "is not a contract"), (yaml.safe_load(DBT), "choose one with --table"), (None, "is not a contract"),
     ({"models": [{"name": "empty"}]}, "has no columns")],
)  # fmt: skip
def test_what_cannot_be_drafted_is_refused_in_one_message(document: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        standards.read(document)


def test_nothing_in_the_file_becomes_code(tmp_path: Path) -> None:
    evil = 'x"""\nimport os; os.mkdir("made")\n"""'
    column = {"name": evil, "description": evil, "data_type": evil, "tests": [{evil: {"values": [evil]}}]}
    document = {"models": [{"name": evil, "description": evil, "columns": [column], "tests": [evil]}]}
    loaded(tmp_path, document)
    assert not (Path.cwd() / "made").exists()


def test_the_command_writes_a_contract_that_can_be_loaded_and_overwrites_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sluice.toml").write_text('[project]\nid = "x"\n')
    (tmp_path / "contracts").mkdir()
    (tmp_path / "models.yml").write_text(DBT)
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    call = ["contract", "import", str(tmp_path / "models.yml"), "shop", "orders", "--table", "fct_orders"]
    for code in (0, 5):
        with pytest.raises(SystemExit) as stop:
            app.main(call)
        assert int(stop.value.code or 0) == code, capsys.readouterr()
    assert load_contract(tmp_path / "contracts/shop_orders.py").dataset_id == "shop__orders"
    assert "--replace" in capsys.readouterr().err
