"""Writes a comparison into its folder: for programs, for people, and for pasting into a document."""

from __future__ import annotations

import datetime
from pathlib import Path

import ftcore
from ftcore.run.folder import writable, write_json, write_text
from ftcore_plugins.compare import table
from ftcore_plugins.compare.comparison import Comparison, budget, link, record
from ftcore_plugins.compare.picture import picture, words
from ftcore_plugins.html.svg import for_file, for_page
from ftcore_plugins.html.templates import template
from ftcore_plugins.metrics.words import counted, shown

MARKER = "compare.json"


def begin(folder: Path, command: str) -> None:
    """Make the folder, and mark it as one that a comparison may go on in."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARKER).is_file():
            write_json(folder / MARKER, {"command": command, "runs": []})


def write(comparison: Comparison, folder: Path) -> None:
    """compare.json, compare.md, compare.html and, where matplotlib is installed, compare.svg."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        drawn = picture(comparison)
        if drawn:
            write_text(folder / "compare.svg", for_file(drawn))
        write_text(folder / "compare.html", page(comparison, folder, drawn))
        write_text(
            folder / "compare.md", table.markdown(comparison, title(comparison), "compare.svg" if drawn else None)
        )
        write_json(folder / MARKER, record(comparison, folder))


def title(comparison: Comparison) -> str:
    """`3 runs: 40 steps of 8 rows, 41,200 tokens; judged by 32 held-out rows`."""
    return f"{counted(len(comparison.results), 'run')}: {budget(comparison.results)}"


def page(comparison: Comparison, folder: Path, drawn: str | None) -> str:
    now = datetime.datetime.now(datetime.UTC)
    text: str = template("ftcore_plugins.compare", "compare.html.j2").render(
        title=title(comparison),
        written=f"{now.day} {now:%B %Y}",
        svg=for_page(drawn) if drawn else None,
        words=words(comparison),
        headers=table.headers(comparison),
        lines=list(table.lines(comparison)),
        notes=table.notes(comparison),
        warnings=comparison.warnings,
        absent=comparison.absent,
        folders=[(shown(result.name), link(result.folder, folder)) for result in comparison.results],
        command=comparison.command,
        version=ftcore.__version__,
    )
    return text
