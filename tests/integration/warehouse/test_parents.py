"""What a changed contract does to the dataset's table: what is safe is done, the rest is told."""

from __future__ import annotations

from typing import Annotated, Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa
from pandera.engines import pandas_engine

from sluice.contract.batches import Monthly
from sluice.contract.columns import Float, Int, Money, Text, Timestamp, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.contract.errors import ConfigError, DataError
from sluice.staging import publish
from tests.support import shops

HEADER = "n,at,price"
WIDER = Annotated[pandas_engine.ArrowDecimal128, 14, 3, None]


def contract(price: Any = Money, **more: Any) -> Contract:
    """A contract of a few columns, with a price of this type (or none) and more columns."""
    columns = {
        "n": (Int, column("Number.", ge=1)),
        "at": (Timestamp, column("When.")),
        **({"price": (price, column("Of one.", nullable=True))} if price else {}),
        **{name: (kind, column("New.", nullable=True)) for name, kind in more.items()},
    }
    members: dict[str, Any] = {name: field for name, (_, field) in columns.items()}
    members |= {"__module__": __name__, "__annotations__": {name: kind for name, (kind, _) in columns.items()}}
    files = Files("n_{batch}.csv", Monthly("2021-01", by="at"))
    return Contract("test", "sales", "t@example.com", type("Sales", (pa.DataFrameModel,), members), files, Gate())


@pytest.fixture
def january(deliver, tmp_path) -> None:
    deliver(contract(), "2021-01", shops.write(tmp_path / "1.csv", ["1,2021-01-02 10:00:00,9.50"], HEADER))


def test_a_new_column_is_added_and_is_null_in_the_batches_before(january, deliver, rows, tmp_path) -> None:
    path = shops.write(tmp_path / "2.csv", ["2,2021-02-02 10:00:00,1.00,gift"], f"{HEADER},note")
    deliver(contract(note=Text), "2021-02", path)
    assert rows("select n, note from staging.test__sales order by 1") == [(1, None), (2, "gift")]


def test_a_type_that_holds_every_value_is_taken_over(january, deliver, rows, tmp_path) -> None:
    path = shops.write(tmp_path / "2.csv", ["2,2021-02-02 10:00:00,1.005"], HEADER)
    deliver(contract(WIDER), "2021-02", path)
    assert [str(price) for (price,) in rows("select price from staging.test__sales order by n")] == ["9.500", "1.005"]


def test_a_wider_type_under_views_names_them_and_touches_nothing(january, warehouse, rows) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create schema side"))
        connection.execute(sa.text("create view side.stg_sales as select n, price from staging.test__sales"))
        connection.execute(sa.text('create view side."All" as select n from side.stg_sales'))
        connection.execute(sa.text("create view side.others as select n from staging.test__sales"))
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    with pytest.raises(
        ConfigError, match=r'because views read it .*: DROP VIEW IF EXISTS side."All", side.stg_sales;'
    ) as told:
        warehouse.data.verify_tables(warehouse.engine, contract(WIDER))
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(str(told.value).split("recreate yours): ")[1].splitlines()[0])
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    warehouse.data.verify_tables(warehouse.engine, contract(WIDER))
    assert rows("select price from staging.test__sales")[0].price.as_tuple().exponent == -3


def test_a_view_of_one_side_of_the_marts_is_told_with_that_which_the_next_build_makes(january, warehouse) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create schema if not exists marts__b"))
        connection.execute(sa.text("create view marts__b.stg_sales as select n, price from staging.test__sales"))
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    with pytest.raises(ConfigError, match=r"DROP VIEW IF EXISTS marts__a.stg_sales, marts__b.stg_sales;") as told:
        warehouse.data.verify_tables(warehouse.engine, contract(WIDER))
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create schema if not exists marts__a"))
        connection.execute(sa.text("create view marts__a.stg_sales as select n, price from staging.test__sales"))
        connection.exec_driver_sql(str(told.value).split("recreate yours): ")[1].splitlines()[0])
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    warehouse.data.verify_tables(warehouse.engine, contract(WIDER))


