"""Files of the corpus that `sluice new` does not draft as they are: each is refused with what loads it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sluice.cli import new_dataset
from sluice.contract.errors import SluiceError
from tests.support.repository import ROOT

CORPUS = ROOT / "tests" / "corpus"

REFUSED = {
    "json_array_of_texts.json": r"a JSON array of values.*jq -c '\.\[\] \| \{value: \.\}'",
    "json_array_of_arrays.json": r"rows are arrays.*jq -r '\.\[\] \| @csv'",
    "json_array_a_line.json": r"rows are arrays.*jq -r '@csv'",
    "json_table_within.json": r"array of arrays inside, data, .*add --records \"\".*jq -r '\.data\[\] \| @csv'",
    "json_as_python_prints.json": "as Python prints it, not JSON",
    "json_in_a_call.json": "JavaScript around JSON",
    "header_wider.csv": 'header has 4 names, .* 3 fields.*--skip 0 --names "id,name,city"',
    "header_narrower.csv": 'header has 2 names, .* 3 fields.*--skip 0 --names "id,name,column_3"',
    "header_much_narrower.csv": 'header has 2 names, .* 4 fields.*--names "id,name,column_3,column_4"',
    "rows_lose_a_field.csv": 'header has 4 names, .* 3 fields.*--skip 0 --names "day,north,south"',
    "titles_header_narrower.csv": '3 names, .* 4 fields.*--skip 3 --names "id,what,place,column_4".*--skip 4',
    "no_header_codes.csv": "'A1', '00501'.* looks like a row.*--no-header --names",
    "letters_of_rows.csv": "'AVENUE', 'avenue', 'AV'.* looks like a row.*--no-header --names",
    "no_header_uuids.csv": "looks like a row.*--no-header --names",
    "no_header_mails.csv": "looks like a row.*--no-header --names",
    "fixed_width.txt": r"columns of fixed width.*line\.split\(\) for line.*--function.*--delimiter ,",
    "aligned_words.txt": r"line\.split\(\) for line in .*not line\.startswith\('#'\)",
    "aligned_blanks.txt": r"columns of fixed width.*pandas\.read_fwf\('FILE', header=None, infer_nrows=10\*\*9",
    "json_values.jsonl": r"a plain value in each line.*jq -c '\{value: \.\}'",
    "json_sequence.json": r"a JSON text sequence.*tr -d '\\036'",
    "json_together.json": r"no line is a JSON object.*jq -c \. FILE",
    "no_rows.csv": "no row to learn from; give a sample with rows.*--no-header",
    "protected.xlsx": "protected by a password; save it without one",
    "old_excel.xls": r"an old Excel \(xls\) file; save it as xlsx",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_no_table_is_refused_with_the_way_out(project: Path, name: str) -> None:
    shutil.copy(CORPUS / name, project)
    with pytest.raises(SluiceError, match=REFUSED[name]):
        new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / name)))
    assert not list((project / "contracts").glob("*"))


def test_a_first_line_that_is_a_row_is_not_taken_for_names(project: Path) -> None:
    shutil.copy(CORPUS / "no_header.csv", project)
    with pytest.raises(SluiceError, match=r"looks like a row.*--no-header --names.*--header"):
        new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / "no_header.csv")))


@pytest.mark.parametrize("name", ["no_header_words.csv", "tree_of_words.csv"])
def test_a_first_line_that_nothing_shows_to_be_names_is_a_doubt(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.copy(CORPUS / name, project)
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / name)))
    assert "the first line is taken for names, as nothing shows" in capsys.readouterr().out


SAID = {
    "hashes.csv": "delimiter: each line is read as one column, though '#' divides .* --delimiter '#'",
    "single_blanks.csv": "delimiter: each line is read as one column, though ' ' divides .* --delimiter ' '",
    "footer.csv": "row is well-formed: 1 row of 41 rejected.*'Total: 40 rows'.*--comment \"Total:\"",
    "header_again_text.csv": "row is well-formed: 1 row of 61 rejected.*the header again; the first: 'name,city'$",
    "codes_for_none.csv": r'temp: -999 stands 5 times.*null_values=\("-999", "-999.0"\)',
    "facts_of_two.csv": "text because of the first 2 rows alone.*--replace --skip 2",
    "commas_undecided.csv": 'amount: numbers whose comma may stand .*Int with format="1,234" or a Float .*"1234,5"',
    "commas_beside_points.csv": "people: numbers whose comma may stand before decimals or between thousands",
    "points_of_degrees.csv": r'n: 2.137 is read with a decimal point.*format="1.234"',
    "comments_between.csv": "row is well-formed: 12 rows of 132 rejected.*'# block 10'; .*--replace --comment \"#\"",
    "points_undecided.csv": r'einwohner: 1.008 is read with a decimal point.*format="1.234"',
    "units_below.csv": "at, speed: text because of the first row alone.*--no-header --skip 2 --names at,speed",
    "lines_in_quotes.csv": "quote: each line is one cell in quotes.*sed",
    "note_below.csv": "a row holds something: 1 row of 21 .*: 'Printed 3 May, room R-7'; such rows are rejected",
    "notes_of_two_cells.csv": "a row holds something: 3 rows of 27 .*: 'Download URL:'; such rows are rejected",
    "row_of_delimiters.csv": "a row holds something: 1 row of 21 without a cell.*rejected",
    "subtotals.csv": r'region: "Subtotal" in 4 rows looks like a total.*notin=\["Subtotal"\]',
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_read_and_may_mean_something_else_is_the_first_to_review(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.copy(CORPUS / name, project)
    new_dataset.new(new_dataset.DatasetRequest("case", "file", str(project / name)))
    first = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  1. "))
    assert re.search(SAID[name], first), first
