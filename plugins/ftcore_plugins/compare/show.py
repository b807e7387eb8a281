"""Shows a comparison at the terminal."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftcore_plugins.compare import table
from ftcore_plugins.compare.comparison import Comparison
from ftcore_plugins.compare.files import title
from ftcore_plugins.metrics.words import shown

PIPED_WIDTH = 160
"""Columns where nobody sees an edge: a table that goes into a file is not folded."""


def show(comparison: Comparison) -> None:
    """The table, its notes and warnings on stdout. Texts go through `Text`, never through rich's markup."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
    grid = Table(box=box.SIMPLE_HEAD, title=Text(title(comparison), style="bold"), title_justify="left", pad_edge=False)
    headers, lines = table.headers(comparison), list(table.lines(comparison))
    shown_columns = table.fitting([headers, *(line.cells for line in lines)], console.width)
    for header in (headers[column] for column in shown_columns):
        is_text = header in ("", "method", "beaten by")
        is_number = not is_text or not header
        grid.add_column(Text(header), justify="left" if is_text else "right", no_wrap=is_number, overflow="fold")
    for line in lines:
        cells = [Text(line.cells[column]) for column in shown_columns]
        grid.add_row(*cells, style="green" if line.is_on_front else None)
    console.print(grid)
    if len(shown_columns) < len(headers):
        left_out = [headers[column] for column in range(len(headers)) if column not in shown_columns]
        console.print(Text(f"There is no room for {', '.join(left_out)}; compare.md has all columns.", style="dim"))
    for note in table.notes(comparison):
        console.print(Text(note, style="dim"))
    for each in comparison.absent:
        console.print(Text.assemble((each.state, "bold red"), f": {shown(each.name)}: {shown(each.reason)}"))
    for warning in comparison.warnings:
        console.print(Text.assemble(("warning", "bold yellow"), f": {shown(warning)}"))
