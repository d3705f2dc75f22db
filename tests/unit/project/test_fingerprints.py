"""The fingerprint of a dbt project: changes with what is built, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.project import fingerprints, paths

MODEL = """{#- why it is there; don't drop it -#}
-- one row per trip
select
    id, /* the key */
    'it''s -- no comment' as text
from {{ ref("trips") }}
"""


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The fingerprint of a project of these files."""
    monkeypatch.setattr(paths, "dbt_project", lambda: tmp_path)

    def fingerprint(**files: str) -> str:
        for file in tmp_path.iterdir():
            file.unlink()
        for name, text in files.items():
            (tmp_path / name.replace("__dot__", ".")).write_text(text, encoding="utf-8")
        return fingerprints.project()

    return fingerprint


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("m__dot__sql", MODEL, "-- Written by Sluice 9.9.9\n" + MODEL),
        ("m__dot__sql", MODEL, MODEL.replace("-- one row per trip\n", "\n\n")),
        ("m__dot__sql", MODEL, MODEL.replace("don't", "do not")),
        ("m__dot__sql", MODEL, MODEL.replace("/* the key */", "")),
        ("s__dot__yml", "version: 2\nmodels: [a]\n", "# By Sluice 9.9.9\nversion: 2 # so\n\nmodels:\n  - a\n"),
        ("d__dot__md", "{% docs a %}text{% enddocs %}", "<!-- Sluice 9.9.9 -->\n{% docs a %}text{% enddocs %}\n"),
    ],
)
def test_comments_headers_and_layout_are_no_change(of: Callable[..., str], name: str, text: str, same: str) -> None:
    assert of(**{name: text}) == of(**{name: same})


def test_what_dbt_writes_there_to_know_the_machine_is_no_change(of: Callable[..., str]) -> None:
    assert of(m__dot__sql=MODEL) == of(m__dot__sql=MODEL, __dot__user__dot__yml="id: 1")


@pytest.mark.parametrize(
    ("name", "text", "other"),
    [
        ("m__dot__sql", MODEL, MODEL.replace("id,", "id as trip_id,")),
        ("m__dot__sql", MODEL, MODEL.replace("-- no comment", "-- another text")),
        ("m__dot__sql", "select 1", "select 2 -- 1"),
        ("s__dot__yml", "version: 2\nmodels: [a]\n", "version: 2\nmodels: [b]\n"),
        ("s__dot__yml", "a: [", "a: {"),
        ("d__dot__csv", "a\n1\n", "a\n2\n"),
        ("d__dot__md", "{% docs a %}text{% enddocs %}", "{% docs a %}other{% enddocs %}"),
    ],
)
def test_what_changes_a_model_a_test_or_a_text_is_a_change(
    of: Callable[..., str], name: str, text: str, other: str
) -> None:
    assert of(**{name: text}) != of(**{name: other})


def test_another_name_of_a_file_is_a_change(of: Callable[..., str]) -> None:
    assert of(a__dot__sql="select 1") != of(b__dot__sql="select 1")
