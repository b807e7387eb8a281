"""`ftcore sample`: several answers to every prompt from one finished run or from two, for somebody to judge."""

from ftcore import CommandSpec, Ref, hookimpl


@hookimpl
def ftcore_commands():
    yield CommandSpec(
        name="sample",
        summary="Let finished runs answer prompts, several times each.",
        factory=Ref("ftcore_plugins.sample.command:sample"),
    )
