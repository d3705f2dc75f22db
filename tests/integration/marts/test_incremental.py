"""Incremental models of a dbt project over several nights: what one night added is there after the next ones."""

from __future__ import annotations

import shutil

import pytest
import sqlalchemy as sa

from sluice.contract.errors import ConfigError, DataError, SluiceError
from sluice.marts import candidate
from sluice.marts.rollback import rollback
from tests.integration.marts.test_own_project import Team, team  # noqa: F401 - a fixture
from tests.support import dbt_shop

DAILY = "select day, amount from {{ source('raw', 'days') }}"
MODELS = {
    # Takes in the newest day, and does not look at its table
    "window": "{{ config(materialized='incremental', unique_key='day') }}\n" + DAILY + " {% if is_incremental() %}\n"
    "where day > (select max(day) - 1 from {{ source('raw', 'days') }}) -- not as of {{ this }}\n{% endif %}",
    # The same, with words about its table that do not make it take in what is newer
    "hooked": "{{ config(materialized='incremental', unique_key='day', post_hook='analyze {{ this }}') }}\n"
    + DAILY
    + " d {% if is_incremental() %}\nwhere day > (select max(day) - 1 from {{ source('raw', 'days') }})\n"
    "and not exists (select from {{ this }} t where t.day = d.day){% endif %}",
    # Keeps what its source has no longer
    "history": "{{ config(materialized='incremental', full_refresh=false, post_hook='create index if not exists "
    "history_days on {{ this }} (day)') }}\n"
    "select day, amount from {{ source('raw', 'today') }} {% if is_incremental() %}\n"
    "where day > (select max(day) from {{ this }})\n{% endif %}",
    # Takes in what is newer than its table
    "newer": "{{ config(materialized='incremental') }}\n" + DAILY + " {% if is_incremental() %}\n"
    "where day > (select max(day) from {{ this }})\n{% endif %}",
    "shown": "{{ config(materialized='view') }} select day, amount from {{ ref('window') }}",
}


@pytest.fixture
def nights(team: Team) -> Team:  # noqa: F811
    """A project of these models alone, over two sources."""
    for folder in ("models", "snapshots", "seeds"):
        shutil.rmtree(team.project / folder)
    (team.project / "packages.yml").unlink()
    for name, text in MODELS.items():
        dbt_shop.put(team.project, f"models/marts/{name}.sql", text)
    tables = "tables: [{name: days}, {name: today}]"
    columns = "columns: [{name: day, data_tests: [not_null]}]"
    models = f"models: [{{name: window, {columns}}}]"
    dbt_shop.put(team.project, "models/models.yml", f"sources: [{{name: raw, schema: raw, {tables}}}]\n{models}")
    team.sql("CREATE TABLE raw.days (day int, amount int); CREATE TABLE raw.today (day int, amount int)")
    return team


def deliver(team: Team, day: int) -> None:  # noqa: F811
    """A day's rows: one table keeps the days before, the other does not."""
    team.sql(f"INSERT INTO raw.days VALUES ({day}, 1); TRUNCATE raw.today; INSERT INTO raw.today VALUES ({day}, 1)")


def publish(team: Team) -> dict[str, list[int]]:  # noqa: F811
    """Build and publish; the days that readers see in each mart."""
    team.build()
    candidate.publish_passed(team.warehouse)
    return days(team)


def days(team: Team) -> dict[str, list[int]]:  # noqa: F811
    return {name: [row.day for row in team.sql(f"SELECT day FROM marts.{name} ORDER BY day")] for name in MODELS}


def test_no_night_is_missing_from_a_window_or_from_rows_that_are_nowhere_else(nights: Team) -> None:
    for day in range(1, 5):
        deliver(nights, day)
        assert publish(nights) == {name: [*range(1, day + 1)] for name in MODELS}, f"night {day}"
    found = sa.inspect(nights.warehouse.engine)
    indexes = [found.get_indexes("history", schema=f"marts__{side}") for side in "ab"]
    assert [[each["name"] for each in side] for side in indexes] == [["history_days"], ["history_days"]]

    # A rollback takes the last night back, and the next build starts from what readers have then
    rollback(nights.warehouse)
    deliver(nights, 5)
    after = publish(nights)
    assert after["history"] == [1, 2, 3, 5]
    assert after["newer"] == [1, 2, 3, 4, 5]


@pytest.mark.long
def test_a_night_that_failed_elsewhere_or_was_not_published_is_not_missing_from_a_window(nights: Team) -> None:
    for day in (1, 2):
        deliver(nights, day)
        publish(nights)
    dbt_shop.put(nights.project, "tests/no_day_3_or_4.sql", "select 1 from {{ ref('newer') }} where day in (3, 4)")
    for day in (3, 4):
        deliver(nights, day)
        with pytest.raises(DataError):
            nights.build()
    (nights.project / "tests/no_day_3_or_4.sql").unlink()
    deliver(nights, 5)
    nights.build()  # and nobody publishes it
    deliver(nights, 6)
    seen = publish(nights)
    assert {seen[name] == [*range(1, 7)] for name in ("window", "hooked", "newer")} == {True}, seen


