"""Writes every step and every evaluation into `metrics.jsonl`, one JSON object a line, in full precision.

It deliberately draws and summarises nothing; the modules beside it read the numbers back for those who do.
"""

from ftcore import Ref, ReporterSpec, hookimpl


@hookimpl
def ftcore_reporters():
    yield ReporterSpec(
        name="metrics",
        summary="metrics.jsonl in the run folder: one line a step, full precision",
        default=True,
        factory=Ref("ftcore_plugins.metrics.reporter:MetricsReporter"),
    )
