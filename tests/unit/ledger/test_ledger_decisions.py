"""What the ledger decides without a database: what a side may have been built by, and which statements give the right
to write to it."""

from __future__ import annotations

import gzip
from hashlib import sha256

from sluice.ledger import write_right
from sluice.ledger.builds import BuildBase, bases_of, fingerprint


def test_a_side_may_have_been_built_by_each_project_since_its_last_whole_build() -> None:
    first, second = gzip.compress(b"first"), gzip.compress(b"second")
    assert bases_of([]) == ()
    assert bases_of([("a", first), ("b", None), ("a", second)]) == (BuildBase("a", b"first"), BuildBase("b", None))
    assert bases_of([("a", None), ("b", second), ("a", first)]) == (BuildBase("a", b"first"), BuildBase("b", b"second"))


def test_marts_are_new_where_a_load_or_the_project_is() -> None:
    assert fingerprint([1, 22], "p") == sha256(b"1,22 p").hexdigest()
    assert len({fingerprint(*each) for each in (([1, 22], "p"), ([12, 2], "p"), ([22, 1], "p"), ([1, 22], "q"))}) == 4


def test_a_session_of_dbt_is_told_how_to_take_the_right_to_write() -> None:
    right = write_right.statements("books", ["marts__a", "marts__b"])
    assert sorted(right) == ["locks", "newest", "read_only", "take"]
    assert sorted(right["locks"]) == ["marts__a", "marts__b"]
    assert right["locks"]["marts__a"] != right["locks"]["marts__b"]
    assert right["read_only"] == "SET default_transaction_read_only = on"
    assert " ".join(right["newest"].split()) == (
        "SELECT books.builds.build_id, books.builds.status FROM books.builds "
        "ORDER BY books.builds.build_id DESC LIMIT 1"
    )
