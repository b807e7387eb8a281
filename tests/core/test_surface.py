"""What plugins and their users rely on does not change by accident: see docs/explanation/versioning.md.

After a change that is meant: `python -m tests.core.test_surface`, and a line in CHANGELOG.md.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftcore
from ftcore.manager import hook_functions
from ftcore.run.choose import KEYS
from ftcore.run.session import Session

SURFACE = Path(__file__).parent / "surface.txt"

MODULES = ("specs", "protocols", "types", "events", "errors", "settings", "parameters")
CONTRACTS = (
    "methods",
    "strategies",
    "sources",
    "formats",
    "backends",
    "rewards",
    "evaluators",
    "exporters",
    "reporters",
    "loaders",
    "tiny",
)


def surface() -> Iterator[str]:
    """One line for each thing that somebody outside may use, in a fixed order."""
    yield from (f"ftcore.{name}" for name in ftcore.__all__)
    yield from (f"hook {name}{inspect.signature(function)}" for name, function in hook_functions().items())
    for module in MODULES:
        yield from described(importlib.import_module(f"ftcore.{module}"))
    for module in CONTRACTS:
        yield from described(importlib.import_module(f"ftcore.testing.{module}"))
    yield from of_class("ftcore.run.session.Session", Session)
    yield f"run file: {', '.join(KEYS)}"


def described(module: Any) -> Iterator[str]:
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        full = f"{module.__name__}.{name}"
        if inspect.isclass(value):
            yield from of_class(full, value)
        elif inspect.isfunction(value):
            yield f"{full}{inspect.signature(value)}"


def of_class(full: str, cls: type) -> Iterator[str]:
    yield full
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            has_default = {field.default, field.default_factory} != {dataclasses.MISSING}  # type: ignore[comparison-overlap]
            yield f"{full}.{field.name}: {field.type}{' = …' if has_default else ''}"
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"{full}.{name}"
        elif inspect.isfunction(member) and not name.startswith("test_"):
            yield f"{full}.{name}{inspect.signature(member)}"


def test_the_public_surface_is_as_it_was():
    was, now = SURFACE.read_text(encoding="utf-8").splitlines(), list(surface())
    gone, new = sorted(set(was) - set(now)), sorted(set(now) - set(was))
    assert was == now, (
        "the public surface changed; if that is meant, say so in CHANGELOG.md and type: "
        f"python -m tests.core.test_surface\ngone: {gone}\nnew: {new}"
    )


def test_what_the_policy_promises_is_watched():
    policy = (Path(__file__).parents[2] / "docs" / "explanation" / "versioning.md").read_text(encoding="utf-8")
    assert all(f"`ftcore.{module}`" in policy for module in MODULES)


if __name__ == "__main__":
    SURFACE.write_text("\n".join(surface()) + "\n", encoding="utf-8")
