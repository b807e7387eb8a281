"""Writes the parts of the reference that can be read off the code, so that nobody copies a default by hand.

A page keeps such a part between `<!-- generated: NAME -->` and `<!-- end of generated -->`; the rest of the page is
prose and is left alone. `python docs/generate.py` writes, `python docs/generate.py --check` only compares.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import tempfile
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

from ftcore import config, errors, events, parameters, protocols, settings, specs
from ftcore import types as flowing
from ftcore.cli.main import COMMANDS, cli
from ftcore.cli.options import Axis, ComponentCommand
from ftcore.manager import PluginManager, hook_functions
from ftcore.run.plan import Plan
from ftcore.run.session import Data, Session
from ftcore.specs import KINDS, Ref, Spec
from ftcore.testing import offered as checked

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


@cache
def built_in() -> PluginManager:
    """Only what comes with ftcore, whatever is installed beside it."""
    manager = PluginManager()
    manager.load_built_in()
    return manager


def offered(kind: str) -> dict[str, Any]:
    """The records of a kind by name."""
    return {name: offers[0].spec for name, offers in built_in().catalogue(kind).items()}


# Pieces of Markdown ---------------------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(' '.join(cell.split()) for cell in row)} |"
    yield ""


def python(code: str) -> Iterator[str]:
    yield from ("```python", code.rstrip(), "```", "")


def source(thing: Any) -> Iterator[str]:
    """A class as it stands in the code, without its decorators."""
    code = inspect.getsource(thing)
    yield from python(code[code.index("class ") :])


def words_under_fields(cls: type) -> dict[str, str]:
    """The text under each field of a class."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        before.target.id: inspect.cleandoc(str(after.value.value))
        for before, after in pairwise(tree.body)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }


def shown(value: Any) -> str:
    """A value as one would type it."""
    if value is None or value in ([], {}, ()):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"`{key}` {number:g}" for key, number in value.items())
    return f"`{', '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}`"


def values_of(annotation: Any) -> str:
    """What may be typed for a setting, in words."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    words = {bool: "yes or no", int: "integer", float: "number", str: "text", list: "list", dict: "key=value"}
    found = []
    for part in parts:
        part = get_args(part)[0] if get_origin(part) is Annotated else part
        if get_origin(part) is Literal:
            found += [f"`{choice}`" for choice in get_args(part)]
        elif part is not type(None):
            found.append(words[get_origin(part) or part])
    return " or ".join(found)


def settings_table(prefix: str, model: Any) -> Iterator[str]:
    if model is None or not model.model_fields:
        yield from ("It has no settings.", "")
        return
    rows = (
        (
            f"`{prefix}.{name}`",
            values_of(field.annotation),
            "required" if field.is_required() else shown(field.get_default(call_default_factory=True)),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    )
    yield from table(("setting", "value", "default", "what it does"), rows)


# The parts ------------------------------------------------------------------------------------------------------------


def functions(module: ModuleType) -> Iterator[str]:
    """Every public function of a module, with what it says about itself."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            yield from (f"## {name}", "")
            yield from described(name, function)


def described(name: str, function: Callable[..., Any]) -> Iterator[str]:
    yield from python(f"def {name}{signature(function)}: ...")
    yield from (inspect.getdoc(function) or "", "")


def classes(module: ModuleType) -> Iterator[str]:
    """Every public class of a module as it stands in the code."""
    for name, cls in vars(module).items():
        if inspect.isclass(cls) and cls.__module__ == module.__name__:
            yield from (f"### {name}", "")
            yield from source(cls)


def members_of(cls: type) -> Iterator[str]:
    """The public fields of a dataclass as a table, then its methods."""
    words = words_under_fields(cls)
    fields = [field for field in dataclasses.fields(cls) if not field.name.startswith("_")]
    yield from table(
        ("field", "type", "what it is"),
        ((f"`{field.name}`", f"`{field.type}`".replace("|", "\\|"), words[field.name]) for field in fields),
    )
    for name, member in vars(cls).items():
        if isinstance(member, property) and not name.startswith("_"):
            yield from (f"**`{name}`** is a property. {inspect.getdoc(member)}", "")
        elif inspect.isfunction(member) and not name.startswith("_"):
            yield from described(name, member)