@pytest.mark.long
def test_a_night_whose_rows_failed_their_test_is_not_kept_in_a_window(nights: Team) -> None:
    for day in (1, 2):
        deliver(nights, day)
        publish(nights)
    dbt_shop.put(nights.project, "tests/no_day_3.sql", "select 1 from {{ ref('window') }} where day = 3")
    deliver(nights, 3)
    with pytest.raises(DataError):
        nights.build()
    nights.sql("DELETE FROM raw.days WHERE day = 3")
    deliver(nights, 4)
    assert publish(nights)["window"] == [1, 2, 4]


@pytest.mark.long
def test_changed_logic_does_not_take_rows_that_are_nowhere_else(nights: Team) -> None:
    for day in (1, 2):
        deliver(nights, day)
        publish(nights)
    text = MODELS["history"].replace("select day, amount", "select day, amount * 2 as amount")
    dbt_shop.put(nights.project, "models/marts/history.sql", text)
    deliver(nights, 3)
    assert publish(nights)["history"] == [1, 2, 3]
    assert [row.amount for row in nights.sql("SELECT amount FROM marts.history ORDER BY day")] == [1, 1, 2]

    # A model that names by a variable what readers have: it shows in what dbt has compiled
    dbt_shop.put(nights.project, "models/marts/by_variable.sql", "select day from {{ var('read', 'marts') }}.newer")
    with pytest.raises(ConfigError, match=r"model by_variable reads the schema marts: write ref\(...\)"):
        nights.build()
    with pytest.raises(SluiceError, match="did not pass"):
        candidate.publish_passed(nights.warehouse)


@pytest.mark.long
def test_a_late_row_is_as_dbt_alone_has_it_on_every_night(nights: Team) -> None:
    """`newer` leaves it out, as it is older than its newest row: on each night, and not on every second one."""
    for day in (1, 10):
        deliver(nights, day)
        publish(nights)
    deliver(nights, 5)
    assert publish(nights)["newer"] == [1, 10]
    for day in (11, 12):
        deliver(nights, day)
        assert publish(nights)["newer"] == [1, 10, *range(11, day + 1)]


@pytest.mark.long
def test_rows_that_a_source_has_no_longer_stay_although_a_side_is_built_for_the_first_time(nights: Team) -> None:
    deliver(nights, 1)
    nights.build()
    # Taken over from a table of before, as the guide says
    nights.sql("INSERT INTO marts__a.window VALUES (-1, 7); INSERT INTO marts__a.newer VALUES (-1, 7)")
    assert publish(nights)["newer"] == [-1, 1]
    nights.sql("DELETE FROM raw.days")
    for day in (2, 3, 4):
        deliver(nights, day)
        seen = publish(nights)
        assert (seen["window"], seen["newer"]) == ([-1, *range(1, day + 1)], [-1, *range(1, day + 1)])


@pytest.mark.long
def test_changed_logic_builds_a_model_from_its_sources_also_after_a_rollback(nights: Team) -> None:
    for day in (1, 2):
        deliver(nights, day)
        publish(nights)
    dbt_shop.put(
        nights.project, "models/marts/newer.sql", MODELS["newer"].replace("amount from", "amount * 2 as amount from")
    )
    deliver(nights, 3)
    publish(nights)
    amounts = "SELECT amount FROM marts.newer ORDER BY day"
    assert [row.amount for row in nights.sql(amounts)] == [2, 2, 2]
    rollback(nights.warehouse)
    assert [row.amount for row in nights.sql(amounts)] == [1, 1]
    for day in (4, 5):
        deliver(nights, day)
        publish(nights)
        assert [row.amount for row in nights.sql(amounts)] == [2] * day


@pytest.mark.long
def test_a_model_that_was_a_view_may_become_incremental(nights: Team) -> None:
    for day in (1, 2):
        deliver(nights, day)
        publish(nights)
    newer = "select day, amount from {{ ref('window') }} {% if is_incremental() %}\n"
    newer += "where day > (select max(day) from {{ this }}){% endif %}"
    for kind, first in (("incremental", 3), ("view", 5), ("incremental", 7)):
        dbt_shop.put(nights.project, "models/marts/shown.sql", f"{{{{ config(materialized='{kind}') }}}}\n{newer}")
        for day in (first, first + 1):
            deliver(nights, day)
            assert publish(nights)["shown"] == [*range(1, day + 1)]


@pytest.mark.long
def test_a_changed_materialized_view_shows_its_new_logic_on_both_sides(nights: Team) -> None:
    for times, first in ((1, 1), (2, 3)):
        text = f"select day, amount * {times} as amount from {{{{ ref('window') }}}}"
        text = f"{{{{ config(materialized='materialized_view') }}}}\n{text}"
        dbt_shop.put(nights.project, "models/marts/shown.sql", text)
        for day in (first, first + 1):
            deliver(nights, day)
            publish(nights)
            amounts = nights.sql("SELECT amount FROM marts.shown ORDER BY day")
            assert [row.amount for row in amounts] == [times] * day


def test_a_partitioned_incremental_model_is_refused_before_a_night_is_missing_from_it(nights: Team) -> None:
    deliver(nights, 1)
    publish(nights)
    side = nights.sql("SELECT side FROM ops.publications")[0].side
    nights.sql(
        f"DROP TABLE {side}.newer CASCADE; CREATE TABLE {side}.newer (day int, amount int) PARTITION BY RANGE (day); "
        f"CREATE TABLE {side}.newer_1 PARTITION OF {side}.newer DEFAULT"
    )
    deliver(nights, 2)
    with pytest.raises(ConfigError, match=r"newer is a partitioned table, and Sluice cannot copy one"):
        nights.build()
