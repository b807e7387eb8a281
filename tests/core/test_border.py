"""What the model reads before it learns is what it is given at inference, id for id, whatever the tokenizer does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.run.border import piece, prompt_ids, render_prompt
from ftcore.run.compared import encode
from ftcore.run.tokens import IGNORED, ensure_template, unrolled
from ftcore.types import ChatExample, FeedbackExample, PreferenceExample, PromptExample, Turn
from tests.core.tokenizers import TEMPLATES, tokenizer, with_template

KINDS = ("bytes", "metaspace", "wordpiece")
NAMED = (
    "the chat template refuses a conversation of",
    "the chat template renders nothing of the answer",
    "the chat template renders the prompt differently",
    "the generation prompt of the chat template ends in",
    "without a chat template a row is one prompt and one answer",
)

words = st.sampled_from(
    ["yes", "no", "positive", "hello there", "3 4", "café", "漢字", "a\nb", "<think>\nx\n</think>\n\ny"]
)
texts = st.tuples(st.sampled_from(["", " ", "\n", "\n\n"]), words, st.sampled_from(["", " ", "\n"])).map("".join)


@st.composite
def conversations(draw: st.DrawFn, last: str = "assistant") -> tuple[Turn, ...]:
    """One to eight turns that alternate, perhaps behind a system message, perhaps beginning with an answer."""
    roles = ["user", "assistant"] * draw(st.integers(1, 3))
    if draw(st.booleans()) and draw(st.booleans()):
        roles = roles[1:]
    if draw(st.booleans()):
        roles = ["system", *roles]
    if last == "user":
        roles = roles[:-1] or ["user"]
    return tuple(Turn(role, draw(texts)) for role in roles)


def require_named(error: ValueError) -> None:
    assert str(error).startswith(NAMED), error


def learned_spans(labels: list[int]) -> list[int]:
    """Where learning begins."""
    return [at + 1 for at, (before, now) in enumerate(pairwise(labels)) if before == IGNORED != now]


@settings(max_examples=300)
@given(turns=conversations(), kind=st.sampled_from(KINDS), template=st.sampled_from([*TEMPLATES, "none"]))
def test_what_is_read_before_a_learned_turn_is_what_inference_gives(turns, kind: str, template: str):
    made = with_template(kind, "chatml" if template == "none" else template)
    mode = "none" if template == "none" else "chat"
    try:
        encoded = encode(ChatExample(turns), made, 10_000, mode)
    except ValueError as error:
        require_named(error)
        return
    assert encoded.num_trained
    assert [label for label in encoded.labels if label != IGNORED], "something is learned"
    asked = {
        tuple(prompt_ids(render_prompt(turns[:at], (), made, mode), made, mode))
        for at, turn in enumerate(turns)
        if at and turn.role == "assistant"
    }
    rows = [encoded, *(row for row, _ in unrolled(ChatExample(turns), encoded.unlearned, made, 10_000, mode))]
    spans = [tuple(row.input_ids[:start]) for row in rows for start in learned_spans(row.labels)]
    of_first = [span for span in spans if span not in asked]
    assert len(of_first) <= (turns[0].role == "assistant"), "a prompt that inference never gives"
    assert asked <= {*spans}, "a turn is learned in no row as it will be written"


@settings(max_examples=300)
@given(turns=conversations(), kind=st.sampled_from(["bytes", "metaspace"]), template=st.sampled_from(list(TEMPLATES)))
def test_what_is_learned_by_heart_is_written_as_it_was(turns, kind: str, template: str):
    """The answer's ids behind the prompt's read as the row does. (WordPiece cannot: it drops blanks.)"""
    made = with_template(kind, template)
    try:
        one = piece(turns[:-1], turns[-1:], (), made, "chat")
    except ValueError:
        return
    written = made.decode(one.prompt + one.answer)
    assert turns[-1].content.split("</think>")[-1].strip() in written
    assert written.startswith(made.decode(one.prompt).rstrip(" "))


@settings(max_examples=200)
@given(
    prompt=conversations(last="user"), sides=st.tuples(texts, texts), kind=st.sampled_from(KINDS),
    template=st.sampled_from([*TEMPLATES, "none"]),
)  # fmt: skip
def test_every_kind_of_example_has_the_prompt_that_inference_gives(prompt, sides, kind: str, template: str):
    made = with_template(kind, "chatml" if template == "none" else template)
    mode = "none" if template == "none" else "chat"
    chosen, rejected = ((Turn("assistant", text),) for text in sides)
    examples = [
        PreferenceExample(prompt, chosen, rejected), FeedbackExample(prompt, chosen, True), PromptExample(prompt)
    ]  # fmt: skip
    for example in examples:
        try:
            encoded = encode(example, made, 10_000, mode)
        except ValueError as error:
            require_named(error)
            continue
        if not encoded.fault:
            wanted = prompt_ids(render_prompt(prompt, (), made, mode), made, mode)
            assert encoded.columns["prompt_ids"] == wanted


# The faults that were found ------------------------------------------------------------------------------------------


def read(encoded, made) -> tuple[str, str]:
    start = learned_spans(encoded.labels)[0]
    return made.decode(encoded.input_ids[:start]), made.decode(encoded.input_ids[start:])


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_an_answer_whose_first_token_begins_in_the_prompt_is_learned_whole(kind: str):
    made = tokenizer(kind)
    turns = (Turn("user", "What is the answer? Label: "), Turn("assistant", "positive"))
    encoded = encode(ChatExample(turns), made, 100, "none")
    assert read(encoded, made)[1].strip() == "positive</s>"
    assert encoded.is_joined


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_the_sides_of_a_pair_share_the_prompt_and_nothing_of_an_answer(kind: str):
    made = with_template(kind, "vicuna")
    answers = ("positive answer fine", "negative weather sure")
    pair = PreferenceExample((Turn("user", "Hello there"),), *((Turn("assistant", text),) for text in answers))
    columns = encode(pair, made, 100).columns
    sides = [made.decode(columns[f"{side}_ids"]).strip() for side in ("chosen", "rejected")]
    assert sides == [f"{text}</s>" for text in answers]
    assert made.decode(columns["prompt_ids"]).rstrip().endswith("ASSISTANT:")
    same = encode(PreferenceExample(pair.prompt, pair.chosen, (Turn("assistant", "positive thing"),)), made, 100)
    assert same.fault is None


def test_of_a_conversation_that_begins_with_an_answer_only_the_answer_is_learned():
    made = with_template("bytes", "chatml")
    turns = (Turn("assistant", "Hello, how are you?"), Turn("user", "fine"), Turn("assistant", "yes"))
    encoded = encode(ChatExample(turns), made, 200)
    before, _ = read(encoded, made)
    assert before == "<|im_start|>assistant\n"
    assert made.decode([label for label in encoded.labels if label != IGNORED]) == (
        "Hello, how are you?<|im_end|>\nyes<|im_end|>\n"
    )


def test_behind_a_generation_prompt_that_opens_thinking_the_rows_own_thinking_is_learned():
    made = with_template("bytes", "r1")
    turns = (Turn("user", "2?"), Turn("assistant", "<think>\none and one\n</think>\n\nyes"))
    assert read(encode(ChatExample(turns), made, 200), made) == (
        "<s><|User|>2?<|Assistant|><think>\n", "one and one\n</think>\n\nyes</s>"
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"ends in '<think>\\n'.* begin the answer with <think> … </think>"):
        encode(ChatExample((turns[0], Turn("assistant", "yes"))), made, 200)


@pytest.mark.parametrize(
    "turns",
    [
        (Turn("system", "be kind"), Turn("user", "hi"), Turn("assistant", "yes")),
        (Turn("user", "hi"), Turn("user", "there"), Turn("assistant", "yes")),
        (Turn("assistant", "hi"), Turn("user", "there"), Turn("assistant", "yes")),
    ],
)
def test_what_a_template_raises_is_said_of_the_row(turns):
    with pytest.raises(ValueError, match=r"the chat template refuses a conversation of .*: (System role|Conversation)"):
        encode(ChatExample(turns), with_template("bytes", "gemma"), 100)


def test_a_base_model_whose_tokenizer_adds_a_start_token_gets_it_from_the_plain_template_too():
    made = with_template("metaspace", "plain")
    made.chat_template = None
    ensure_template(made)
    turns = (Turn("user", "say yes"), Turn("assistant", "yes"))
    encoded = encode(ChatExample(turns), made, 100)
    assert encoded.input_ids[0] == made.bos_token_id
    assert encoded.input_ids[1] != made.bos_token_id
    assert not encoded.lacks_bos
    assert encode(ChatExample(turns), with_template("metaspace", "plain"), 100).lacks_bos
    assert not encode(ChatExample(turns), with_template("bytes", "plain"), 100).lacks_bos
