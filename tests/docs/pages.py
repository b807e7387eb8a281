"""Reads the pages of the documentation: their fenced blocks, links and headings. It runs nothing.

A comment before a block says what is special about it, invisibly to readers:

    <!-- test: exit 2 -->          its last command ends with this code
    <!-- test: interrupt -->       Ctrl-C is pressed after the second step
    <!-- test: not run: REASON --> its commands are not typed
    <!-- test: numbers vary -->    of the output shown, only the words must be so
    <!-- test: shown by the demo, … --> the demo test compares it
    <!-- test: at the end of FILE -->    it is added to a file that the page has shown
    <!-- test: in FILE, OLD becomes NEW --> it shows what a file has after a change
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")
_DIRECTIVE = re.compile(r"^<!-- test: (?P<text>.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block. `follows` is the kind of the block right before it, with only blank lines between."""

    page: Path
    line: int
    language: str
    title: str | None
    directive: str
    follows: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The words of each command line; comments and blank lines are none."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    inside, directive, before = False, "", ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside and line.startswith("```"):
            inside = False
        elif inside:
            found[-1].lines.append(line)
        elif fence:
            inside = True
            found.append(Block(page, number, fence["language"], fence["title"], directive, before))
            before, directive = fence["language"], ""
        elif line.strip():
            assert not line.startswith("```"), f"{page}:{number}: a fence that no test understands: {line}"
            said = _DIRECTIVE.match(line)
            directive = said["text"] if said else ""
            before = before if said else ""
    assert not inside, f"{page}: a block is never closed"
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```\s*$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not re.match(r"\w+:", link)]


def anchors(page: Path) -> set[str]:
    """What a heading can be linked by, as MkDocs makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}