def hook_table() -> Iterator[str]:
    rows = (
        (f"[{name}]({page_of(name)})", " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()))
        for name, function in hook_functions().items()
    )
    yield from table(("hook", "what it is for"), rows)


def page_of(hook: str) -> str:
    return f"{hook.removeprefix('ftcore_').replace('_', '-')}.md"


def hook(name: str) -> Iterator[str]:
    function = hook_functions()[name]
    yield from python(f"def {name}{signature(function)}: ...")
    words = inspect.cleandoc((function.__doc__ or "").partition("@hookimpl")[0].rstrip())
    yield from (words, "")
    returned = re.search(r"\[(\w+Spec)\]", signature(function))
    if returned:
        record: Any = getattr(specs, returned[1])
        yield from (
            f"The record `{returned[1]}`"
            + (", besides [what all records share]" if issubclass(record, Spec) else "")
            + ("(hooks.md#what-all-records-share):" if issubclass(record, Spec) else ":"),
            "",
        )
        yield from source(record)
    built = re.search(r"builds an? `(\w+)`", words)
    if built:
        yield from (f"What its factory builds, a `{built[1]}`:", "")
        yield from source(getattr(protocols, built[1]))


def signature(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function)).replace("'", "")


def shared_fields() -> Iterator[str]:
    yield from source(Spec)


OPTIONAL = (
    "SwitchableMethod",
    "MergeableMethod",
    "InitialisedMethod",
    "SteppedMethod",
    "LaunchingBackend",
    "RememberingReward",
)
"""Protocols that no hook's words name: what a method, a backend or a reward function may be besides."""

FACTS = {
    "artifact": "what it leaves",
    "needs": "what it needs of the backend",
    "trains_base": "changes the base weights",
    "mergeable": "can be merged",
    "switchable": "can be switched off, to be its own reference model",
    "defaults": "defaults for `train`",
}


def methods() -> Iterator[str]:
    for name, spec in offered("method").items():
        yield from component("method", name, spec, "##")


def component(kind: str, name: str, spec: Any, level: str) -> Iterator[str]:
    yield from (f"{level} {name}", "", f"{capital(spec.summary)}.", "")
    if kind == "method":
        yield from table(("fact", "value"), ((words, shown(getattr(spec, fact))) for fact, words in FACTS.items()))
    yield from settings_table(kind, spec.config.load() if spec.config else None)


def combinations() -> Iterator[str]:
    """Methods × strategies, as plans of small runs are accepted or refused."""
    from ftcore.testing.combinations import together
    from ftcore.testing.runs import fresh
    from ftcore.testing.tiny import save_tiny

    strategies, reasons, rows = list(offered("strategy")), [], []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = save_tiny(folder / "model")
        for method in offered("method"):
            cells = []
            for strategy in strategies:
                try:
                    together(built_in(), model, fresh(folder), {"name": method}, strategy)
                except errors.FtcoreError as error:
                    reason = error.what.replace(repr(method), "NAME")
                    reasons += [] if reason in reasons else [reason]
                    cells.append(f"no ({reasons.index(reason) + 1})")
                else:
                    cells.append("yes")
            rows.append((f"`{method}`", *cells))
    yield from table(("", *(f"`{strategy}`" for strategy in strategies)), rows)
    yield from (f"{number}. {capital(reason)}." for number, reason in enumerate(reasons, 1))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sections() -> Iterator[str]:
    for name, model in config.SECTIONS.items():
        yield from (f"## {name}", "", inspect.getdoc(model) or "", "")
        yield from settings_table(name, model)


def data_entry() -> Iterator[str]:
    yield from settings_table("data", config.DataSettings)


def other_components() -> Iterator[str]:
    for kind in KINDS:
        if kind not in ("method", "format"):
            yield from (f"## {capital(KINDS[kind].plural)}", "")
            for name, spec in offered(kind).items():
                yield from component(kind, name, spec, "###")


def formats() -> Iterator[str]:
    found = offered("format").items()
    rows = ((f"`{name}`", spec.summary, spec.example, str(spec.priority)) for name, spec in found)
    yield from table(("format", "what it takes", "kind of example", "priority"), rows)
    for name, spec in found:
        yield from (f"**`{name}`.** {inspect.getdoc(spec.factory.load())}", "")


def roles() -> Iterator[str]:
    from ftcore_plugins.formats.turns import ROLES

    names = sorted(set(ROLES.values()), key=list(ROLES.values()).index)
    rows = ((role, ", ".join(f"`{word}`" for word, meant in ROLES.items() if meant == role)) for role in names)
    yield from table(("role", "what files may call it"), rows)


