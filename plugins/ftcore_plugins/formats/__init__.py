"""What a row means, for supervised tuning: conversations, instructions, prompts with completions, and plain text.

Rows that compare or judge answers (chosen and rejected, or a yes-or-no label) are deliberately not recognised here.
"""

from ftcore import FormatSpec, Ref, hookimpl


@hookimpl
def ftcore_dataset_formats():
    yield FormatSpec(
        name="messages",
        summary="conversations as messages with role and content",
        example="chat",
        priority=50,
        factory=Ref("ftcore_plugins.formats.messages:Messages"),
    )
    yield FormatSpec(
        name="sharegpt",
        summary="conversations with from and value",
        example="chat",
        priority=40,
        factory=Ref("ftcore_plugins.formats.sharegpt:ShareGpt"),
    )
    yield FormatSpec(
        name="alpaca",
        summary="instruction, perhaps input, and output (or response, answer, completion)",
        example="chat",
        priority=30,
        factory=Ref("ftcore_plugins.formats.alpaca:Alpaca"),
    )
    yield FormatSpec(
        name="prompt-completion",
        summary="prompt (or question, query) and completion (or answer, response, output)",
        example="chat",
        priority=20,
        factory=Ref("ftcore_plugins.formats.prompt_completion:PromptCompletion"),
    )
    yield FormatSpec(
        name="text",
        summary="plain text in text or content, all of it learned",
        example="text",
        priority=10,
        factory=Ref("ftcore_plugins.formats.text:Text"),
    )
