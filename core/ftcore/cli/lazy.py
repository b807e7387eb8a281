"""A group of commands of which only the one that is typed is imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ftcore.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """`table` maps the name of a command to where it stands, `package.module:command`, and its line of summary."""

    def __init__(self, *arguments: Any, table: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.table:
            module, _, name = self.table[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        names = self.list_commands(ctx)
        raise UsageError(
            f"there is no command {cmd_name!r}{did_you_mean(cmd_name, names)}", fix=f"{ctx.command_path} --help"
        )

    def summaries(self) -> dict[str, str]:
        """A line on each command, without importing any."""
        return {name: summary for name, (_, summary) in self.table.items()}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries().items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """click would import every command for its help; one that is broken would end the completion."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=text) for n, text in self.summaries().items() if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)
