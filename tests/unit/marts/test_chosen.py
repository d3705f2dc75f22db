"""Which models `[marts] models` means: what dbt would select by the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.contract.derive.schemas import Schemas
from sluice.marts.own_project.refusals import DbtProject
from sluice.project.marts.chosen import marts_in

MODELS = {
    "orders": ("models/marts/finance/orders.sql", ["finance_daily"]),
    "names": ("models/marts/sales/names.sql", ["sales"]),
    "raw_orders": ("models/prep/raw_orders.sql", []),
}


def manifest(selectors: Any = None) -> dict[str, Any]:
    nodes = {
        name: {
            "resource_type": "model",
            "name": name,
            "fqn": ["acme", *Path(path).parts[1:-1], name],
            "original_file_path": path,
            "tags": tags,
            "alias": name,
            "schema": "marts__a",
            "config": {"materialized": "table"},
            "depends_on": {"nodes": []},
        }
        for name, (path, tags) in MODELS.items()
    }
    return {"metadata": {"adapter_type": "postgres"}, "macros": {}, "nodes": nodes, "selectors": selectors or {}}


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def ask(entry: str, selectors: Any = None) -> set[str]:
        (tmp_path / "sluice.toml").write_text(f'[marts]\nmodels = ["{entry}"]\n')
        monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
        return set(marts_in(manifest(selectors)))

    return ask


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("models/marts/", {"orders", "names"}),
        ("models/marts/finance/orders.sql", {"orders"}),
        ("path:models/*/sales", {"names"}),
        ("models/**/*orders.sql", {"orders", "raw_orders"}),
        ("models/**", {"orders", "names", "raw_orders"}),
        ("tag:fin*", {"orders"}),
        ("fqn:marts.sales", {"names"}),
        ("fqn:acme.marts", {"orders", "names"}),
        ("fqn:marts.*.na*", {"names"}),
        ("fqn:*orders", {"orders", "raw_orders"}),
    ],
)
def test_an_entry_means_what_dbt_means_by_it(chosen: Any, entry: str, found: set[str]) -> None:
    assert chosen(entry) == found
    method, colon, value = entry.partition(":")
    definition = {"method": method if colon else "path", "value": value if colon else entry}
    assert chosen("selector:of_readers", {"of_readers": {"definition": definition}}) == found


@pytest.mark.parametrize("entry", ["models/mart", "models/marts/orders.sql", "tag:finance", "fqn:marts.sal"])
def test_an_entry_that_means_no_model_is_a_mistake_that_is_named(chosen: Any, entry: str) -> None:
    assert chosen(entry) == set()
    project = DbtProject(manifest(), Schemas(), "__a", "shop")
    (said,) = [each for each in project.refusals() if "[marts] models" in each]
    assert said.startswith(f"[marts] models names {entry!r}, which means no model of the project")


def test_a_project_that_has_no_marts_yet_is_no_mistake(chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in ("orders", "names"):
        monkeypatch.delitem(MODELS, model)
    assert chosen("models/marts") == set()
    assert not [each for each in DbtProject(manifest(), Schemas(), "__a", "shop").refusals() if "[marts]" in each]
