"""`sluice init`: write a project, in a new folder or beside what is there. Overwrites nothing."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from string import Template

from sluice.contract.errors import ConfigError, ToolError
from sluice.project import paths
from sluice.project.init import template


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each file: relative paths, in order."""

    root: Path
    wrote: tuple[str, ...]
    left: tuple[str, ...]


def init(folder: Path, example: str | None = None) -> Written:
    """Write what a project needs and the folder lacks.

    Raises:
        ConfigError: there is no such example, the folder is a project's already and an example was asked for, or it
            lies within another project.
        ToolError: a file cannot be written; those written before it stay.
    """
    root = folder.expanduser().absolute()
    _refuse(root, example)
    name = re.sub(r"[^a-z0-9_]+", "_", root.name.lower()).strip("_") or "project"
    name = name if name[0].isalpha() else f"project_{name}"
    values = {"name": name, "id": _new_id(root.name), "version": version("sluice-elt")}
    texts = {path: Template(text).safe_substitute(values) for path, text in template.started().items()}
    texts |= template.files(example)
    if (root / "dbt_project/dbt_project.yml").exists() and not (root / paths.MARK).exists():
        raise ConfigError(
            f"{root / 'dbt_project'} is a dbt project already. Let Sluice have a folder beside it: "
            "sluice init in another folder"
        )
    wrote: list[str] = []
    left: list[str] = []
    for path, text in sorted(texts.items()):
        (wrote if _write(root / path, text) else left).append(str(path))
    for empty in ("contracts", "dbt_project/models/marts"):
        (root / empty).mkdir(parents=True, exist_ok=True)
    return Written(root, tuple(wrote), tuple(left))


def _refuse(root: Path, example: str | None) -> None:
    if example is not None and example not in template.EXAMPLES:
        raise ConfigError(f"there is no example {example!r}; there is: {', '.join(template.EXAMPLES)}")
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file; name a folder for the project")
    above = next((each for each in root.parents if (each / paths.MARK).is_file()), None)
    if above is not None:
        raise ConfigError(f"{root} lies in the project {above}; a project cannot hold another")
    if example is not None and (root / paths.MARK).exists():
        raise ConfigError(f"{root} is a project already; write the example into an empty folder")


def _new_id(name: str) -> str:
    """An id for a new project: its folder's name, and eight random hexadecimal digits."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].rstrip("-")
    return f"{slug or 'project'}-{secrets.token_hex(4)}"


def _write(path: Path, text: str) -> bool:
    """Whether the file was missing, and is there now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror or error}") from None
    return True
