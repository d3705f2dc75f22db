"""What a project is made from: this package's own files, which are those of its repository. Reads only.

The wheel carries the repository's flows, profiles, dbt project and contracts in `template/` beside this module; an
installation from a checkout takes them from the checkout itself. So there is one source of each file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

HERE = Path(__file__).parent
STARTER = HERE / "starter"  # files that a new project has and the repository of the engine has not
MACROS = PurePosixPath("dbt_project/macros/sluice")
COMMON = (
    *("flows/nightly.py", "flows/backfill.py", "flows/corrections.py", "profiles/profiles.yml"),
    *("prefect.toml", "prefect.yaml", "automations.yaml", "dbt_project/models/staging/ops"),
)
EXAMPLES = {"taxi": ("contracts", "dbt_project", "tests/data", "docs/dictionary", "docs/odcs", "docs/ddl")}
IGNORED = "# Written by `sluice init`: Sluice's data.\n*\n"  # in .sluice: a repository may have its own .gitignore
DIFF = ".github/workflows/sluice-diff.yml"
STARTED = {  # file of the starter -> where it goes
    "sluice.toml": "sluice.toml",
    "dbt_project.yml": "dbt_project/dbt_project.yml",
    "gitignore": ".gitignore",
    "Makefile": "Makefile",
    "ci.yml": ".github/workflows/sluice.yml",
    "diff.yml": DIFF,
    "test_contracts.py": "tests/test_contracts.py",
    "README.md": "README.md",
}
NOT_SOURCE = {"__pycache__", "target", "logs", "dbt_packages", ".user.yml", "dbt-bouncer.yml"}


def root() -> Path:
    """The folder that the template's files lie in."""
    packed = HERE / "template"
    return packed if packed.is_dir() else HERE.parents[2]


def macros() -> dict[PurePosixPath, str]:
    """Sluice's dbt macros, by their path in a project."""
    return dict(_texts(str(MACROS)))


def files(example: str | None) -> dict[PurePosixPath, str]:
    """The files of a new project that are the same in each, by path; with an example, that one's too."""
    wanted = (*COMMON, *(EXAMPLES[example] if example else ()))
    return {path: text for each in wanted for path, text in _texts(each)} | macros()


def starter(name: str) -> str:
    """One file of the starter."""
    return (STARTER / name).read_text(encoding="utf-8")


def started() -> dict[PurePosixPath, str]:
    """The files of a new project that carry its own names: texts with $name, $id and $version."""
    return {PurePosixPath(".sluice/.gitignore"): IGNORED} | {
        PurePosixPath(to): starter(name) for name, to in STARTED.items()
    }


def _texts(name: str) -> Iterator[tuple[PurePosixPath, str]]:
    base = root()
    found = [base / name] if (base / name).is_file() else sorted((base / name).rglob("*"))
    for path in found:
        relative = PurePosixPath(path.relative_to(base).as_posix())
        if path.is_file() and not NOT_SOURCE & set(relative.parts) and path.name != "__init__.py":
            yield relative, path.read_text(encoding="utf-8")
