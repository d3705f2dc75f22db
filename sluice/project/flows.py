"""The flows of the project, loaded from its own files, and called with the parameters that they have."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from sluice.contract.errors import ConfigError, SluiceError
from sluice.contract.registry import forget_modules, package_of, uncompiled
from sluice.project import paths

# Fingerprints of flows/nightly.py as `sluice init` has written it, the newest first
SHIPPED = ("a6178662284c6f40a95d42fbc8ea5702c67b28af803906f5de9789869f2f9de9",)


def is_shipped(file: str) -> bool:
    """Whether a flow's file is the one that `sluice init` writes, but for comments, docstrings and layout.

    Then nothing of the user's would run in it. One that cannot be read is not.
    """
    folder = paths.flows_folder()
    package = folder / "__init__.py"
    try:
        if package.exists() and statements(package.read_text(encoding="utf-8")):
            return False
        written = statements((folder / f"{file}.py").read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return False
    return sha256(written.encode()).hexdigest() in SHIPPED


def statements(source: str) -> str:
    """What a file of Python does: its statements without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.unparse(tree)


def load_flow(file: str, name: str) -> Any:
    """The flow `name` in the project's flows/`file`.py.

    Raises:
        ConfigError: there is no such file or flow, or the file cannot be imported.
    """
    folder = paths.flows_folder()
    shown = f"{folder.name}/{file}.py"
    if not (folder / f"{file}.py").is_file():
        raise ConfigError(f"{shown} is missing in {paths.root()}. Write it again: sluice init .")
    forget_modules(folder)
    try:
        with uncompiled():
            module = importlib.import_module(f"{package_of(folder.parent)}.{folder.name}.{file}")
    except SluiceError:
        raise
    except Exception as error:
        # A flow is a user's code: any error in it is a fault of that file, and must name it.
        raise ConfigError(f"{shown} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if found is None or not callable(getattr(found, "fn", None)):
        raise ConfigError(f"{shown} has no flow {name}(): decorate a function of that name with @flow, from sluice")
    return found


def call_flow(file: str, name: str, given: Mapping[str, Any], ready: Callable[[], None] = lambda: None) -> Any:
    """Run the project's flow with what was asked for.

    Args:
        given: values by parameter; one that is None was not asked for, and the flow's own default counts.
        ready: called once the flow is loaded, before it begins.

    Raises:
        ConfigError: as `load_flow`; or the flow has no parameter for something that was asked for.
    """
    flow = load_flow(file, name)
    asked = {parameter: value for parameter, value in given.items() if value is not None}
    lost = [parameter for parameter in asked if parameter not in inspect.signature(flow.fn).parameters]
    if lost:
        raise ConfigError(
            f"{paths.flows_folder().name}/{file}.py: {name}() has no parameter {', '.join(lost)}, which this command "
            f"needs. Add it to the function, and pass it to the step that takes it"
        )
    ready()
    return flow(**asked)
