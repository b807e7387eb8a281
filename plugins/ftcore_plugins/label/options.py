"""The options of a command that reads rows and runs nothing: `--data`, and the settings of the source that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ftcore.cli.options import ComponentCommand, Setting, flags_of, scan
from ftcore.run.plan import DataChoice


class WithData(ComponentCommand):
    """A command with `Axis("data")` among its parameters."""

    has_data = False

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        self.has_data = "data" in scan(args)[1]
        return super().make_context(info_name, args, *rest, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        every = super().get_params(ctx)
        return [p for p in every if not isinstance(p, Setting) or (self.has_data and p.dotted.startswith("data."))]

    def sources(self, ctx: click.Context, given: dict[str, Any]) -> Sequence[DataChoice]:
        """The sources that the line names, none if it names none. Raises UsageError for wrong settings."""
        from ftcore.run.resolve import resolve
        from ftcore.run.runfile import RunFile

        flags = flags_of(ctx, given)
        return resolve(self.manager, RunFile(), flags).data if "data" in flags else ()
