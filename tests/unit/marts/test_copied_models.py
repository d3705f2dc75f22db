"""Which incremental models start from a copy: all but those that plainly ask for what is newer than their table."""

from __future__ import annotations

import pytest

from sluice.marts.incremental.copies import copied

SELECT = "select id, at, now() as read_at from {{ ref('events') }} {% if is_incremental() %} "


def is_copied(text: str, **config: object) -> bool:
    node = {"config": {"materialized": "incremental", **config}, "raw_code": text}
    return bool(copied({"nodes": {"model.shop.m": node}}, everything=False))


@pytest.mark.parametrize(
    "block",
    [
        "where at > (select max(at) from {{ this }})",
        "where at >= (select coalesce(max(at), '1900-01-01') from {{this}})",
        "WHERE at > (SELECT max(at) - interval '3 days' FROM {{ this }} t) -- and no more\n",
        "and date_trunc('day', at)::date > (\n  select max(at::date) from {{- this -}}\n)",
        "where id > (select max(id) from {{ this }}) {% else %} where id > 0",
    ],
)
def test_one_that_asks_for_what_is_newer_is_not_copied(block: str) -> None:
    assert not is_copied(SELECT + block + " {% endif %}")
    assert is_copied(SELECT + block + " {% endif %}", full_refresh=False)


@pytest.mark.parametrize(
    "block",
    [
        "where at > current_date - 1",
        "where at > (select max(at) from {{ ref('events') }}) - interval '1 day'",
        "where at > (select max(at) from {{ this }}) and at > current_date - 1",
        "where at > (select least(max(at), now()) from {{ this }})",
        "where at > (select max(at) from {{ this }} where kind = 'a')",
        "where not exists (select 1 from {{ this }} t where t.id = events.id)",
        "where id not in (select id from {{ this }})",
        "where at > (select max(at) from {{ this }}) - interval '{{ var(\"days\") }} days'",
        "where at > '{{ newest(this) }}'",
        "{% if var('all') %} where at > (select max(at) from {{ this }}) {% endif %}",
    ],
)
def test_one_that_says_anything_else_is_copied(block: str) -> None:
    assert is_copied(SELECT + block + " {% endif %}")


@pytest.mark.parametrize(
    "text",
    [
        "select * from {{ ref('events') }}",
        "{{ config(post_hook='analyze {{ this }}') }} select * from {{ ref('events') }} where at > current_date - 1",
        "select * from {{ ref('events') }} where at > current_date - 1 {% if is_incremental() %} "
        "and at > (select max(at) from {{ this }}) {% endif %}",
        "{% if is_incremental() and var('all') %} {% endif %}"
        + SELECT
        + "where at > (select max(at) from {{ this }}) {% endif %}",
    ],
)
def test_one_with_a_window_or_a_condition_elsewhere_is_copied(text: str) -> None:
    assert is_copied(text)
