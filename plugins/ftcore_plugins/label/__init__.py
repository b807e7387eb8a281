"""`ftcore label`: a page on this machine where people judge answers, and `labels:PROJECT`, the rows that come of it.

The page needs `ftcore[label]`; reading what was judged needs nothing but Python's own sqlite3.
"""

from ftcore import CommandSpec, Ref, SourceSpec, hookimpl


@hookimpl
def ftcore_commands():
    yield CommandSpec(
        name="label",
        summary="Judge answers on a local web page.",
        factory=Ref("ftcore_plugins.label.command:label"),
    )


@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(
        name="labels",
        summary="what people judged or wrote with ftcore label",
        argument="project",
        config=Ref("ftcore_plugins.label.config:LabelsConfig"),
        factory=Ref("ftcore_plugins.label.source:Labels"),
    )
