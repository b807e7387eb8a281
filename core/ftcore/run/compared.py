"""Examples that compare, judge or ask → token ids: a prompt, and the answers to it that are not simply learned.

The prompt is the text after which the model writes at inference; an answer is what follows it, its end-of-turn token
included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ftcore.run import border, rows, tokens
from ftcore.run.tokens import Encoded
from ftcore.types import ChatExample, Example, FeedbackExample, PreferenceExample, PromptExample, TextExample, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int, template: str = "chat") -> Encoded:
    """Any example as its kind asks for.

    - `chat`, `text`: `input_ids`, `labels`
    - `preference`: `prompt_ids`, `chosen_ids`, `rejected_ids`, `margin` (NaN where nobody said)
    - `feedback`: `prompt_ids`, `completion_ids`, `good`
    - `prompt`: `prompt_ids`

    A prompt and the longer of its answers have at most `max_length` tokens together; answers are cut at their end.
    """
    if isinstance(example, (ChatExample, TextExample)):
        return tokens.encode(example, tokenizer, max_length, template)
    if isinstance(example, PreferenceExample):
        return _preference(example, tokenizer, max_length, template)
    if isinstance(example, FeedbackExample):
        return _feedback(example, tokenizer, max_length, template)
    return _prompt(example, tokenizer, max_length, template)


def _preference(example: PreferenceExample, tokenizer: Any, limit: int, template: str) -> Encoded:
    if wrong := rows.fault(example):
        return Encoded(columns={}, num_tokens=0, num_trained=0, length=0, is_cut=False, fault=wrong)
    sides = [
        border.piece(example.prompt, side, example.tools, tokenizer, template)
        for side in (example.chosen, example.rejected)
    ]
    if sides[0].prompt != sides[1].prompt:
        raise ValueError("the chat template renders the prompt differently before the one answer and the other")
    prompt, (chosen, rejected) = sides[0].prompt, (side.answer for side in sides)
    room = max(0, limit - len(prompt))
    kept = chosen[:room], rejected[:room]
    length = len(prompt) + max(len(chosen), len(rejected))
    fault = None
    if not all(kept):
        fault = ("nothing to learn", _full(limit, length))
    elif kept[0] == kept[1]:
        is_cut = (chosen, rejected) != kept
        reason = f"cut to train.max_length {limit} both sides are equal (the row has {length} tokens)"
        fault = ("equal when cut", reason) if is_cut else ("equal when rendered", "both sides are equal once rendered")
    return _encoded(
        {
            "prompt_ids": prompt,
            "chosen_ids": kept[0],
            "rejected_ids": kept[1],
            "margin": float("nan") if example.margin is None else example.margin,
        },
        kept,
        prompt,
        (*example.prompt, *example.chosen, *example.rejected),
        tokenizer,
        length,
        limit,
        fault,
        any(side.is_joined for side in sides),
    )


def _feedback(example: FeedbackExample, tokenizer: Any, limit: int, template: str) -> Encoded:
    one = border.piece(example.prompt, example.answer, example.tools, tokenizer, template)
    prompt, answer = one.prompt, one.answer
    kept, length = answer[: max(0, limit - len(prompt))], len(prompt) + len(answer)
    fault = None if kept else ("nothing to learn", _full(limit, length))
    columns = {"prompt_ids": prompt, "completion_ids": kept, "good": example.good}
    turns = (*example.prompt, *example.answer)
    return _encoded(columns, (kept,), prompt, turns, tokenizer, length, limit, fault, one.is_joined)


def _prompt(example: PromptExample, tokenizer: Any, limit: int, template: str) -> Encoded:
    """A prompt is never cut: the model would be asked something else."""
    text = border.render_prompt(example.prompt, example.tools, tokenizer, template)
    ids = border.prompt_ids(text, tokenizer, template)
    fault = ("nothing to learn", _full(limit, len(ids))) if len(ids) >= limit else None
    return _encoded({"prompt_ids": ids}, (), ids, example.prompt, tokenizer, len(ids), limit, fault)


def _encoded(
    columns: dict[str, Any],
    answers: Sequence[list[int]],
    prompt: list[int],
    turns: Sequence[Turn],
    tokenizer: Any,
    length: int,
    limit: int,
    fault: tuple[str, str] | None,
    is_joined: bool = False,
) -> Encoded:
    answered = sum(map(len, answers))
    return Encoded(
        columns=columns,
        num_tokens=len(prompt) * max(1, len(answers)) + answered,
        num_trained=answered,
        length=length,
        is_cut=length > limit,
        doubled_bos=tokens.begins_twice(prompt, tokenizer),
        lacks_bos=tokens.lacks_bos(prompt, tokenizer),
        is_joined=is_joined,
        special_in_text=tokens.spells_special([turn.content for turn in turns], tokenizer),
        fault=fault,
    )


def _full(limit: int, length: int) -> str:
    return f"nothing to learn: the prompt alone fills train.max_length {limit} (the row has {length} tokens)"
