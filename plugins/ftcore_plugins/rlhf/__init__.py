"""`ftcore rlhf`: several trainings that build on each other, written in one file. The front.

demo.yaml      what runs where no file is named
pipeline.py    the file: what all stages share, what each says itself, and which stage it builds on
plans.py       every stage's plan, made and checked before the first begins
training.py    the stages one after the other, each an ordinary run
results.py     pipeline.json, the table and the page

It trains nothing itself, and knows no strategy by name: what a stage needs stands in the record of its strategy.
"""

from ftcore import CommandSpec, Ref, hookimpl


@hookimpl
def ftcore_commands():
    yield CommandSpec(
        name="rlhf",
        summary="Tune, learn what people prefer, and learn from that: stages in one file.",
        factory=Ref("ftcore_plugins.rlhf.command:rlhf"),
        resumes="pipeline.yaml",
        keys=("stages",),
    )
