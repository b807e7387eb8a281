"""Example → token ids and labels: which text the model reads, and which of its tokens it learns.

The rendered text is exactly what the chat template gives at inference. Nothing is cut or masked silently: every row
says what happened to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftcore.run.border import ended, piece
from ftcore.types import ChatExample, TextExample

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
    `num_trained` counts tokens in the loss; `unlearned` are the turns that were to be learned, and that read otherwise
    here, inside a longer conversation, than when they are written; `is_joined` that a tokenizer would join the end of
    the prompt and the beginning of the answer, which are two tokens here as they are at inference. `fault` says why the
    row teaches nothing: a few words to count by, and a sentence.
    """

    columns: Mapping[str, Any]
    num_tokens: int
    num_trained: int
    length: int
    is_cut: bool
    doubled_bos: bool = False
    lacks_bos: bool = False
    special_in_text: bool = False
    unlearned: tuple[int, ...] = ()
    is_joined: bool = False
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

    What is read before a learned turn has the ids that inference would give the model (`ftcore.run.border`), and the
    turn is learned to its end, the end-of-turn token included. What follows the last learned turn is left out.
    """
    unlearned: tuple[int, ...] = ()
    if isinstance(example, TextExample):
        ids: list[int] = tokenizer(ended(example.text, tokenizer))["input_ids"]
        labels, joined = list(ids), False
    else:
        ids, labels, unlearned, joined = _labelled(example, tokenizer, template)
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
        lacks_bos=lacks_bos(ids, tokenizer),
        special_in_text=spells_special(_texts(example), tokenizer),
        unlearned=unlearned,
        is_joined=joined,
        fault=None if trained else ("nothing to learn", _why_nothing(len(ids), max_length)),
    )


def _labelled(
    example: ChatExample, tokenizer: Any, template: str
) -> tuple[list[int], list[int], tuple[int, ...], bool]:
    """Ids, labels, the turns that cannot be learned in this row, and whether a border lies inside a token.

    The row is that of its last learned turn. An earlier turn is learned where the row holds its prompt and its answer
    as they are when it is written; a template may treat it differently once others follow (dropping its thinking, say).
    """
    wanted = [index for index, turn in enumerate(example.turns) if turn.is_trained]
    if template == "none" and wanted != [len(example.turns) - 1]:
        raise ValueError("without a chat template a row is one prompt and one answer; this one has more turns")
    if not wanted:
        return [], [], (), False
    turns = example.turns
    pieces = [piece(turns[:at], (turns[at],), example.tools, tokenizer, template) for at in wanted]
    ids = pieces[-1].prompt + pieces[-1].answer
    labels = [IGNORED] * len(ids)
    unlearned = []
    for at, one in zip(wanted, pieces, strict=True):
        start, end = len(one.prompt), len(one.prompt) + len(one.answer)
        if ids[:end] == one.prompt + one.answer:
            labels[start:end] = one.answer
        else:
            unlearned.append(at)
    return ids, labels, tuple(unlearned), any(one.is_joined for one in pieces)


def unrolled(
    example: ChatExample,
    left: tuple[int, ...],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    template: str = "chat",
) -> Iterator[tuple[Encoded, ChatExample]]:
    """The rows beside the example's own in which the turns that are `left` are learned as they will be written.

    Each is the conversation up to the last turn that no row has yet, and learns what others it can on the way. One that
    is too long to teach anything is left out.
    """
    while left:
        turns = tuple(
            dataclasses.replace(turn, trained=at in left) for at, turn in enumerate(example.turns[: left[-1] + 1])
        )
        part = dataclasses.replace(example, turns=turns)
        encoded = encode(part, tokenizer, max_length, template)
        if not encoded.fault:
            yield encoded, part
        left = encoded.unlearned


def _why_nothing(length: int, limit: int) -> str:
    if length > limit:
        return f"nothing to learn: the prompt alone fills train.max_length {limit} (the row has {length} tokens)"
    return "nothing to learn: no turn of the row is an answer"


def begins_twice(ids: Sequence[int], tokenizer: Any) -> bool:
    """Whether the start token stands there twice, once from the text and once from the tokenizer."""
    bos = tokenizer.bos_token_id
    return bos is not None and list(ids[:2]) == [bos, bos]


def lacks_bos(ids: Sequence[int], tokenizer: Any) -> bool:
    """Whether the row begins without the start token that the tokenizer itself puts before any text."""
    bos = tokenizer.bos_token_id
    return bos is not None and bool(ids) and ids[0] != bos and adds_bos(tokenizer)


def adds_bos(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def spells_special(texts: Sequence[str], tokenizer: Any) -> bool:
    """Whether a text spells a special token, which the model would read as the real one."""
    return any(token in text for text in texts for token in tokenizer.all_special_tokens)


def ensure_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Give a tokenizer without a chat template a plain one, which is saved with the result. True if it needed one."""
    if tokenizer.chat_template:
        return False
    tokenizer.chat_template = ("{{ bos_token }}" if adds_bos(tokenizer) else "") + PLAIN_TEMPLATE
    return True


def _texts(example: ChatExample | TextExample) -> list[str]:
    return [example.text] if isinstance(example, TextExample) else [turn.content for turn in example.turns]
