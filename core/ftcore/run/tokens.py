"""Example → token ids and labels: which text the model reads, and which of its tokens it learns.

The rendered text is exactly what the chat template gives at inference. Nothing is cut or masked silently: every row
says what happened to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftcore.types import ChatExample, TextExample, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that is read but not learned (PyTorch's `ignore_index`)."""

# For base models, which bring no template: the layout of Stanford Alpaca, which ends each answer with the end token and
# separates turns *before* them, so that nothing is learned after the end token.
PLAIN_TEMPLATE = (
    "{% for m in messages %}{% if not loop.first %}{{ '\n\n' }}{% endif %}"
    "{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{{ '### Response:\n' + m['content'] + eos_token }}"
    "{% elif m['role'] == 'tool' %}{{ '### Result:\n' + m['content'] }}"
    "{% else %}{{ '### Instruction:\n' + m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n\n### Response:\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One row as the model will see it.

    `columns` is what goes to disk: for what is learned as it stands, `input_ids` and `labels` of the same length, at
    most the limit, where a label is the token itself or `IGNORED`. `length` is the row's length before it was cut;
    `num_trained` counts tokens in the loss; `unlearned_turns` counts turns that were to be learned but that the
    template renders differently inside a longer conversation. `fault` says why the row teaches nothing: a few words to
    count by, and a sentence.
    """

    columns: Mapping[str, Any]
    num_tokens: int
    num_trained: int
    length: int
    is_cut: bool
    doubled_bos: bool = False
    special_in_text: bool = False
    unlearned_turns: int = 0
    fault: tuple[str, str] | None = None

    @property
    def input_ids(self) -> list[int]:
        ids: list[int] = self.columns["input_ids"]
        return ids

    @property
    def labels(self) -> list[int]:
        labels: list[int] = self.columns["labels"]
        return labels


def encode(
    example: ChatExample | TextExample, tokenizer: PreTrainedTokenizerBase, max_length: int, template: str = "chat"
) -> Encoded:
    """Render, tokenise, label and cut an example that is learned as it stands.

    Labels follow the text: a token is learned when it begins inside a learned turn, which runs from the end of the
    generation prompt to the end of the turn as rendered, the end-of-turn token included.
    """
    if isinstance(example, TextExample):
        text, special, unlearned = _end(example.text, tokenizer), True, 0
        spans = [(0, len(text))]
    elif template == "none":
        text, spans = _joined(example, tokenizer)
        special, unlearned = True, 0
    else:
        text, spans, unlearned = _rendered(example, tokenizer)
        special = False
    encoding = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
    ids: list[int] = encoding["input_ids"]
    labels = [
        token if any(start <= begin < end for start, end in spans) else IGNORED
        for token, (begin, _) in zip(ids, encoding["offset_mapping"], strict=True)
    ]
    kept = labels[:max_length]
    trained = sum(label != IGNORED for label in kept[1:])  # the first token of a row is never predicted
    is_cut = len(ids) > max_length
    return Encoded(
        columns={"input_ids": ids[:max_length], "labels": kept},
        num_tokens=len(kept),
        num_trained=trained,
        length=len(ids),
        is_cut=is_cut,
        doubled_bos=begins_twice(ids, tokenizer),
        special_in_text=spells_special(_texts(example), tokenizer),
        unlearned_turns=unlearned,
        fault=None if trained else ("nothing to learn", _why_nothing(len(ids), max_length, unlearned)),
    )


def _why_nothing(length: int, limit: int, unlearned: int) -> str:
    if length > limit:
        return f"nothing to learn: the prompt alone fills train.max_length {limit} (the row has {length} tokens)"
    if unlearned:
        return "nothing to learn: the model's chat template renders the answer differently inside the conversation"
    return "nothing to learn: no turn of the row is an answer"


def begins_twice(ids: Sequence[int], tokenizer: Any) -> bool:
    """Whether the start token stands there twice, once from the text and once from the tokenizer."""
    bos = tokenizer.bos_token_id
    return bos is not None and list(ids[:2]) == [bos, bos]


def spells_special(texts: Sequence[str], tokenizer: Any) -> bool:
    """Whether a text spells a special token, which the model would read as the real one."""
    return any(token in text for text in texts for token in tokenizer.all_special_tokens)


def render_prompt(
    turns: Sequence[Turn],
    tools: Sequence[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    template: str = "chat",
) -> str:
    """The text after which the model is to write: the same as in training, up to the answer."""
    if template == "none":
        return "\n".join(turn.content for turn in turns)
    return apply_template(tokenizer, turns, tools, add_generation_prompt=True)


def ensure_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Give a tokenizer without a chat template a plain one, which is saved with the result. True if it needed one."""
    if tokenizer.chat_template:
        return False
    tokenizer.chat_template = PLAIN_TEMPLATE
    return True


def _rendered(example: ChatExample, tokenizer: Any) -> tuple[str, list[tuple[int, int]], int]:
    """The whole conversation, and the spans of characters that are learned.

    A template may treat a turn differently once others follow (dropping earlier thinking, say). Such a turn has no span
    of its own in the text, so it is not learned, and counted.
    """
    text = apply_template(tokenizer, example.turns, example.tools)
    spans: list[tuple[int, int]] = []
    unlearned = 0
    for index, turn in enumerate(example.turns):
        if not turn.is_trained:
            continue
        earlier, until = example.turns[:index], example.turns[: index + 1]
        before = apply_template(tokenizer, earlier, example.tools, add_generation_prompt=True) if index else ""
        through = text if until == example.turns else apply_template(tokenizer, until, example.tools)
        if text.startswith(before) and text.startswith(through) and len(through) > len(before):
            spans.append((len(before), len(through)))
        else:
            unlearned += 1
    return text, spans, unlearned


def apply_template(tokenizer: Any, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], **kwargs: Any) -> str:
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    text: str = tokenizer.apply_chat_template(messages, tools=list(tools) or None, tokenize=False, **kwargs)
    return text


def _joined(example: ChatExample, tokenizer: Any) -> tuple[str, list[tuple[int, int]]]:
    """Prompt and answer put together as they are, for rows that bring their own layout."""
    if sum(turn.role == "assistant" for turn in example.turns) != 1 or example.turns[-1].role != "assistant":
        raise ValueError("without a chat template a row is one prompt and one answer; this one has more turns")
    prompt = "\n".join(turn.content for turn in example.turns[:-1])
    text = _end(prompt + example.turns[-1].content, tokenizer)
    return text, [(len(prompt), len(text))]


def _end(text: str, tokenizer: Any) -> str:
    eos = tokenizer.eos_token or ""
    return text if text.endswith(eos) else text + eos


def _texts(example: ChatExample | TextExample) -> list[str]:
    return [example.text] if isinstance(example, TextExample) else [turn.content for turn in example.turns]
