"""Writes a plugin package: one working component of a kind, with settings, tests from its contract, README and CI.

The files stand below `templates/`, those of every kind in `common/`. A path there is the path in the package, but for
`PACKAGE`, which stands for its import name, and `dot_`, which stands for a dot. Nothing here talks to the user.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ftcore
from ftcore.specs import KINDS

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is written for a kind: its key in `KINDS`, a line on what the example does, and commands that use it."""

    key: str
    summary: str
    usage: tuple[str, ...]


BLUEPRINTS: Mapping[str, Blueprint] = {
    "method": Blueprint(
        "method",
        "one trained factor for each output of the layers that have a certain word in their names",
        ("ftcore run --method {name}", "ftcore run --method {name} --method.word q_proj"),
    ),
    "strategy": Blueprint(
        "strategy",
        "learn examples with the focal loss, which looks at the hard tokens",
        ("ftcore run --strategy {name}", "ftcore run --strategy {name} --strategy.gamma 1"),
    ),
    "source": Blueprint(
        "data",
        "text files with a question and its answer on each line",
        ("ftcore data preview --data {name}:questions.txt", "ftcore run --data {name}:questions.txt"),
    ),
    "format": Blueprint(
        "format",
        "conversations from the columns topic, asked and replied",
        ("ftcore data preview --data rows.jsonl", "ftcore run --data rows.jsonl --data.format {name}"),
    ),
    "backend": Blueprint(
        "backend",
        "a part of the processor's cores, in float32",
        ("ftcore run --backend {name}", "ftcore run --backend {name} --backend.share 0.25"),
    ),
    "reward": Blueprint("rewards", "short answers score better", ("ftcore run --rewards {name}",)),
    "evaluator": Blueprint(
        "evaluators", "share of brief answers, and their mean length in words", ("ftcore run --evaluators {name}",)
    ),
    "exporter": Blueprint(
        "exporter", "what the method saves, with its numbers in half precision", ("ftcore run --exporter {name}",)
    ),
    "reporter": Blueprint(
        "reporters", "a table of the steps in the run's folder", ("ftcore run --reporters console,{name}",)
    ),
    "loader": Blueprint(
        "model",
        "models by name from one folder that holds many",
        ("ftcore run --model {name}:NAME --model.shelf FOLDER",),
    ),
}
"""By the word that `--kind` takes."""


@dataclass(frozen=True, slots=True)
class Package:
    """The names of a package: `ftcore-norms` is imported as `ftcore_norms` and offers `norms`."""

    distribution: str
    kind: str

    @property
    def module(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def component(self) -> str:
        """What users type. A distribution may say that it belongs to ftcore; a component need not."""
        return self.distribution.removeprefix("ftcore-")

    @property
    def usage(self) -> list[str]:
        return [command.format(name=self.component) for command in BLUEPRINTS[self.kind].usage]


def render(package: Package) -> dict[str, str]:
    """Every file of the package by its path in it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - these are sources, not pages
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = _values(package)
    return {
        _path(file, package.module): environment.get_template(f"{folder}/{file}").render(values)
        for folder in ("common", package.kind)
        for file in sorted(path.relative_to(TEMPLATES / folder).as_posix() for path in _templates(folder))
    }


def write(package: Package, folder: Path) -> list[str]:
    """Write the package into `folder`, which must not exist; return its files. Raises OSError."""
    files = render(package)
    folder.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(files)


def _values(package: Package) -> dict[str, Any]:
    blueprint = BLUEPRINTS[package.kind]
    title = KINDS[blueprint.key].title
    return {
        "distribution": package.distribution,
        "package": package.module,
        "name": package.component,
        "camel": "".join(word.capitalize() for word in package.component.split("-")),
        "kind": package.kind,
        "title": f"an {title}" if title[0] in "aeiou" else f"a {title}",
        "summary": blueprint.summary,
        "usage": package.usage,
        "has_config": any(path.name == "config.py.j2" for path in _templates(package.kind)),
        "versions": _versions(),
        "year": datetime.datetime.now(datetime.UTC).year,
    }


def _versions() -> str:
    """The versions of ftcore that break nothing; before 1.0 the second number counts (docs: versioning)."""
    major, minor = map(int, ftcore.__version__.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def _templates(folder: str) -> list[Path]:
    return list((TEMPLATES / folder).rglob("*.j2"))


def _path(template: str, module: str) -> str:
    return template.removesuffix(".j2").replace("PACKAGE", module).replace("dot_", ".")