def test_materialized_views_are_told_with_statements_that_drop_them_in_an_order_that_works(january, warehouse) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create schema side"))
        connection.execute(sa.text("create view side.stg_sales as select n, price from staging.test__sales"))
        connection.execute(sa.text("create materialized view side.kept as select price from side.stg_sales"))
        connection.execute(sa.text("create view side.a_top as select price from side.kept"))
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    with pytest.raises(
        ConfigError, match=r"DROP VIEW IF EXISTS side.a_top; DROP MATERIALIZED VIEW IF EXISTS side.kept;"
    ) as told:
        warehouse.data.verify_tables(warehouse.engine, contract(WIDER))
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(str(told.value).split("recreate yours): ")[1].splitlines()[0])
    warehouse.data.make_tables(warehouse.engine, contract(WIDER))
    warehouse.data.verify_tables(warehouse.engine, contract(WIDER))


@pytest.mark.parametrize("kind", [Float, Int, Text])
def test_a_type_that_could_lose_values_is_for_a_person_to_say(january, warehouse, rows, kind: Any) -> None:
    warehouse.data.make_tables(warehouse.engine, contract(kind))
    with pytest.raises(ConfigError, match='ALTER COLUMN "price" TYPE') as told:
        warehouse.data.verify_tables(warehouse.engine, contract(kind))
    assert str(rows("select price from staging.test__sales")[0].price) == "9.50"
    statement = str(told.value).split("If none would: ")[1].split(";")[0]
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    warehouse.data.verify_tables(warehouse.engine, contract(kind))


def test_a_column_that_left_the_contract_keeps_its_values_until_a_person_drops_it(january, warehouse, rows) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("create view priced as select price from staging.test__sales"))
    warehouse.data.make_tables(warehouse.engine, contract(None))
    with pytest.raises(ConfigError, match=r"DROP COLUMN .price.; But first, .*: DROP VIEW IF EXISTS public\.priced;"):
        warehouse.data.verify_tables(warehouse.engine, contract(None))
    assert rows("select count(price) from staging.test__sales") == [(1,)]


def test_a_slip_in_a_name_changes_no_table_and_its_correction_is_enough(january, warehouse, rows) -> None:
    misspelt = contract(None, prize=Money, note=Text)
    warehouse.data.make_tables(warehouse.engine, misspelt)
    with pytest.raises(
        ConfigError, match=r"The contract has prize: if that is a slip, correct it; .* RENAME COLUMN"
    ) as said:
        warehouse.data.verify_tables(warehouse.engine, misspelt)
    assert "DROP" not in str(said.value)
    warehouse.data.make_tables(warehouse.engine, contract())
    warehouse.data.verify_tables(warehouse.engine, contract())
    columns = "select column_name from information_schema.columns where table_name = 'test__sales'"
    assert {"prize", "note"} & {name for (name,) in rows(columns)} == set()


def test_a_column_with_a_new_name_keeps_its_values_by_the_statement_that_is_shown(january, warehouse, rows) -> None:
    renamed = contract(None, prize=Money)
    with pytest.raises(ConfigError) as said:
        warehouse.data.verify_tables(warehouse.engine, renamed)
    with warehouse.engine.begin() as connection:
        connection.exec_driver_sql(str(said.value).split("if it is the new name: ")[1].split(";")[0])
    warehouse.data.make_tables(warehouse.engine, renamed)
    warehouse.data.verify_tables(warehouse.engine, renamed)
    assert [str(prize) for (prize,) in rows("select prize from staging.test__sales")] == ["9.50"]


def test_a_held_load_from_before_gets_new_columns_and_is_refused_with_retyped_ones(
    deliver, warehouse, rows, tmp_path
) -> None:
    path = shops.write(tmp_path / "1.csv", ["1,2021-01-02 10:00:00,9.50", "0,2021-01-02 10:00:00,9.50"], HEADER)
    held = deliver(contract(), "2021-01", path)
    warehouse.data.make_tables(warehouse.engine, contract(Int))
    with pytest.raises(DataError, match="price"):
        publish.release(warehouse, contract(Int), held.batch, "ada", "it is right")
    warehouse.data.make_tables(warehouse.engine, contract(note=Text))
    publish.release(warehouse, contract(note=Text), held.batch, "ada", "it is right")
    assert rows("select n, note from staging.test__sales") == [(1, None)]
