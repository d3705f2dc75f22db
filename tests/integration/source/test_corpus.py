"""Files that real tools have tripped over (tests/corpus): drafted and loaded without an edit, every value right."""

# ruff: noqa: RUF001 - letters of other alphabets are meant
from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.cli import new_dataset
from sluice.contract.contract import Contract
from sluice.file_check.check import check_file
from tests.support.drafts import contract_of
from tests.support.repository import ROOT
from tests.support.same_verdict import assert_same_verdict

CORPUS = ROOT / "tests" / "corpus"


@dataclass(frozen=True)
class Case:
    """What becomes of one file.

    Attributes:
        values: SQL over the published rows, and what it gives.
        draft: words of the contract file.
        options: of `sluice new`.
    """

    accepted: int
    values: dict[str, Any] = field(default_factory=dict)
    rejected: int = 0
    draft: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


KINDS = {
    "no_header_bom.csv": Case(
        3, {"sum(id)": 3006, "max(town)": "Köln"}, options={"header": False, "names": ("id", "town", "share")}
    ),
    "groups_of_columns.csv": Case(24, {"max(date)": date(2008, 5, 24), "max(mean)": 17.4}, draft=("skip=3",)),
    "sorted_to_the_end.csv": Case(13, {"max(country)": "zimbabwe", "count(people)": 12}),
    "header_of_two_levels.csv": Case(24, {"sum(hywel_dda)": 7500, "max(powys_19)": "."}, draft=("skip=3",)),
    "index_of_two_columns.csv": Case(6, {"sum(visits)": 616, "min(column_1)": "centre"}),
    "titles_above_years.csv": Case(
        2, {"sum(column_2000)": 103692, "max(kind)": "total"}, 1, draft=("skip=2", "max_rejected=0.35")
    ),
    # wrong without a word
    "no_header.csv": Case(
        3,
        {"min(town)": "Berlin", "sum(id)": 3006, "sum(share)": 7.5},
        options={"header": False, "names": ("id", "town", "share")},
    ),
    "c15_header_newline.csv": Case(40, {"sum(code)": 820, "min(wage_low)": Decimal("1.25")}),
    "newline_in_header.csv": Case(2, {"max(first_name)": "Bob"}),
    "c09_backslash.csv": Case(
        40, {"max(remark) filter (where id = 3)": 'he said "hi" twice'}, draft=('escape="\\\\"',)
    ),
    "backslash_quote.csv": Case(3, {"max(title) filter (where id = 1)": 'The "best", they say'}),
    "stray_quote.csv": Case(2, {"string_agg(name, ',' order by id)": "x,y"}, 1, options={"gate": 0.5}),
    "c05_namibia.csv": Case(40, {"count(*) filter (where country_code = 'NA')": 8, "count(visitors)": 36}),
    "namibia.csv": Case(6, {"count(*) filter (where country = 'NA')": 1, "count(population)": 5}),
    "c06_codes.csv": Case(40, {"min(voucher) filter (where uid = 1001)": "9535e6"}),
    "code_like_float.csv": Case(3, {"string_agg(code, ',' order by n)": "1E5,2E7,3E2"}),
    "long_fraction.csv": Case(3, {"min(x)": Decimal("0.12345678901234567891")}),
    "c08_single.csv": Case(40, {"count(reading)": 37}),
    "c30_footer.csv": Case(
        40, {"sum(invoice_no)": 20820, "sum(amount)": Decimal("840.00")}, 1, ("1 of 41 are not integers: 'TOTAL'",)
    ),
    # good data shut out
    "c34_all_quoted.csv": Case(40, {"count(price)": 36, "count(sold_on)": 36, "count(label)": 40}),
    "c03_mixed_encoding.csv": Case(
        38, {"count(*) filter (where city = 'München')": 38}, 2, ("2 of 40 are not valid UTF-8",)
    ),
    "latin1.csv": Case(3, {"string_agg(name, ',' order by age)": "Müller,José,Ann"}, draft=('encoding="cp1252"',)),
    "utf16.csv": Case(2, {"string_agg(name, ',' order by id)": "Ann,Bob"}),
    "c14_header_commas.csv": Case(40, {"sum(stock_all_pcs)": 2460}, draft=('delimiter=";"',)),
    "delimiter_in_header.csv": Case(2, {"max(last_first)": "Roe, K.", "sum(age)": 9}),
    "c12_sep.csv": Case(40, {"sum(qty)": 1640}),
    "excel_sep.csv": Case(2, {"max(name)": "Bob"}),
    "facts_above.csv": Case(3, {"sum(rain_mm)": Decimal("14.0"), "max(flag)": "B"}, draft=("skip=2,",)),
    "facts_filled_up.csv": Case(4, {"sum(rain_mm)": Decimal("17.0"), "max(observer)": "z"}, draft=("skip=3,",)),
    "decimal_commas_footer.csv": Case(28, {"sum(kurs)": 420.0}, 1, draft=('delimiter=";"',)),
    "facts_decimal_commas.csv": Case(28, {"sum(regen)": 420.0}, draft=('delimiter=";"', "skip=2,")),
    "words_under_comment.log": Case(
        28, {"max(date)": date(2026, 1, 28), "sum(status)": 5600}, draft=('delimiter=" "', 'names=("date", "time",')
    ),
    "notes_below.csv": Case(60, {"sum(val)": 2655.0, "max(code)": "C059"}, 3),
    "total_of_names.csv": Case(24, {"sum(qty)": 300}, 1),
    "facts_of_two.csv": Case(12, {"max(day)": date(2026, 1, 12)}, options={"skip": 2}),
    "names_in_comment.csv": Case(
        3, {"sum(rain_mm)": Decimal("14.0"), "max(day)": date(2026, 1, 3)}, draft=('names=("day", "rain_mm", "flag"),',)
    ),
    "title_line.csv": Case(2, {"sum(amount)": Decimal("8.00")}, draft=("skip=1,",)),
    "c11b_trailing_rows.csv": Case(40, {"sum(c)": 2460, "count(column_4)": 0}),
    "trailing_comma.csv": Case(3, {"max(city)": "Ulm", "count(column_4)": 0}),
    "c52_index.csv": Case(40, {"sum(column_1)": 780, "max(name)": "N9"}),
    "unnamed_index.csv": Case(3, {"sum(column_1)": 3, "sum(price)": 987}),
    "duplicate_header.csv": Case(2, {"sum(id)": 3, "sum(id_2)": 15}),
    "c37b_twice.csv": Case(40, {"sum(value)": 820, "sum(value_2)": 1640}),
    "all_text_nullable.csv": Case(3, {"count(key)": 2, "count(info)": 2}, draft=("the first one",)),
    "c32_zero_dates.csv": Case(
        38, {"min(born_on)": date(1980, 1, 1)}, 2, ("2 of 40 are not dates: '0000-00-00'", "null_values=")
    ),
    "c45_floats.csv": Case(38, {"min(x)": -0.0, "max(x)": 1.7976931348623157e308, "max(y)": 1.5}, 2),
    "c51_currency.csv": Case(
        40,
        {"max(price)": Decimal("40.50"), "max(growth)": 40, "min(net)": Decimal("-40.25"), "min(pop)": 1101},
    ),
    "c40_zip.csv": Case(1, {"min(id)": 1, "max(name)": "a"}),
    "ragged.csv": Case(2, {"string_agg(name, ',' order by id)": "Ann,Cid"}, 2, options={"gate": 0.5}),
    "zip.csv": Case(3, {"string_agg(zip, ',' order by id)": "01234,98101,00501"}),
    "c16_nanos.parquet": Case(40, {"max(at)": datetime(2024, 5, 1, 12, 0, 40, 4)}, draft=('format="us"',)),
    "timestamp_ns.parquet": Case(2, {"max(ns)": datetime(2023, 11, 14, 22, 13, 20, 123456)}),
    "nan_inf.parquet": Case(2, {"count(x)": 1}, 1, ('null_values=("NaN",)',), {"gate": 0.5}),
    "float32_uint64.parquet": Case(3, {"max(u)": Decimal(9223372036854775813), "max(f)": 2.25}),
    "binary_raw.parquet": Case(3, {"min(encode(raw, 'hex'))": "01fe"}),
    "binary_digits.parquet": Case(3, {"string_agg(code, ',' order by id)": "0,1,2"}),
    "list_column.parquet": Case(2, {"min(tags ->> 0)": "a"}),
    "c47_list.parquet": Case(40, {"min(tags ->> 0)": "a"}),
    "c47_struct.parquet": Case(40, {"min(addr ->> 'zip')": "1"}),
    "c47_time.parquet": Case(40, {"min(opens)": time(8, 30)}),
    "time_column.parquet": Case(2),
    "envelope.json": Case(
        3,
        {"string_agg(name, ',' order by id)": "Ann,Bob,Zoë", "sum(price)": Decimal("6.60")},
        draft=('records="data.items",',),
        options={"records": "data.items"},
    ),
    "cp1250_polish.csv": Case(
        4, {"string_agg(miasto, ',' order by id)": "Łódź,Kraków,Wrocław,Gdańsk"}, draft=('encoding="cp1250"',)
    ),
    "cp1250_hungarian.csv": Case(5, {"min(hely) filter (where id = 3)": "Hódmezővásárhely"}),
    "cp1251_russian.csv": Case(4, {"string_agg(column_2, ',' order by id)": "Москва,Казань,Пермь,Омск"}),
    "cp1253_greek.csv": Case(6, {"min(column_2) filter (where id = 2)": "Πάτρα"}),
    "cp1254_turkish.csv": Case(5, {"string_agg(il, ',' order by id)": "İstanbul,İzmir,Diyarbakır,Muğla,Ağrı"}),
    "single_quotes_some.csv": Case(
        4, {"string_agg(name, '|' order by id)": "Roe, Ann|O'Hara|Doe, 'Cid'|Dan"}, draft=('quote="\'"',)
    ),
    "blank_before_quotes.csv": Case(
        3,
        {"string_agg(name || '|' || city, ',' order by id)": "Roe, Ann|Ulm,x |Bonn,Doe, Cid|Kiel"},
        draft=("trim=True",),
    ),
    "blank_after_commas.csv": Case(3, {"string_agg(name, ',' order by id)": "Ann,Bob", "max(at)": date(2024, 1, 3)}),
    "padded_titles.csv": Case(2, {"sum(amount)": Decimal("11.00"), "min(name) filter (where id = 2)": " Bob"}),
    "header_trailing_comma.csv": Case(3, {"max(city)": "Ulm"}, draft=('names=("id", "name", "city")',)),
    "header_wider.csv": Case(3, {"max(city)": "Ulm"}, options={"skip": 0, "names": ("id", "name", "city")}),
    "header_narrower.csv": Case(3, {"max(town)": "Ulm"}, options={"skip": 0, "names": ("id", "name", "town")}),
    "header_much_narrower.csv": Case(3, {"sum(d)": 18}, options={"skip": 0, "names": ("a", "b", "c", "d")}),
    "no_header_codes.csv": Case(3, {"min(zip)": "00501"}, options={"header": False, "names": ("code", "zip")}),
    "header_of_months.csv": Case(2, {"sum(column_2024_02)": 7}),
    "codes_of_letters.csv": Case(
        12,
        {"min(room)": "R1", "max(part)": "ABC9", "min(column_3)": "н1", "min(fare)": Decimal("1001.50")}
        | {"min(column_limit)": "<1", "min(excel)": '="001"'},
    ),
    "excel_export.csv": Case(30, {"sum(sales)": 4650, "max(day)": date(2024, 5, 30)}, 1, draft=("skip=3,",)),
    "carets.csv": Case(3, {"min(name)": "a, b", "sum(n)": 18}, draft=('delimiter="^"',)),
    "comment_of_slashes.csv": Case(2, {"max(name)": "Bob"}, draft=('comment="//"',)),
    "comment_above.jsonl": Case(2, {"string_agg(name, ',' order by id)": "Ann,# Bob"}, draft=('comment="#"',)),
    "comment_above_array.json": Case(2, {"string_agg(name, ',' order by id)": "Ann,// Bob"}, draft=('comment="//"',)),
    "colons.csv": Case(30, {"max(name)": "n9", "max(day)": date(2024, 1, 30)}, draft=('delimiter=":"',)),
    "signs_of_two.csv": Case(3, {"string_agg(name, '|' order by id)": "Roe;;Ann|Bob|Cid"}, draft=('delimiter=";;"',)),
    "movies.dat": Case(
        30, {"sum(id)": 465, "min(genres)": "Drama"}, options={"header": False, "names": ("id", "title", "genres")}
    ),
    "paragraphs.csv": Case(3, {"max(city)": "Ulm", "sum(id)": 6}, draft=('delimiter="§"',)),
    "markdown.md": Case(
        30, {"max(name)": "n9", "sum(amount)": Decimal("480.00")}, draft=('ignore=("column_1", "column_5")',)
    ),
    "mysql_table.txt": Case(30, {"max(name)": "n9", "sum(id)": 465}, draft=('comment="+"',)),
    "header_again.csv": Case(60, {"sum(id)": 1830}, 2),
    "header_again_text.csv": Case(60, {"count(*) filter (where name = 'name')": 0}, 1),
    "footer_left_out.csv": Case(3, {"sum(id)": 6}, options={"comment": "Total:"}),
    "utf16_no_mark.csv": Case(40, {"sum(id)": 820, "max(name)": "n9"}),
    "header_of_years.csv": Case(12, {"sum(column_2021)": 3040, "sum(column_2018)": 650}),
    # signs in numbers that another column decides
    "thousands_by_points.csv": Case(19, {"sum(einwohner)": 18140, "pg_typeof(min(einwohner))::text": "bigint"}),
    "commas_before_decimals.csv": Case(
        40, {"sum(weight::numeric)": Decimal("213.94"), "sum(share::numeric)": Decimal("8.20")}
    ),
    "closing_totals.csv": Case(60, {"sum(id)": 1830, "sum(amount)": Decimal("5490.00")}, 2),
    "closing_totals_of_names.csv": Case(60, {"sum(sales)": 5490, "count(distinct shop)": 60}, 2),
    "row_names_of_r.csv": Case(20, {"sum(column_1)": 210, "sum(count)": 2100, "count(distinct sample)": 5}),
    "facts_above_wider_header.txt": Case(20, {"sum(meas)": 210, "max(date)": date(2023, 6, 20)}, 1),
    "ends_left_out.csv": Case(20, {"sum(quantity)": 190, "sum(amount)": Decimal("200.00"), "count(column_6)": 0}, 1),
    "all_named_totals.csv": Case(16, {'sum("column_2023")': 1200, "count(distinct indicators)": 16}),
    "minus_and_short_dates.csv": Case(
        40,
        {
            "sum(delta)": Decimal("390.00"),
            "sum(rest)": Decimal("277.50"),
            "max(day) filter (where id = 3)": date(2024, 4, 4),
            "max(at) filter (where id = 3)": datetime(2024, 4, 4, 10, 3),
        },
    ),
    "notes_of_two_cells.csv": Case(24, {"count(distinct code)": 24, "count(distinct unit)": 1}, 3),
    "note_below.csv": Case(20, {"count(distinct place)": 3, "sum(amount)": Decimal("2320.00")}, 1),
    "blank_after_quoted_name.csv": Case(20, {'sum("column_2001")': 200.0, "count(distinct place)": 20}),
    "row_of_delimiters.csv": Case(20, {"sum(amount)": Decimal("2320.00")}, 1),
    "quoted_nothing.csv": Case(20, {"sum(fee)": Decimal("10112.50"), "count(fee)": 10}),
    "units_below.csv": Case(40, {"sum(at)": 820}, options={"header": False, "skip": 2, "names": ("at", "speed")}),
    # right before, and still
    "c18_uuid.parquet": Case(40, {"min(id::text)": "00000000-0000-0000-0000-000000000001"}),
    "c18b_fixed.parquet": Case(40, {"max(length(id))": 16}),
    "c20_decimal.parquet": Case(40, {"min(amount)": Decimal("-1E-9")}),
    "c20b_decimal256.parquet": Case(40, {"sum(amount)": 820}),
    "c46_times.parquet": Case(40, {"max(at_us)": datetime(9999, 12, 31, 23, 59, 59, 999999)}),
    "c54_brotli.parquet": Case(40, {"sum(id)": 820}),
    "c54_lz4.parquet": Case(40, {"sum(id)": 820}),
    "c54_zstd.parquet": Case(40, {"sum(id)": 820}),
    "c55_empty_group.parquet": Case(60, {"sum(id)": 1830}),
    "c01_bom.csv": Case(40, {"sum(id)": 820, "max(full_name) filter (where id = 1)": "Zoë 1"}),
    "c10_members.csv.gz": Case(40, {"sum(id)": 820}),
    "c35_backslash_dot.csv": Case(40, {"count(*) filter (where word = '\\.')": 1}),
    "c37_names.csv": Case(40, {"sum(column_select)": 820, "sum(column_2019)": 820}),
    "c39_gz_as.csv": Case(40, {"sum(id)": 820}),
    "c42_cr.csv": Case(40, {"sum(qty)": 820}),
    "c46_times.csv": Case(40, {"max(local_at)": datetime(9999, 12, 31, 23, 59, 59, 999999)}),
    "c49_ctrlz.csv": Case(40, {"count(distinct memo)": 1}, 1),
    "c50_bools.csv": Case(40, {"count(*) filter (where paid)": 20, "count(*) filter (where active)": 20}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_strangers_file_loads_right_from_its_draft(
    project: Path, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]], name: str
) -> None:
    case = KINDS[name]
    shutil.copy(CORPUS / name, project)
    options = dict(case.options)
    limit = options.pop("gate", None)
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / name), options=options))
    path = project / "contracts" / "case_file.py"
    text = path.read_text()
    for words in case.draft:
        assert words in text
    if limit:  # a few rows only, of which one is bad
        path.write_text(text.replace("max_rejected=0.05", f"max_rejected={limit}"))
    contract = contract_of(path)
    found = deliver(contract, "all", project / name)
    assert_same_verdict(contract, check_file(str(project / name), contract), found.report)
    assert found.decision.open, str(found.decision)
    assert (found.report.accepted, found.report.rejected) == (case.accepted, case.rejected)
    if case.values:
        [row] = rows(f"SELECT {', '.join(case.values)} FROM staging.case__file")
        assert dict(zip(case.values, row, strict=True)) == case.values


