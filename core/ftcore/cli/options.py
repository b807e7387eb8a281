"""Options made from settings: the axes are read first, then every chosen component brings an option for each setting.

So `ftcore run --method lora --help` shows that method's own settings, documented by the text under each field. Values
stay text here; pydantic judges them, in the same words as for a run file.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click

from ftcore.config import ENTRIES, SECTIONS
from ftcore.loading.policy import read_table
from ftcore.manager import Offer, PluginManager
from ftcore.run.choose import AXES, LISTS, choose, merge
from ftcore.run.runfile import RunFile, read_run_file
from ftcore.settings import Settings
from ftcore.specs import KINDS

SHOWN = 16
"""Names of components in the help of an option; of more there is a list of its own."""

HELP = {
    "model": "Which model: a folder, a finished run, a .gguf file, a hub id, or a loader's name.",
    "data": "Which examples: a file, a folder, or a source such as hub:OWNER/NAME. May be given several times.",
    "method": "Which parameters train.",
    "strategy": "Toward what objective.",
    "backend": "On what hardware; `auto` takes the best that is there.",
    "rewards": "Which functions score what the model writes. May be given several times.",
    "evaluators": "Who judges the model before and after, or `none`. May be given several times.",
    "exporter": "In what form the result is written.",
    "reporters": "Who is told how the run goes, or `none`. May be given several times.",
}


class Axis(click.Option):
    """An option that chooses a component; its values are completed by the names that are installed."""

    section = "What to run"

    def __init__(self, kind: str) -> None:
        super().__init__([f"--{kind}", kind], multiple=kind in LISTS, help=HELP[kind], metavar="NAME")
        self._kind = kind

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """With the names that there are, or the command that lists them where they are many."""
        from ftcore.line import options

        names = list(options.manager().catalogue(self._kind))
        known = ", ".join(names) if len(names) <= SHOWN else f"see ftcore list {KINDS[self._kind].plural}"
        record = super().get_help_record(ctx)
        return (record[0], f"{record[1]} [{known}]") if record else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:  # noqa: ARG002
        from click.shell_completion import CompletionItem

        from ftcore.line import options

        offers = options.manager().catalogue(self._kind).items()
        names = [CompletionItem(name, help=o[0].spec.summary) for name, o in offers if name.startswith(incomplete)]
        files = [CompletionItem(incomplete, type="file")] if self._kind in ("model", "data") else []
        return names + files


class Setting(click.Option):
    """An option for one field of a settings model."""

    def __init__(self, prefix: str, name: str, field: Any, section: str) -> None:
        kind = _kind_of(field.annotation)
        declared = [f"--{prefix}.{name}", f"{prefix}__{name}"]
        if kind == "flag":
            declared[0] += f"/--no-{prefix}.{name}"
        super().__init__(
            declared,
            help=_help(field),
            multiple=kind in ("list", "mapping"),
            default=None,
            metavar=None if kind == "flag" else _metavar(field.annotation),
            is_flag=kind == "flag" or None,
        )
        self.section = section
        self.dotted = f"{prefix}.{name}"
        self.kind = kind
        self.field = field


class ComponentCommand(click.Command):
    """A command whose options depend on the components that its own line chooses."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        from ftcore.line import options

        self.run_file, self.line = RunFile(), list(args)
        if not extra.get("resilient_parsing"):
            path, flags = scan(args)
            if not any(parameter.name == "run_file" for parameter in self.params):
                path = None  # `init` writes the file that it names
            self.run_file = read_run_file(Path(path)) if path else RunFile()
            self.manager = manager_for(self.run_file)
            merged = merge(self.manager, self.run_file, flags)
            self._settings = list(settings_options(self.manager, merged))
        else:
            self.manager = options.manager()
            self._settings = list(settings_options(self.manager, {}))
        return super().make_context(info_name, args, *rest, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *getattr(self, "_settings", [])]

    def setting(self, option: str) -> Setting | None:
        """The setting that an option of the line is for, in either spelling."""
        return next((one for one in self._settings if option.replace("-", "_") in _spellings(one)), None)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _spellings(setting: Setting) -> set[str]:
    return {word.replace("-", "_") for word in (*setting.opts, *setting.secondary_opts)}


def manager_for(run_file: RunFile) -> PluginManager:
    """The plugins that a run file's `plugins` table leaves in place."""
    from ftcore.line import options

    allow, deny = read_table(run_file.values.get("plugins"), run_file.places.get("plugins"))
    return options.manager(deny, allow)


