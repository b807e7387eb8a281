"""Writes `report.html` into the run folder when a run has finished: one file, readable offline, to show to others.

It deliberately contains no script and loads nothing from anywhere; whatever rows and models say stays text.
"""

from ftcore import Ref, ReporterSpec, hookimpl


@hookimpl
def ftcore_reporters():
    yield ReporterSpec(
        name="html",
        summary="report.html in the run folder: the result, curves and samples in one file to pass on",
        default=True,
        config=Ref("ftcore_plugins.html.config:HtmlConfig"),
        factory=Ref("ftcore_plugins.html.reporter:HtmlReporter"),
    )
