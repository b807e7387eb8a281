"""What a row means where answers are compared, judged or asked for: preferences, feedback, and prompts."""

from ftcore import FormatSpec, Ref, hookimpl


@hookimpl
def ftcore_dataset_formats():
    yield FormatSpec(
        name="preference",
        summary="chosen and rejected answers, with their prompt or as whole conversations",
        example="preference",
        priority=60,
        factory=Ref("ftcore_plugins.judgements.preference:Preference"),
    )
    yield FormatSpec(
        name="feedback",
        summary="an answer or a conversation, and a label that says whether it is good",
        example="feedback",
        priority=55,
        factory=Ref("ftcore_plugins.judgements.feedback:Feedback"),
    )
    yield FormatSpec(
        name="prompt",
        summary="prompts for the model to answer, with or without the right answer",
        example="prompt",
        priority=5,
        factory=Ref("ftcore_plugins.judgements.prompt:Prompt"),
    )