def drafted(project: Path, name: str, **options: Any) -> Contract:
    """The contract that `sluice new` drafts from a file of the corpus."""
    shutil.copy(CORPUS / name, project)
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / name), **options))
    return contract_of(project / "contracts" / "case_file.py")


def test_the_same_bytes_under_another_batch_name_are_held(project: Path, deliver: Callable[..., Any]) -> None:
    contract = drafted(project, "c22_sales_2024-01.csv", batch="2024-01")
    assert deliver(contract, "2024-01", CORPUS / "c22_sales_2024-01.csv").decision.open
    decision = deliver(contract, "2024-02", CORPUS / "c22_sales_2024-02.csv").decision
    assert "the same bytes as the published batch 2024-01" in str(decision)
    assert deliver(contract, "2024-01", CORPUS / "c22_sales_2024-01.csv").decision.open  # its own bytes, once more


def test_a_delivery_is_compared_with_the_rows_that_it_replaces(project: Path, deliver: Callable[..., Any]) -> None:
    contract = drafted(project, "c23_full.csv")
    assert deliver(contract, "all", CORPUS / "c23_full.csv").decision.open
    decision = deliver(contract, "all", CORPUS / "c23_cut.csv").decision
    assert "1 rows are 0.00 times the 263 that it replaces" in str(decision)


def test_blank_lines_are_counted_in_the_ledger(
    project: Path, deliver: Callable[..., Any], rows: Callable[..., Sequence[sa.Row]]
) -> None:
    contract = drafted(project, "c01_bom.csv")
    (project / "blank.csv").write_bytes((CORPUS / "c01_bom.csv").read_bytes().replace(b"2,", b"\r\n2,", 1) + b"\r\n")
    assert deliver(contract, "all", project / "blank.csv").report.rows == 40
    assert [tuple(row) for row in rows("SELECT rows_read, blank_lines FROM ops.batches")] == [(40, 2)]
