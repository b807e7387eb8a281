"""Reading run files: YAML that is safe, strict about duplicate keys, and remembers where each key stands.

Deliberately no more than YAML: no includes, no variables, no names of Python code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ftcore.errors import UsageError


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run file's values, and the place of each dotted key as `run.yaml:4:9`."""

    path: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    pass


# YAML 1.1 reads 1e-5 as text, since it wants a dot in the mantissa. Everybody who writes a learning rate means 0.00001.
# The dumper knows it too, so that a text such as the commit 12e4567 is written in quotes.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )


def read_run_file(path: Path) -> RunFile:
    """Raises UsageError, with line and column, for what is not a mapping of settings."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError("there is no such run file", where=str(path), fix="ftcore init run.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the run file cannot be read: {error}",
            where=str(path),
            fix=f"iconv -f latin1 -t utf-8 {path} > utf8.yaml" if isinstance(error, UnicodeError) else f"ls -l {path}",
        ) from None
    return parse_run_file(text, path)


def parse_run_file(text: str, path: Path) -> RunFile:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise UsageError("the run file is empty", where=str(path), fix=f"ftcore init {path}")
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(
                "a run file is a mapping such as `method: lora`", where=_at(path, node), fix="ftcore init example.yaml"
            )
        places: dict[str, str] = {}
        _walk(node, "", path, places)
        return RunFile(path, loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise UsageError(
            f"this is not YAML: {error.problem or error.context}", where=where, fix="ftcore init example.yaml"
        ) from None
    finally:
        loader.dispose()


def _walk(node: yaml.Node, prefix: str, path: Path, places: dict[str, str]) -> None:
    """Record the place of every key; refuse a key that stands twice, since YAML would silently keep the last."""
    places[prefix] = _at(path, node)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, str] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise UsageError(
                    f"{name!r} stands twice; it was first given at {seen[name]}",
                    where=_at(path, key),
                    fix="take one of the two out",
                )
            seen[name] = _at(path, key)
            dotted = f"{prefix}.{name}" if prefix else name
            _walk(value, dotted, path, places)
            places[dotted] = _at(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, f"{prefix}.{index}", path, places)


def _at(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def dump_run_file(values: Any) -> str:
    """As YAML that reads back equal, keys in the order given.

    PyYAML writes some line breaks of Unicode (U+0085) so that they read back as blanks, unless what is not ASCII is
    escaped.
    """
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=100))


def in_one_line(values: Any) -> str:
    """The same for a message: `{name: lora, rank: 8}`."""
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10**6)
    return str(text).strip()
