"""`sluice diff`: contracts and models of a real git repository, with loaded batches and published marts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.reviewed import Repository

CONTRACT = "contracts/shop_orders.py"


def batches_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    [contract] = document["contracts"]
    return {batch["batch"]: batch for batch in contract["batches"]}


def test_a_stricter_and_a_looser_contract_show_what_they_reject_of_the_batches_that_were_loaded(
    repository: Repository, sluice, data
) -> None:
    before = data()
    assert before
    unchanged = sluice("diff")
    assert (unchanged.code, "No contract changed" in unchanged.out) == (0, True), unchanged.err

    repository.change(CONTRACT, "ge=1", "ge=4")
    stricter = sluice("diff", "--json")
    assert stricter.code == 2, stricter.err
    document = json.loads(stricter.out)
    assert document["contracts"][0]["breaking"] is True
    months = batches_of(document)
    assert {month: (each["status"], each["rows"]) for month, each in months.items()} == {
        "2024-01": ("published", 10),
        "2024-02": ("published", 10),
        "2024-03": ("held", 5),
    }
    assert {month: (each["before"]["rejected"], each["now"]["rejected"]) for month, each in months.items()} == {
        "2024-01": (1, 4),
        "2024-02": (1, 1),
        "2024-03": (3, 5),
    }
    assert (months["2024-01"]["before"]["gate_open"], months["2024-01"]["now"]["gate_open"]) == (True, False)
    checks = {check["check"]: check for check in months["2024-01"]["checks"]}
    assert (checks["quantity >= 1"]["before"], checks["quantity >= 1"]["now"]) == (1, None)
    assert (checks["quantity >= 4"]["before"], checks["quantity >= 4"]["now"]) == (None, 4)
    assert [row["quantity"] for row in checks["quantity >= 4"]["sample"]] == [1, 2, 3, 0]
    assert document["reasons"] == [
        "shop__orders 2024-01 would be held: 40% of rows are rejected (at most 20%), most often for quantity >= 4 "
        "(4 rows)"
    ]

    repository.change(CONTRACT, "ge=4", "ge=0")
    looser = sluice("diff")
    assert looser.code == 0, looser.err
    assert "2024-01: 10 rows, 1 rejected before, 0 now (0%); gate open" in looser.out
    assert "2024-03: 5 rows, 3 rejected before, 0 now (0%); gate closed before, open now" in looser.out
    assert data() == before


def test_a_threshold_of_the_command_and_the_number_of_batches_are_kept_to(repository: Repository, sluice) -> None:
    repository.change(CONTRACT, "ge=1", "ge=2")
    gate_decides = sluice("diff", "--batches", "2", "--json")
    assert gate_decides.code == 0, gate_decides.err
    assert set(batches_of(json.loads(gate_decides.out))) == {"2024-02", "2024-03"}
    over = sluice("diff", "--max-rejected", "0.1")
    assert over.code == 2
    assert "shop__orders 2024-01: 20% of its rows would be rejected (at most 10%)" in over.err


def test_what_loaded_rows_cannot_show_is_said(repository: Repository, sluice) -> None:
    repository.change(CONTRACT, "quantity: Int", 'colour: Text = column("New.", isin=["red"])\n    quantity: Text')
    repository.change(CONTRACT, ", ge=1)", ")")
    january = batches_of(json.loads(sluice("diff", "--json").out))["2024-01"]
    assert january["now"]["rejected"] == 0
    assert january["not_judged"] == [
        "column colour is not in the rows that were loaded",
        "column quantity was loaded as bigint; only a file shows its values",
        "check 'colour not null' looks at such a column",
        "check \"colour in ('red')\" looks at such a column",
        "check 'quantity not null' looks at such a column",
    ]


def test_a_personal_value_is_masked_also_where_the_change_unmarks_it(repository: Repository, sluice) -> None:
    repository.change(CONTRACT, "pii=True, nullable=True", 'str_endswith="org", nullable=True')
    said = sluice("diff", "--markdown")
    assert (said.code, "row 1: email=" in said.out) == (2, True), said.out
    assert "@example.com" not in said.out


def test_a_contract_that_is_new_or_gone_is_named(repository: Repository, sluice) -> None:
    repository.git("mv", CONTRACT, "contracts/shop_sales.py")
    repository.change("contracts/shop_sales.py", 'entity="orders"', 'entity="sales"')
    said = sluice("diff")
    assert said.code == 0, said.err
    assert "contract shop__orders: gone\ncontract shop__sales: new\n" in said.out


def test_mistakes_with_git_are_one_line_that_says_what_to_do(repository: Repository, sluice, tmp_path: Path) -> None:
    none = sluice("diff", "--base", "nowhere")
    assert (none.code, "git has no branch or commit 'nowhere'" in none.err) == (5, True)
    option = sluice("diff", "--base", "--output=x")
    assert (option.code, "git has no branch or commit" in option.err) == (5, True)
    repository.git("branch", "-m", "work")
    assert "Name a branch or commit: --base REF" in sluice("diff").err
    repository.git("checkout", "-q", "--orphan", "other")
    repository.commit()
    assert "git finds no commit that HEAD and work share" in sluice("diff", "--base", "work").err
    (repository.root / ".git").rename(tmp_path / "git")
    outside = sluice("diff")
    assert (outside.code, "is not in a git repository" in outside.err) == (5, True)
