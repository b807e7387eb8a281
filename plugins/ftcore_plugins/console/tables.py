"""The tables that the terminal shows: the plan, the result, samples side by side, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ftcore.types import Finding
from ftcore_plugins.console.facts import Pairs
from ftcore_plugins.metrics.comparison import Change, headline
from ftcore_plugins.metrics.words import shown

WIDE = 110
"""Columns from which four texts fit side by side."""

SAMPLE_CHARACTERS = 300
LEVELS = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
VERDICTS = {"better": ("▲ better", "green"), "worse": ("▼ worse", "red"), "same": ("= same", "dim"), "": ("", "")}


def plan(pairs: Pairs) -> RenderableType:
    return Panel(_grid(pairs), title="plan", title_align="left", border_style="cyan", box=box.ROUNDED)


def finding(finding: Finding) -> RenderableType:
    text = Text.assemble((finding.level, LEVELS[finding.level]), f": {shown(finding.message)}")
    return text.append(f"\n  try: {shown(finding.fix)}", style="dim") if finding.fix else text


def result(report: Mapping[str, Any], changes: Sequence[Change]) -> RenderableType:
    """The headline in a panel, with every metric before and after."""
    title = Text(shown(headline(report)), style="bold")
    if not changes:
        return Panel(title, title="result", title_align="left", border_style="green", box=box.ROUNDED)
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="", pad_edge=False)
    table.add_column("metric")
    for name in ("before", "after", "change"):
        table.add_column(name, justify="right")
    table.add_column("")
    for change in changes:
        word, style = VERDICTS[change.verdict]
        new = Text(change.after, style=f"bold {style}".strip())
        table.add_row(Text(shown(change.label)), change.before, new, change.difference, Text(word, style=style))
    colour = {"worse": "red", "better": "green"}.get(changes[0].verdict, "cyan")
    return Panel(table, title="result", title_align="left", border_style=colour, box=box.ROUNDED)


def samples(samples: Sequence[Mapping[str, Any]], wide: bool) -> RenderableType:
    """Prompt, wanted, before and after: side by side where there is room, else below each other."""
    return _side_by_side(samples) if wide else _stacked(samples)


def following(pairs: Pairs) -> RenderableType:
    return _grid(pairs)


def _side_by_side(samples: Sequence[Mapping[str, Any]]) -> RenderableType:
    columns = [column for column in ("prompt", "reference", "before", "after") if _has(samples, column)]
    table = Table(box=box.ROUNDED, show_lines=True, border_style="dim", expand=True)
    for column in columns:
        table.add_column("wanted" if column == "reference" else column, ratio=1, overflow="fold")
    for sample in samples:
        table.add_row(*(_cell(sample, column) for column in columns))
    return table


def _stacked(samples: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = Table(box=box.ROUNDED, show_header=False, border_style="dim", expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for sample in samples:
        for column in ("prompt", "reference", "before", "after"):
            if _has(samples, column):
                table.add_row("wanted" if column == "reference" else column, _cell(sample, column))
        table.add_section()
    return table


def _cell(sample: Mapping[str, Any], column: str) -> Text:
    text = sample.get(column)
    if text is None:
        return Text("–", style="dim")
    cell = Text(shown(text, SAMPLE_CHARACTERS)) if text else Text("(nothing)", style="dim")
    if column in ("before", "after") and text.strip() == str(sample.get("reference", "")).strip():
        cell.append("  ✓ as wanted", style="green")
    return cell


def _has(samples: Sequence[Mapping[str, Any]], column: str) -> bool:
    return any(sample.get(column) is not None for sample in samples)


def _grid(pairs: Pairs) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, text in pairs:
        grid.add_row(Text(title), Text(shown(text)))
    return grid
