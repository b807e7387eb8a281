"""`init`, `schema` and `completion`: files that help to write and to type."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.cli.options import HELP, Axis, ComponentCommand, flags_of
from ftcore.cli.run import CONTEXT
from ftcore.config import ENTRIES, SECTIONS
from ftcore.errors import ResourceError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.choose import KEYS, LISTS, merge
from ftcore.run.plan import Choice, Plan
from ftcore.run.resolve import resolve
from ftcore.settings import Settings
from ftcore.specs import KINDS


def _init(ctx: click.Context, path: str, **given: Any) -> None:
    """Write a commented run file to PATH, for the components that the options choose."""
    target = Path(path)
    if target.exists():
        raise UsageError(
            "the file is there already", where=path, fix=f"ftcore init {target.with_stem(target.stem + '-2')}"
        )
    if target.suffix not in (".yaml", ".yml"):
        raise UsageError(
            "the name of a run file ends in .yaml", where=path, fix=f"ftcore init {target.with_suffix('.yaml')}"
        )
    command = ctx.command
    assert isinstance(command, ComponentCommand)
    flags = flags_of(ctx, given)
    plan = resolve(command.manager, command.run_file, flags)
    lines = _lines(plan, merge(command.manager, command.run_file, flags))
    try:
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except FileNotFoundError:
        raise UsageError("there is no such folder", where=str(target.parent), fix=f"mkdir -p {target.parent}") from None
    except OSError as error:
        raise ResourceError(f"the file cannot be written: {error.strerror}", where=path, fix="ftcore init") from None
    click.echo(f"wrote {path}; look at it, then: ftcore plan {path}")


def _lines(plan: Plan, given: Mapping[str, Any]) -> Iterator[str]:
    """`given` is what the user said: the rest stands in comments."""
    yield "# A run of ftcore. What is commented out is the default. Every key is also an option: --method.NAME VALUE"
    for axis, choice in (("model", plan.model), ("method", plan.method), ("strategy", plan.strategy)):
        yield from _component(axis, choice, "")
    if "backend" in given:
        yield from _component("backend", plan.backend, "")
    else:
        yield from ("", f"# {HELP['backend']}  (ftcore list backends)", "# backend: auto")
    yield from _entries("data", [(entry.source, entry.settings) for entry in plan.data])
    yield from _entries("rewards", [(entry.function, entry.settings) for entry in plan.rewards])
    for name in SECTIONS:
        settings = getattr(plan, name)
        yield ""
        yield f"# {' '.join((type(settings).__doc__ or '').split())}"
        yield f"{name}:"
        yield from _fields(settings, "  ", given=set(given.get(name) or {}))
    for axis in ("evaluators", "exporter", "reporters"):
        chosen = getattr(plan, axis)
        names = [choice.spec.name for choice in chosen] if axis in LISTS else chosen.spec.name
        line = f"{axis}: {json.dumps(names)}"
        yield from ("", f"# {HELP[axis]}  (ftcore list {KINDS[axis].plural})", line if axis in given else f"# {line}")
    yield from ("", "# The run's folder. Left out: runs/DATE-METHOD-STRATEGY.", "# out: runs/mine")


def _entries(axis: str, chosen: Sequence[tuple[Choice[Any], Settings]]) -> Iterator[str]:
    yield from ("", f"# {HELP[axis]}  (ftcore list {KINDS[axis].plural})", f"{axis}:" if chosen else f"# {axis}: []")
    for component, settings in chosen:
        yield f"  - name: {component.spec.name}"
        yield from _fields(component.settings, "    ")
        yield from _fields(settings, "    ")


def _component(axis: str, choice: Any, indent: str) -> Iterator[str]:
    yield ""
    yield f"{indent}# {HELP[axis]}  (ftcore list {KINDS[axis].plural})"
    yield f"{indent}{axis}:"
    yield f"{indent}  name: {choice.spec.name}"
    yield from _fields(choice.settings, f"{indent}  ")


def _fields(settings: Settings | None, indent: str, given: set[str] | None = None) -> Iterator[str]:
    """Each setting under its help text, commented out unless it was given."""
    if settings is None:
        return
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        for line in textwrap.wrap(" ".join((field.description or "").split()), 100):
            yield f"{indent}# {line}"
        is_given = name in (settings.model_fields_set if given is None else given)
        yield f"{indent}{'' if is_given else '# '}{name}: {json.dumps(values[name], ensure_ascii=False)}"


init = ComponentCommand(
    "init",
    callback=click.pass_context(_init),
    params=[click.Argument(["path"], default="run.yaml", metavar="[PATH]"), *(Axis(kind) for kind in HELP)],
    help=_init.__doc__,
    context_settings=CONTEXT,
)


@click.command
def schema() -> None:
    """Print the JSON Schema of run files, with the settings of every installed plugin, for editors."""
    from ftcore.line import options

    click.echo(json.dumps(run_file_schema(options.manager()), indent=2))


def run_file_schema(manager: PluginManager) -> dict[str, Any]:
    properties: dict[str, Any] = {key: {} for key in KEYS}
    for axis in HELP:
        one = {"anyOf": [{"type": "string"}, *_variants(manager, axis)], "description": HELP[axis]}
        properties[axis] = {"anyOf": [one, {"type": "array", "items": one}]} if axis in LISTS else one
    for name, model in SECTIONS.items():
        properties[name] = model.model_json_schema()
    properties["out"] = {"type": "string", "description": "The run's folder."}
    names = {"type": "array", "items": {"type": "string"}}
    properties["plugins"] = {
        "type": "object",
        "properties": {"allow": names, "deny": names},
        "additionalProperties": False,
        "description": "Third-party plugins to allow, and plugins to leave out.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A run of ftcore",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _variants(manager: PluginManager, axis: str) -> Iterator[dict[str, Any]]:
    shared = ENTRIES[axis].model_json_schema()["properties"] if axis in ENTRIES else {}
    for offer in manager.usable(axis):
        if not manager.has_settings(offer):
            continue
        settings = offer.settings()
        model = settings.model_json_schema() if settings else {"properties": {}}
        unnamed = offer.spec.default and offer.plugin.is_built_in  # then it is what an entry without a name means
        name = {"const": offer.spec.name, "description": offer.spec.summary}
        yield {
            **model,
            "type": "object",
            "title": f"{KINDS[axis].title} {offer.spec.name}",
            "properties": {"name": name, **model.get("properties", {}), **shared},
            "required": [*([] if unnamed else ["name"]), *model.get("required", [])],
            "additionalProperties": False,
        }


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and names in your SHELL.

    For bash: ftcore completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from ftcore.cli.main import cli

    cls = get_completion_class(shell)
    assert cls is not None
    os.environ.pop("_FTCORE_COMPLETE", None)
    click.echo(cls(cli, {}, "ftcore", "_FTCORE_COMPLETE").source())
