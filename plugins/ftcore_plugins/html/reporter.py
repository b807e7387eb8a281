"""Writes the page once, when the run has finished and its report is known."""

from __future__ import annotations

from ftcore.events import Event, RunFinished
from ftcore.run.folder import write_text
from ftcore_plugins.html.config import HtmlConfig
from ftcore_plugins.html.page import render


class HtmlReporter:
    """`report.html` appears whole or not at all."""

    def __init__(self, settings: HtmlConfig | None = None) -> None:
        self._settings = settings or HtmlConfig()

    def handle(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            write_text(event.folder / "report.html", render(event.report, event.folder, self._settings))
