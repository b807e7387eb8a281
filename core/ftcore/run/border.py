"""Where reading ends and learning begins: the prompt exactly as inference gives it, and the answer's tokens behind it.

A tokenizer may join the end of a prompt and the beginning of an answer in one token (`' '` and `'yes'` in `' yes'`).
The model never meets that token at inference, where the prompt stands alone. So the border is drawn between ids: a
prompt is tokenised by itself, and the answer's ids are those that follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftcore.types import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tools = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Piece:
    """The ids that the model is given, and those that it is to write. `is_joined` where one token would hold both."""

    prompt: list[int]
    answer: list[int]
    is_joined: bool


def piece(
    earlier: Sequence[Turn], answer: Sequence[Turn], tools: Tools, tokenizer: PreTrainedTokenizerBase, template: str
) -> Piece:
    """An answer behind the turns before it. Raises ValueError where the template cannot render them so."""
    if template == "none":
        before = render_prompt(earlier, tools, tokenizer, template)
        through = ended(before + "".join(turn.content for turn in answer), tokenizer)
    else:
        before, through = _around(earlier, answer, tools, tokenizer)
    prompt = prompt_ids(before, tokenizer, template)
    whole = prompt_ids(through, tokenizer, template)
    if whole[: len(prompt)] == prompt:
        return Piece(prompt, whole[len(prompt) :], False)
    meant = tokenizer.decode(whole)
    candidates = list(_alone(through[len(before) :], tokenizer))
    return Piece(
        prompt, next((ids for ids in candidates if tokenizer.decode(prompt + ids) == meant), candidates[0]), True
    )


def prompt_ids(text: str, tokenizer: PreTrainedTokenizerBase, template: str) -> list[int]:
    """The ids of a rendered prompt. A template writes its own start token; text without one gets the tokenizer's.

    An end token that the tokenizer puts behind every text is left out: what the model is to go on with has not ended.
    """
    if template != "none":
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
    encoding = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids = encoding["input_ids"]
    for added, (begin, end) in zip(
        reversed(encoding["special_tokens_mask"]), reversed(encoding["offset_mapping"]), strict=True
    ):
        if not added or begin < end:
            break
        ids = ids[:-1]
    return ids


def render_prompt(
    turns: Sequence[Turn], tools: Tools, tokenizer: PreTrainedTokenizerBase, template: str = "chat"
) -> str:
    """The text after which the model is to write: the same as in training, up to the answer."""
    if template == "none":
        return "\n".join(turn.content for turn in turns)
    return apply_template(tokenizer, turns, tools, add_generation_prompt=True)


def apply_template(tokenizer: Any, turns: Sequence[Turn], tools: Tools, **kwargs: Any) -> str:
    """Raises ValueError, with the template's own words, for whatever the template raises: it is foreign code."""
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    try:
        text: str = tokenizer.apply_chat_template(messages, tools=list(tools) or None, tokenize=False, **kwargs)
    except Exception as error:
        roles = ", ".join(turn.role for turn in turns)
        raise ValueError(f"the chat template refuses a conversation of {roles or 'no turn'}: {error}") from error
    return text


def ended(text: str, tokenizer: Any) -> str:
    """Text with the end token behind it, unless it stands there already."""
    eos = tokenizer.eos_token or ""
    return text if eos and text.rstrip().endswith(eos) else text + eos


def _around(earlier: Sequence[Turn], answer: Sequence[Turn], tools: Tools, tokenizer: Any) -> tuple[str, str]:
    """The text that the model is given, and the same with the answer behind it."""
    through = apply_template(tokenizer, (*earlier, *answer), tools)
    before = _given(earlier, answer, tools, tokenizer)
    if through.startswith(before):
        if len(through) > len(before):
            return before, through
        raise ValueError("the chat template renders nothing of the answer")
    shared = _shared(before, through)
    if len(answer) > 1 or not (earlier and shared.startswith(apply_template(tokenizer, earlier, tools))):
        raise ValueError("the chat template renders the prompt differently once it is answered")
    return before, before + _behind(before[len(shared) :], answer[0], earlier, tools, tokenizer)


def _given(earlier: Sequence[Turn], answer: Sequence[Turn], tools: Tools, tokenizer: Any) -> str:
    """The generation prompt, or what is put before any answer: few templates have one for an empty conversation."""
    if earlier:
        return apply_template(tokenizer, earlier, tools, add_generation_prompt=True)
    return _frame(earlier, answer[0].role, tools, tokenizer)[0]


def _frame(earlier: Sequence[Turn], role: str, tools: Tools, tokenizer: Any) -> tuple[str, str]:
    """What a template puts before and behind the content of a turn, whatever the content is."""
    one, other = (apply_template(tokenizer, (*earlier, Turn(role, text)), tools) for text in ("one", "two"))
    return _shared(one, other), _shared(one[::-1], other[::-1])[::-1]


def _shared(one: str, other: str) -> str:
    """What two texts begin with."""
    return one[: next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))]


def _behind(opened: str, turn: Turn, earlier: Sequence[Turn], tools: Tools, tokenizer: Any) -> str:
    """The answer behind a generation prompt that has begun it, as templates of models that think first have it.

    A finished turn of theirs shows no thinking, so the text is the row's own: `<think>` … `</think>` and the answer.
    """
    tag = opened.strip()
    closing = f"</{tag[1:]}" if tag.startswith("<") else tag
    text = turn.content.lstrip()
    if text.startswith(tag) or (closing != tag and closing in text):
        return text.removeprefix(tag).lstrip("\n") + _frame(earlier, turn.role, tools, tokenizer)[1]
    raise ValueError(
        f"the generation prompt of the chat template ends in {opened!r}, which an answer without it cannot go on from: "
        f"begin the answer with {tag} … {closing}, or train with strategy.template none"
    )


def _alone(text: str, tokenizer: Any) -> Iterator[list[int]]:
    """The ids of a text that follows others: behind an anchor, since some tokenizers put a space before any text."""
    for anchor in (tokenizer.eos_token, "\n"):
        if anchor:
            first, both = (tokenizer(each, add_special_tokens=False)["input_ids"] for each in (anchor, anchor + text))
            if both[: len(first)] == first:
                yield both[len(first) :]
    yield tokenizer(text, add_special_tokens=False)["input_ids"]
