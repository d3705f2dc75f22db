"""Files with one thing wrong: each is taken, rejected or refused as tests/corpus/expected.toml says, with its reason.

Every row of a file that can be read is accounted for, and a file that is refused changes nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.errors import SluiceError
from sluice.file_check.check import check_file
from tests.corpus import make
from tests.corpus.contract import GOODS
from tests.support.repository import ROOT
from tests.support.same_verdict import assert_same_verdict

CORPUS = ROOT / "tests" / "corpus"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((CORPUS / "expected.toml").read_text(encoding="utf-8"))
CONTENTS = (
    "SELECT (SELECT array_agg(CAST(g AS text) ORDER BY id) FROM staging.corpus__goods g), "
    "(SELECT count(*) FROM quarantine.corpus__goods)"
)


def test_the_corpus_has_every_file_that_is_expected_and_at_least_120() -> None:
    made = {name for name, _ in (*make.of_cells(), *make.of_lines(), *make.of_parquet())}
    assert set(EXPECTED) == made
    files = {path.name for path in CORPUS.iterdir() if path.suffix in (".csv", ".parquet", ".gz")}
    assert made <= files
    assert len(files) >= 120


def test_the_text_files_of_the_corpus_are_what_their_generator_writes() -> None:
    written = {name: data for name, data in (*make.of_cells(), *make.of_lines()) if name.endswith(".csv")}
    assert {name: (CORPUS / name).read_bytes() for name in written} == written


def test_sluice_check_says_of_each_file_what_is_expected_of_it() -> None:
    for name, expected in EXPECTED.items():
        checked = check_file(str(CORPUS / name), GOODS)
        assert checked.verdict == expected["verdict"], name
        if checked.report is None:
            assert expected["words"] in checked.message, name
            continue
        counts = (checked.report.accepted, checked.report.rejected, checked.blank_lines)
        assert counts == (expected["accepted"], expected["rejected"], expected.get("blank_lines", 0)), name


@pytest.mark.parametrize("warehouse_url", ["embedded"], indirect=True)
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_load_makes_of_a_file_what_is_expected_of_it(
    every: int, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]]
) -> None:
    wrong = [name for name in list(EXPECTED)[::every] if not _is_as_expected(name, deliver, rows)]
    assert wrong == []


def _is_as_expected(name: str, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]]) -> bool:
    expected, path = EXPECTED[name], CORPUS / name
    checked = check_file(str(path), GOODS)
    if expected["verdict"] == "failed":
        before = (
            rows(CONTENTS) if rows("SELECT to_regclass('staging.corpus__goods') IS NOT NULL") == [(True,)] else None
        )
        with pytest.raises(SluiceError) as refused:
            deliver(GOODS, "all", path)
        said = str(refused.value)
        assert checked.verdict == "failed", name
        assert name in said, said
        assert before is None or rows(CONTENTS) == before, name
        return expected["words"] in said
    found = deliver(GOODS, "all", path)
    assert_same_verdict(GOODS, checked, found.report)
    counts = (found.report.accepted, found.report.rejected, checked.blank_lines)
    failing = [result.name for result in found.report.results if result.failing]
    ((kept, quarantined),) = rows(CONTENTS)
    return (counts, len(kept), quarantined, failing, found.decision.open) == (
        (expected["accepted"], expected["rejected"], expected.get("blank_lines", 0)),
        expected["accepted"],
        expected["rejected"],
        [expected["words"]] if "words" in expected else [],
        True,
    )
