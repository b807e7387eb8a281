"""The entry point: finds the command, turns every refusal into a few lines and an exit code, and writes a crash file
for a bug, whosever it is. Imports nothing that a listing does not need.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import ftcore
from ftcore.cli.lazy import LazyGroup
from ftcore.cli.streams import open_closed_descriptors, sturdy_streams
from ftcore.errors import FtcoreError, PluginError, ResourceError, UsageError, closest
from ftcore.line import options
from ftcore.manager import Command
from ftcore.specs import KINDS
from ftcore.unknown import with_setting

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "run": ("ftcore.cli.run:run", "Tune a model."),
    "plan": ("ftcore.cli.run:plan", "Show what a run would do, and what speaks against it."),
    "resume": ("ftcore.cli.run:resume", "Go on with a run that was interrupted."),
    "data": ("ftcore.cli.data:data", "Look at rows as the model will see them."),
    "chat": ("ftcore.cli.use:chat", "Talk to a tuned model."),
    "merge": ("ftcore.cli.use:merge", "Fold an adapter into its base model."),
    "report": ("ftcore.cli.use:report", "Show the result of a finished run again."),
    "list": ("ftcore.cli.listing:list_", "List what is installed: methods, strategies, sources, …"),
    "explain": ("ftcore.cli.listing:explain", "Show a component's facts and settings."),
    "hooks": ("ftcore.cli.hooks:hooks", "List the hooks that a plugin can implement."),
    "plugins": ("ftcore.cli.plugins:plugins", "See which plugins are installed and how they are."),
    "init": ("ftcore.cli.files:init", "Write a commented run file."),
    "schema": ("ftcore.cli.files:schema", "Print the JSON Schema of run files."),
    "doctor": ("ftcore.cli.doctor:doctor", "Examine the installation and the machine."),
    "completion": ("ftcore.cli.files:completion", "Print the script that completes commands in your shell."),
}


class Cli(LazyGroup):
    """The core's commands, and behind them those of plugins, which cannot displace any."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, table=COMMANDS, **attributes)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*self.summaries(), *self.added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = None if cmd_name in COMMANDS else options.manager().command(cmd_name)
        return load_command(found) if found else super().get_command(ctx, cmd_name)

    def summaries(self) -> dict[str, str]:
        """The core's own commands, and those of built-in plugins."""
        return super().summaries() | {
            name: command.spec.summary
            for name, commands in options.manager().commands().items()
            for command in commands
            if command.plugin.is_built_in and name not in COMMANDS
        }

    def added(self) -> dict[str, str]:
        """Those of third parties, as they must be typed."""
        return {
            name if len(commands) == 1 else command.qualified: command.spec.summary
            for name, commands in options.manager().commands().items()
            for command in commands
            if not command.plugin.is_built_in and name not in COMMANDS
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        if self.added():
            with formatter.section("Commands of plugins"):
                formatter.write_dl(list(self.added().items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        added = [CompletionItem(name, help=text) for name, text in self.added().items() if name.startswith(incomplete)]
        return super().shell_complete(ctx, incomplete) + added


def load_command(command: Command) -> click.Command:
    """Import a plugin's command. Raises PluginError for one that is no click command."""
    loaded = command.spec.factory.load()
    if not isinstance(loaded, click.Command):
        raise PluginError(
            f"the command {command.spec.name!r} is {loaded!r}, not a click.Command",
            where=command.plugin.key,
            value=command.spec.factory.target,
            fix="ftcore hooks ftcore_commands",
        )
    return loaded


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ftcore.__version__, prog_name="ftcore")
@click.option("--json-errors", is_flag=True, help="Print errors as JSON, for programs.")
@click.option("--plugin", metavar="FILE", multiple=True, help="Load one more plugin from a Python file.")
@click.option("--no-plugin", metavar="NAME", multiple=True, help="Leave an installed plugin out.")
@click.option("--allow-env", metavar="NAME", multiple=True, help="Send a variable's value where a run file says.")
def cli(**_: Any) -> None:
    """Tune a language model on your own data: any method, any objective, any data, any hardware.

    Begin with `ftcore run --method qlora`, which tunes a small model on a demo set. The options below may stand
    anywhere on the line.
    """


_OF_A_RUN = re.compile(r"ftcore (chat|merge|report|resume) [^,]+$")
"""A fix that is a line about a run: what made the run must be there again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code is one of those that `ftcore.errors` lists."""
    with sturdy_streams() as out:
        code = _main(sys.argv[1:] if arguments is None else arguments)
        out.flush()
        if out.failure is None or code:
            return code
        return _show(
            ResourceError(
                f"the output could not be written: {out.failure.strerror}",
                where="stdout",
                fix="ftcore … > ANOTHER/FILE",
            )
        )


def _main(arguments: Sequence[str]) -> int:
    try:
        try:
            return _carried_out(arguments)
        except click.exceptions.NoSuchOption as error:
            raise _no_such_option(error) from None
    except FtcoreError as error:
        return _show(error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.BadOptionUsage as error:
        needs = "" if "does not take" in error.message else " VALUE"
        return _show(UsageError(error.format_message(), fix=f"{error.option_name}{needs}"))
    except click.ClickException as error:
        ctx = getattr(error, "ctx", None)
        return _show(UsageError(error.format_message(), fix=f"{ctx.command_path if ctx else 'ftcore'} --help"))
    except (KeyboardInterrupt, click.exceptions.Abort):
        return 130
    except BaseException as error:
        # SystemExit too: click itself calls sys.exit for the shell's completion alone, so somebody else's code has.
        if isinstance(error, SystemExit) and "_FTCORE_COMPLETE" in os.environ:
            raise
        return _crash(error)
    finally:
        options.__init__()  # type: ignore[misc]  # nothing of a line outlives it, for callers that run several


def _carried_out(arguments: Sequence[str]) -> int:
    result = cli.main(options.take(arguments), prog_name="ftcore", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _no_such_option(error: click.exceptions.NoSuchOption) -> UsageError:
    """A setting that is known by this name comes before one that is spelled nearly so."""
    from ftcore.cli.options import Setting
    from ftcore.settings import shown

    command = error.ctx.command_path if error.ctx else "ftcore"
    parameters = error.ctx.command.get_params(error.ctx) if error.ctx else ()
    typed, value = _as_typed(error.option_name)
    prefix, dot, name = error.option_name.removeprefix("--").partition(".")
    fields = {p.dotted: p.field for p in parameters if isinstance(p, Setting)}
    own = {dotted: field for dotted, field in fields.items() if dot and dotted.startswith(f"{prefix}.")}
    siblings = {dotted.partition(".")[2]: field for dotted, field in own.items()}
    word = name or prefix
    guess = _known(word, value, own) or _known(word, value, fields) or _near(prefix, word, value, siblings)
    if not guess and (elsewhere := _of_another([prefix, *KINDS], word, typed, value)):
        return elsewhere
    known = [option for p in (*parameters, *cli.params) for option in p.opts]
    if not guess and not dot and (near := closest(error.option_name, known)):
        guess = near, shown(error.option_name, value)
    return UsageError(
        f"there is no option {typed}" + (f" (did you mean {guess[0]}?)" if guess else ""),
        fix=f"{command} … {_with_value(*guess, parameters)}" if guess else f"{command} --help",
        more=[f"settings here: {', '.join(siblings)}"] if siblings and not guess else [],
    )


def _near(prefix: str, name: str, value: str, siblings: Mapping[str, Any]) -> tuple[str, Any] | None:
    from ftcore.settings import meant

    found = meant(name, value, siblings)
    return (f"--{prefix}.{found[0]}", found[1]) if found else None


def _known(word: str, value: str, fields: Mapping[str, Any]) -> tuple[str, Any] | None:
    """`--epochs` means `--train.epochs`, and `--output_dir` means `--out`."""
    from ftcore.run.choose import KNOWN_AS
    from ftcore.settings import called

    if key := KNOWN_AS.get(word):
        return f"--{key}", value
    for dotted in sorted(fields, key=lambda dotted: not dotted.endswith(f".{word}")):
        if found := called(word, value, {dotted.partition(".")[2]: fields[dotted]}):
            return f"--{dotted}", found[1]
    return None


def _with_value(option: str, value: Any, parameters: Iterable[click.Parameter]) -> str:
    is_flag = any(option in p.opts and getattr(p, "is_flag", False) for p in (*parameters, *cli.params))
    return f"{option} {value}" if value and not is_flag else option


def _as_typed(option: str) -> tuple[str, str]:
    """The option as it stands on the line, which click gives with underscores where a command takes both; its value."""
    for word, following in zip(options.typed, [*options.typed[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name.replace("-", "_") == option.replace("-", "_"):
            return name, shlex.quote(text) if (text := value if equals else following) and text[:2] != "--" else ""
    return option, ""


def _of_another(axes: Iterable[str], setting: str, typed: str, value: str) -> UsageError | None:
    """The error for a setting that belongs to components which are not chosen here."""
    for axis in axes:
        owners = with_setting(options.manager(), axis, setting, value) if axis in KINDS else []
        if owners:
            owner, name, said = owners[0]
            return UsageError(
                f"there is no option {typed} here; it is a setting of the {KINDS[axis].title} {owner!r}",
                fix=f"--{axis} {owner} --{axis}.{name} {said}".rstrip(),
                more=[f"others have it too: {', '.join(other for other, *_ in owners[1:])}"] if owners[1:] else [],
            )
    return None


def _show(error: FtcoreError) -> int:
    if error.fix and _OF_A_RUN.search(error.fix) and "--plugin" not in error.fix:
        error.fix += options.files
    if options.json_errors:
        click.echo(json.dumps(error.record(), ensure_ascii=False), err=True)
    else:
        head, *rest = error.lines()
        click.echo(click.style(head, fg="red", bold=True), err=True)
        for line in rest:
            click.echo(click.style(line, bold=True) if line.startswith("  try: ") else line, err=True)
    return error.exit_code


def _crash(error: BaseException) -> int:
    """A bug: all that helps to mend it goes into a file, and the terminal is told whose it is."""
    from ftcore.loading.blame import culprit
    from ftcore.loading.words import in_words

    report, said = f"report it with the file {_crash_file(error)}", in_words(error)
    found = culprit(error, options.plugins())
    if found is None:
        return _show(FtcoreError(f"ftcore has a bug: {said}", fix=report))
    plugin, where = found
    return _show(PluginError(f"the plugin {plugin.key} {plugin.version} has a bug: {said}", where=where, fix=report))


def _crash_file(error: BaseException) -> str:
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="ftcore-crash-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"ftcore {ftcore.__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"ftcore {' '.join(sys.argv[1:])}\n\n")
        file.write("".join(traceback.format_exception(error)))
    return file.name


def entry() -> None:
    """What the installed command calls."""
    open_closed_descriptors()
    sys.exit(main())