def scan(arguments: Sequence[str]) -> tuple[str | None, dict[str, Any]]:
    """The first pass: the run file and the axes that a line names, whatever else stands on it."""
    path: str | None = None
    flags: dict[str, Any] = {}
    previous = ""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and name in AXES:
            text = value if equals else (arguments[index + 1] if index + 1 < len(arguments) else None)
            if text is not None:
                add_axis(flags, name, text)
        elif argument.endswith((".yaml", ".yml")) and not argument.startswith("-") and previous != "--out":
            path = path or argument
        previous = argument
    return path, flags


def add_axis(flags: dict[str, Any], name: str, text: str) -> None:
    if name in LISTS:
        several = text.split(",") if name != "data" else [text]
        flags.setdefault(name, []).extend([] if text == "none" else several)
    else:
        flags[name] = text


def settings_options(manager: PluginManager, merged: Mapping[str, Any]) -> Iterator[Setting]:
    """An option for every setting of every chosen component, and of the core's own sections."""
    for name, model in SECTIONS.items():
        yield from _of_model(model, name, name.capitalize())
    for axis, model in ENTRIES.items():
        if _chosen(manager, merged, axis):
            yield from _of_model(model, axis, axis.capitalize())
    seen: set[str] = set()
    for axis in AXES:
        for offer in _chosen(manager, merged, axis):
            for option in _of_offer(axis, offer):
                if option.dotted not in seen:
                    seen.add(option.dotted)
                    yield option


def _chosen(manager: PluginManager, merged: Mapping[str, Any], axis: str) -> list[Offer]:
    if axis == "backend":
        entries = merged.get("backend") or [{}]
        name = entries[0].get("name") or entries[0].get("") or "auto"
        if name == "auto":
            # Which it will be is found out when the run is planned; most settings are the same everywhere.
            return [offer for offer in manager.usable("backend") if manager.has_settings(offer)]
    return [offer for offer, _ in choose(manager, merged, axis)]


def _of_offer(axis: str, offer: Offer) -> Iterator[Setting]:
    if model := offer.settings():
        yield from _of_model(model, axis, f"{KINDS[axis].title.capitalize()} {offer.spec.name}")


def _of_model(model: type[Settings], prefix: str, section: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        yield Setting(prefix, name, field, section)


def flags_of(ctx: click.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """The second pass: what the user wrote, dotted, as `ftcore.run.choose.merge` takes it."""
    flags: dict[str, Any] = {}
    by_name = {parameter.name: parameter for parameter in ctx.command.get_params(ctx)}
    for name, value in given.items():
        parameter = by_name.get(name)
        if value is None or value == ():
            continue
        if isinstance(parameter, Setting):
            flags[parameter.dotted] = _value(parameter, value)
        elif isinstance(parameter, Axis):
            for text in value if isinstance(value, tuple) else (value,):
                add_axis(flags, name, text)
    return flags


def _value(option: Setting, value: Any) -> Any:
    if option.kind == "mapping":
        pairs = [text.partition("=") for text in value]
        bad = next((key for key, equals, _ in pairs if not equals), None)
        if bad is not None:
            raise click.BadParameter(f"{bad!r} should be written KEY=VALUE", param_hint=f"--{option.dotted}")
        return {key: text for key, _, text in pairs}
    if option.kind == "list":
        return [part for text in value for part in text.split(",")]
    return None if value in ("none", "null") and _may_be_nothing(option.field.annotation, value) else value


def _may_be_nothing(annotation: Any, word: str) -> bool:
    """Whether a word means that there is no value: the setting can be without one, and has no value of that name."""
    literals = [each for part in _members(annotation) if get_origin(part) is Literal for each in get_args(part)]
    return type(None) in get_args(annotation) and word not in literals


def _kind_of(annotation: Any) -> str:
    for part in _members(annotation):
        if part is bool:
            return "flag"
        origin = get_origin(part)
        if origin in (list, tuple) or part in (list, tuple):
            return "list"
        if origin is dict or part is dict:
            return "mapping"
    return "value"


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for part in get_args(annotation) if part is not type(None)]
    return [annotation]


def _metavar(annotation: Any) -> str:
    words = []
    for part in _members(annotation):
        if get_origin(part) is Literal:
            words.append("|".join(map(str, get_args(part))))
        elif get_origin(part) is dict:
            words.append("KEY=VALUE")
        else:
            words.append({bool: "true|false", int: "INTEGER", float: "NUMBER"}.get(part, "TEXT"))
    return "|".join(dict.fromkeys(words))


def _help(field: Any) -> str:
    text = " ".join((field.description or "").split())
    default = field.get_default(call_default_factory=True)
    shown = "" if default is None or default == {} or default == [] else f"  [default: {_plain(default)}]"
    return f"{text}{shown}"


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