def check_keys() -> Iterator[str]:
    kinds: dict[tuple[str, str], list[str]] = {}
    for kind, contract in checked.CONTRACTS.items():
        for key, cls in checked.keys(contract.load()).items():
            words = words_under_fields(cls).get(key) or inspect.getdoc(getattr(cls, key)) or ""
            kinds.setdefault((key, words), []).append(f"`{kind}`")
    rows = (
        (f"`{key}`", "all" if len(found) == len(KINDS) else ", ".join(found), words)
        for (key, words), found in kinds.items()
    )
    yield from table(("key", "kinds", "what it is"), rows)


def demo_size() -> Iterator[str]:
    fields = offered("data")["demo"].config.load().model_fields
    yield f"{fields['rows'].default} orders train, {fields['heldout'].default} judge."


def exit_codes() -> Iterator[str]:
    tree = (errors.__doc__ or "").split("\n\n")[1]
    rows = []
    for line in textwrap.dedent(tree).splitlines():
        found = re.fullmatch(r"[├└─ ]*(\w+)\s+(\d+)\s+(.*)", line)
        assert found, line
        rows.append((found[2], f"`{found[1]}`", capital(found[3])))
    yield from table(("exit code", "error", "what is at fault"), [("0", "–", "Nothing: the work is done"), *rows])


def commands() -> Iterator[str]:
    of_plugins = {name: found[0].spec.factory.target for name, found in built_in().commands().items()}
    for name, reference in {**{name: target for name, (target, _) in COMMANDS.items()}, **of_plugins}.items():
        command = Ref(reference).load()
        for part, inner in parts_of(command) if isinstance(command, click.Group) else [("", command)]:
            yield from command_part(f"{name} {part}".strip(), inner)
        for flag, mode in getattr(command, "modes", {}).items():
            yield from command_part(f"{name} {flag}", mode.load())


def parts_of(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        part = group.get_command(context, name)
        assert part, name
        yield name, part


def command_part(name: str, command: click.Command) -> Iterator[str]:
    arguments = [f" {p.metavar or p.human_readable_name}" for p in command.params if isinstance(p, click.Argument)]
    yield from (f"## {name}", "", f"    ftcore {name}{''.join(arguments)} [OPTIONS]", "")
    yield from (inspect.cleandoc(command.help or ""), "")
    if isinstance(command, ComponentCommand):
        yield from ("Takes the [choosing options](#choosing-what-to-run) and every setting as an option.", "")
    rows = [*option_rows(command)]
    if rows:
        yield from table(("option", "what it does"), rows)


def option_rows(command: click.Command, axes: bool = False) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name="ftcore", show_default=False)
    for option in command.params:
        if isinstance(option, click.Option) and isinstance(option, Axis) == axes:
            found = option.get_help_record(context)
            assert found, option
            yield f"`{found[0]}`", found[1]


def choosing_options() -> Iterator[str]:
    yield from table(("option", "what it chooses"), option_rows(Ref(COMMANDS["run"][0]).load(), axes=True))


def common_options() -> Iterator[str]:
    yield from table(("option", "what it does"), option_rows(cli))


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "hook-table": hook_table,
    "shared-fields": shared_fields,
    "methods": methods,
    "combinations": combinations,
    "sections": sections,
    "data-entry": data_entry,
    "components": other_components,
    "formats": formats,
    "roles": roles,
    "demo-size": demo_size,
    "check-keys": check_keys,
    "parameters": partial(functions, parameters),
    "types": partial(classes, flowing),
    "events": partial(classes, events),
    "session": partial(members_of, Session),
    "session-data": partial(members_of, Data),
    "plan": partial(source, Plan),
    "settings": partial(source, settings.Settings),
    "exit-codes": exit_codes,
    "commands": commands,
    "choosing-options": choosing_options,
    "common-options": common_options,
    **{f"hook-{name}": partial(hook, name) for name in hook_functions()},
    **{f"protocol-{name}": partial(source, getattr(protocols, name)) for name in OPTIONAL},
}


# Pages ----------------------------------------------------------------------------------------------------------------


def filled(text: str) -> str:
    """A page with its generated parts as they should be."""

    def part(match: re.Match[str]) -> str:
        body = "\n".join(PARTS[match["name"]]()).strip()
        return f"{match[1]}\n{body}\n\n{match[3]}"

    return BLOCK.sub(part, text)


def stale() -> dict[Path, str]:
    """Pages that are not as they should be, with what they should be."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    full = {path: filled(text) for path, text in pages.items()}
    return {path: text for path, text in full.items() if text != pages[path]}


def run(arguments: Sequence[str]) -> int:
    pages = stale()
    for path, text in pages.items():
        if "--check" in arguments:
            sys.stderr.write(f"{path} is not current; type: python docs/generate.py\n")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stderr.write(f"wrote {path}\n")
    return 1 if pages and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
