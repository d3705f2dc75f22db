"""The frame of dbt's own page."""

from __future__ import annotations

from sluice.site.dbt_docs import framed


def test_a_description_that_holds_the_end_of_a_script_or_of_the_head_ends_neither() -> None:
    page = b'<head><script>docs = {"description": "</script></head><body>"}</script></head><body><main></main></body>'
    head, _, rest = framed(page, "<style></style></head><body><nav></nav>").partition(b"</script>")
    assert head.endswith(b'{"description": "<\\/script></head><body>"}')
    assert rest == b"<style></style></head><body><nav></nav><main></main></body>"


def test_a_page_of_another_shape_stays_as_it_is() -> None:
    assert framed(b"<html>another dbt</html>", "<nav></nav>") == b"<html>another dbt</html>"
