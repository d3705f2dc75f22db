"""Messages, help, pages, guides and the code's own texts use plain standard English: dropped words do not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
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
    r"(?<!there )(?:is|are) (?:(?-i:none)(?! of)|no (?!longer\b|more\b)[a-z-]+)": "is not a valid ..., does not exist",
    r"by itself|of (its|their) own": "automatically; separate",
    r"made of": "built from",
    r"aside|apart(?! from)": "separate",
    r"whoever|whatever|however it": "anyone who, any",
    r"without a word": "without reporting a result",
}
PATTERN = re.compile("|".join(rf"\b(?:{word})\b" for word in DROPPED), re.IGNORECASE)


CODE = re.compile(r"`[^`\n]*`|\{[{%].*?[%}]\}")  # `tell` is a name, and `is none` one of Jinja's tests


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string and comment: what a user sees, and what a reader of the code does."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value  # one word is a name, not a sentence


def shown() -> Iterator[tuple[str, str]]:
    """Place and text of everything that is checked."""
    folders = ("sluice", "benchmarks", "requirements", "flows", "contracts")
    for path in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for line, text in texts(path.read_text()):
            yield f"{path.relative_to(ROOT)}:{line}", text
    templates = [*(ROOT / "sluice/site/templates").glob("*.html.j2")]
    guides = [*ROOT.glob("*.md"), ROOT / "benchmarks/README.md", *(ROOT / "docs").rglob("*.md")]
    models = _own(ROOT / "dbt_project", "*.yml")  # not the SQL: a macro with another comment is a changed one
    starter = [path for path in (ROOT / "sluice/project/init/starter").iterdir() if path.suffix != ".py"]
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    own = [ROOT / name for name in ("automations.yaml", "prefect.yaml", "pyproject.toml", "Makefile", ".ci/run")]
    for path in [*templates, *guides, *models, *starter, *deployed, *own]:
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            yield f"{path.relative_to(ROOT)}:{number}", text


def _own(folder: Path, ending: str) -> list[Path]:
    """The files of a dbt project, without what dbt writes or downloads."""
    return [path for path in folder.rglob(ending) if not {"target", "dbt_packages", "logs"} & {*path.parts}]


def dropped(text: str) -> Iterator[str]:
    """The dropped words in a text, without what is code in it."""
    return (match[0] for match in PATTERN.finditer(CODE.sub("``", text)))


def test_dropped_words_are_in_no_message_help_page_guide_docstring_or_comment() -> None:
    found = [f"{place}: {word!r} in {text.strip()[:160]!r}" for place, text in shown() for word in dropped(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["the owner is told", "it is none", "The site is made anew.", "mends itself", "is no month"]
)
def test_the_check_finds_a_dropped_word(text: str) -> None:
    assert list(dropped(text))


@pytest.mark.parametrize("text", ["the place that `tell` gives", "the answer is None", "there is no file"])
def test_the_check_leaves_names_alone(text: str) -> None:
    assert not list(dropped(text))


def test_help_docstrings_comments_and_messages_are_checked() -> None:
    source = 'def run() -> None:\n    """Show all."""\n    say(f"{who} is told")  # and tell\n    x = "run"\n'
    assert [text for _, text in texts(source)] == ["# and tell", "Show all.", " is told"]
