"""What a publish leaves alone, gives back, or refuses in a dbt project that was not made for Sluice; real dbt."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sluice.contract.errors import ConfigError
from sluice.marts import candidate
from sluice.marts.rollback import rollback
from tests.integration.marts.test_incremental import DAILY, deliver, nights  # noqa: F401 - a fixture
from tests.integration.marts.test_own_project import Team, team  # noqa: F401 - a fixture
from tests.support import dbt_shop


def publish(team: Team) -> None:  # noqa: F811
    team.build()
    candidate.publish_passed(team.warehouse)


@pytest.mark.long
def test_somebodys_own_view_beside_the_marts_stays_and_is_not_replaced(nights: Team) -> None:  # noqa: F811
    deliver(nights, 1)
    publish(nights)
    nights.sql("CREATE VIEW marts.report AS SELECT 7 AS day; CREATE VIEW marts.days AS SELECT day FROM raw.days")
    deliver(nights, 2)
    publish(nights)
    assert nights.count("marts.newer") == 2
    assert (nights.count("marts.report"), nights.count("marts.days")) == (1, 2)

    dbt_shop.put(nights.project, "models/marts/report.sql", DAILY)
    deliver(nights, 3)
    with pytest.raises(ConfigError, match=r"marts\.report is a view that Sluice did not make: drop it or rename it"):
        publish(nights)
    assert (nights.count("marts.newer"), nights.count("marts.report")) == (2, 1)
    nights.sql("DROP VIEW marts.report")
    publish(nights)
    assert nights.count("marts.report") == 3


@pytest.mark.long
def test_a_view_over_rows_that_no_test_has_seen_is_refused_also_where_dbt_does_not_know_them(
    nights: Team,  # noqa: F811
) -> None:
    deliver(nights, 1)
    publish(nights)
    nights.sql("CREATE VIEW raw.recent AS SELECT * FROM raw.days")
    dbt_shop.put(nights.project, "models/marts/shown.sql", "{{ config(materialized='view') }} select * from raw.recent")
    deliver(nights, 2)
    with pytest.raises(ConfigError, match=r"mart shown is a view over raw\.days, which both sides share"):
        publish(nights)
    assert nights.count("marts.shown") == 1
    dbt_shop.put(
        nights.project, "models/marts/shown.sql", "{{ config(materialized='table') }} select * from raw.recent"
    )
    publish(nights)
    assert nights.count("marts.shown") == 2


def test_rows_that_not_every_reader_may_see_are_not_shown_to_all(nights: Team) -> None:  # noqa: F811
    hooks = "['alter table {{ this }} enable row level security', 'create policy one on {{ this }} using (day = 1)']"
    config = f"{{{{ config(materialized='table', post_hook={hooks}) }}}}\n"
    dbt_shop.put(nights.project, "models/marts/shown.sql", f"{config}select day, amount from {{{{ ref('window') }}}}")
    deliver(nights, 1)
    with pytest.raises(ConfigError, match="shown, which mart shown shows, has row-level security"):
        publish(nights)


def test_a_rollback_gives_a_mart_back_with_the_rights_that_others_had(nights: Team) -> None:  # noqa: F811
    role = f"reporting_{uuid4().hex[:8]}"
    nights.sql(f"CREATE ROLE {role}")
    try:
        config = f"{{{{ config(materialized='table', grants={{'select': ['{role}']}}) }}}}\n"
        model = nights.project / "models/marts/extra.sql"
        dbt_shop.put(nights.project, "models/marts/extra.sql", f"{config}select * from {{{{ ref('window') }}}}")
        deliver(nights, 1)
        publish(nights)
        may = f"SELECT has_table_privilege('{role}', 'marts.extra', 'SELECT')"
        assert nights.sql(may)[0][0]
        model.unlink()
        deliver(nights, 2)
        publish(nights)
        assert nights.sql("SELECT to_regclass('marts.extra')")[0][0] is None
        rollback(nights.warehouse)
        assert nights.count("marts.extra") == 1
        assert nights.sql(may)[0][0]
    finally:
        nights.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
