"""The commands that the site shows, as a shell reads them."""

from __future__ import annotations

import subprocess

import pytest

from sluice.site.pages.commands import in_shell, quarantined_rows
from tests.support import shops


@pytest.mark.parametrize("text", ['say "no"', "it's", "$HOME `id`", "a \\ b", "50% off!", "two\nlines", "a:b 'c' :d"])
def test_a_shell_reads_the_text_that_was_meant(text: str) -> None:
    read = subprocess.run(["bash", "-c", f"printf %s {in_shell(text)}"], capture_output=True, text=True, check=True)
    assert read.stdout == text


def test_a_check_s_name_is_a_value_of_the_query_and_nothing_else() -> None:
    command = quarantined_rows(shops.contract(), 7, "shop in ('north'); drop table \"x\" -- $(id) 100%")
    read = subprocess.run(["bash", "-c", command.replace("sluice sql", "printf %s", 1)], capture_output=True, text=True)
    assert "'shop in (''north''); drop table \"x\" -- $(id) 100%' = ANY (_reasons)" in read.stdout
    assert "_row - ARRAY['email']" in read.stdout
