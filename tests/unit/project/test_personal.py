"""Personal data is known by every name that dbt's models and tests give it."""

from __future__ import annotations

import pytest

from sluice.project import personal_columns
from tests.support import shops


def test_a_personal_column_is_known_by_each_name_that_is_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_columns, "contracts", lambda: {"shop__orders": shops.contract()})
    stg = 'with renamed as (select "email" as customer_email, quantity as items from s) select * from renamed'
    mart = "select o.items, lower(o.customer_email) || '!' as Contact, p as phone from stg as o"
    nodes = [
        {
            "resource_type": "model",
            "compiled_code": mart,
            "columns": {"phone": {"name": "phone", "meta": {"pii": True}}},
        },
        {"resource_type": "model", "compiled_code": stg},
        {"resource_type": "test", "compiled_code": "select items as unique_field from mart"},
    ]
    assert personal_columns.columns(nodes) == {"email", "customer_email", "contact", "phone"}


def test_a_tests_own_names_and_what_cannot_be_read_are_masked_too() -> None:
    assert "unique_field" in personal_columns.made_of({"email"}, "select email as unique_field, count(*) as n from m")
    assert "n" not in personal_columns.made_of({"email"}, "select email as unique_field, count(*) as n from m")
    assert "secret" in personal_columns.made_of({"email"}, "select (email as secret")
