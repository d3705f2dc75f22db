"""Messages, help, pages and guides use plain standard English: words that were dropped do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What is dropped, and what to write instead.
DROPPED = {
    r"told|tells?|telling": "notified, reported, shows",
    r"anew": "again, or re- as in rebuild",
    r"mend(s|ed|ing)?": "fix, correct",
    r"at work": "running, in progress",
    r"go(es|ing)? on|went on": "continues, resumes",
    r"(?<!there )(?:is|are) (?:none(?! of)|no (?!longer\b|more\b)[a-z-]+)": "is not a valid ..., does not exist",
    r"by itself|of (its|their) own": "automatically; separate",
    r"made of": "built from",
    r"aside|apart(?! from)": "separate",
    r"whoever|whatever|however it": "anyone who, any",
    r"without a word": "without reporting a result",
}
PATTERN = re.compile("|".join(rf"\b(?:{word})\b" for word in DROPPED), re.IGNORECASE)


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that a user may see: docstrings of commands are their help, others are left out."""
    tree = ast.parse(source)
    hidden: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            decorators = getattr(node, "decorator_list", [])
            if not any(".command" in ast.unparse(each) for each in decorators):
                hidden.add(id(first.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden:
            yield node.lineno, node.value


def shown() -> Iterator[tuple[str, str]]:
    """Place and text of everything that is checked."""
    for path in sorted((ROOT / "sluice").rglob("*.py")):
        for line, text in literals(path.read_text()):
            if " " in text.strip():  # one word is a name, not a sentence
                yield f"{path.relative_to(ROOT)}:{line}", text
    templates = [*(ROOT / "sluice/site/templates").glob("*.html.j2")]
    guides = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), ROOT / "automations.yaml"]
    for path in [*templates, *guides]:
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            yield f"{path.relative_to(ROOT)}:{number}", text


def test_dropped_words_are_in_no_message_help_page_or_guide() -> None:
    found = [
        f"{place}: {match[0]!r} in {text.strip()[:160]!r}"
        for place, text in shown()
        for match in PATTERN.finditer(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["the owner is told", "it is none", "The site is made anew.", "mends itself", "is no month"]
)
def test_the_check_finds_a_dropped_word(text: str) -> None:
    assert PATTERN.search(text)


def test_the_help_of_a_command_is_checked() -> None:
    source = (
        '@app.command()\ndef run() -> None:\n    """Show who is told."""\n\n\ndef other() -> None:\n    """Tell."""\n'
    )
    assert [text for _, text in literals(source)] == ["Show who is told."]
