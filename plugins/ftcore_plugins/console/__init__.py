"""Shows a run at the terminal: the plan, how it goes, and what came of it.

Everything goes to stderr. It deliberately says nothing about errors: the command line prints those.
"""

from ftcore import Ref, ReporterSpec, hookimpl


@hookimpl
def ftcore_reporters():
    yield ReporterSpec(
        name="console",
        summary="the plan, progress and the result at the terminal; plain lines in a log",
        default=True,
        config=Ref("ftcore_plugins.console.config:ConsoleConfig"),
        factory=Ref("ftcore_plugins.console.reporter:ConsoleReporter"),
    )
