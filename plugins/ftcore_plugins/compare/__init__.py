"""`ftcore compare`: which method suits my data? One run a method on an equal budget, one table, one picture.

It deliberately trains nothing itself: each run is an ordinary `ftcore run` in a process of its own.
"""

from ftcore import CommandSpec, Ref, hookimpl


@hookimpl
def ftcore_commands():
    yield CommandSpec(
        name="compare",
        summary="Compare methods on your data, or finished runs.",
        factory=Ref("ftcore_plugins.compare.command:compare"),
    )
