"""Lets the model answer prompts in batches, as fast as two CPU cores allow. It judges nothing, and leaves the model be.

Held-out prompts are answered greedily, so that the same weights give the same answers; only `draw` draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftcore.errors import Interrupted
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.types import ChatExample, Example, FeedbackExample, PreferenceExample, PromptExample, Sample, Turn

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from ftcore.run.reload import Tuned
    from ftcore.run.session import Session

MAX_ROWS = 32
"""Prompts at once. Every step reads all weights once for the whole batch, which is what costs on a CPU."""

MAX_TOKENS = 16384
"""Tokens at once, prompts and answers together, so that the key-value cache of long prompts stays small."""


def prompts(examples: Iterable[Example]) -> list[tuple[ChatExample, str]]:
    """Each conversation up to its last learned turn, with that turn's text as the reference.

    Of answers that are compared the better one is the reference. Examples without a prompt (plain text, or a
    conversation that begins with the learned turn) are left out.
    """
    return [(ChatExample(turns, tools), reference) for turns, reference, tools in map(_asked, examples) if turns]


def _asked(example: Example) -> tuple[tuple[Turn, ...], str, tuple[Any, ...]]:
    match example:
        case ChatExample(turns, tools):
            last = max((index for index, turn in enumerate(turns) if turn.is_trained), default=0)
            return turns[:last], turns[last].content, tools
        case PreferenceExample():
            return example.prompt, example.chosen[-1].content, example.tools
        case FeedbackExample():
            return example.prompt, example.answer[-1].content if example.good else "", example.tools
        case PromptExample():
            return example.prompt, example.reference, example.tools
    return (), "", ()


def generate(session: Session) -> list[Sample]:
    """What the model now writes for `session.prompts()`, in their order.

    The prompts are rendered as in training; an answer ends at the end of the turn or after `evaluate.max_new_tokens`.
    A classifier, such as a reward model, writes nothing.
    """
    asked = session.prompts()
    if not asked or not _writes(session.model):
        return []
    from ftcore.run.border import prompt_ids, render_prompt

    template = getattr(session.plan.strategy.settings, "template", "auto")
    texts = [render_prompt(chat.turns, chat.tools, session.tokenizer, template) for chat, _ in asked]
    rows = [prompt_ids(text, session.tokenizer, template) for text in texts]
    outputs = _answers(session, rows, stop_tokens(session.model, session.tokenizer, template))
    return [
        Sample(prompt=chat.turns[-1].content, reference=reference, output=output, turns=chat.turns)
        for (chat, reference), output in zip(asked, outputs, strict=True)
    ]


def _writes(model: nn.Module) -> bool:
    can_generate: Any = getattr(model, "can_generate", None)
    return can_generate is None or bool(can_generate())


def batches(lengths: Sequence[int], new_tokens: int) -> Iterator[list[int]]:
    """Row numbers, longest row first, put together so that little is padded and no batch is beyond the bounds."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = lengths[batch[0]] if batch else lengths[index]
        if batch and (len(batch) == MAX_ROWS or (len(batch) + 1) * (longest + new_tokens) > MAX_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    yield batch


def stop_tokens(model: nn.Module, tokenizer: PreTrainedTokenizerBase, template: str) -> list[int]:
    """The tokens that end an answer: the tokenizer's, the model's own, and the one that closes a turn in the template.

    The last matters for a base model whose end-of-text token is not what its chat template ends a turn with.
    """
    config = getattr(model, "generation_config", None)
    own = getattr(config, "eos_token_id", None)
    found = [tokenizer.eos_token_id, *(own if isinstance(own, (list, tuple)) else [own])]
    if template != "none":
        found.append(_end_of_turn(tokenizer))
    return sorted({token for token in found if token is not None})


def _end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    answer = "ok"
    turns = [Turn("user", "hello"), Turn("assistant", answer)]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    tail = tokenizer(text.rpartition(answer)[2], add_special_tokens=False)["input_ids"]
    is_marker = bool(tail) and tail[0] in {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    return tail[0] if is_marker else None


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as tokens and as text. When it `ended` by itself, the last token is the one that ended it."""

    ids: list[int]
    text: str
    ended: bool


def draw(
    session: Session | Tuned, rows: Sequence[list[int]], new_tokens: int, temperature: float, top_p: float
) -> list[Written]:
    """An answer for each prompt (its token ids), drawn at random, as strategies need them that learn from their own.

    It ends at the end of the turn or after `new_tokens`. `top_p` leaves out the unlikeliest tokens beyond that share.
    """
    import torch

    template = getattr(session.plan.strategy.settings, "template", "auto")
    stops, padding = stop_tokens(session.model, session.tokenizer, template), session.tokenizer.pad_token_id
    config = _settings(new_tokens, stops, padding, do_sample=True, temperature=temperature, top_p=top_p, top_k=0)
    found: dict[int, Written] = {}
    with _answering(session), torch.no_grad():
        for batch in batches([len(row) for row in rows], new_tokens):
            prompts = _left_padded([rows[index] for index in batch], padding, _device(session.model))
            ids_BT = session.model.generate(**prompts, generation_config=config)
            for index, ids in zip(batch, ids_BT[:, len(rows[batch[0]]) :].tolist(), strict=True):
                end = next((place + 1 for place, token in enumerate(ids) if token in stops), None)
                found[index] = Written(ids[:end], _text(ids, stops, session.tokenizer), end is not None)
    return [found[index] for index in range(len(rows))]


def _answers(session: Session, rows: Sequence[list[int]], stops: list[int]) -> list[str]:
    import torch
    from transformers import StoppingCriteriaList

    new_tokens = session.plan.evaluate.max_new_tokens
    padding = session.tokenizer.pad_token_id
    outputs = [""] * len(rows)
    session.emit(PhaseStarted("writing answers to held-out prompts", len(rows)))
    done = 0
    with _answering(session), torch.no_grad():
        for batch in batches([len(row) for row in rows], new_tokens):
            watch = _Watch(session, stops, done, width=len(rows[batch[0]]))
            ids_BT = session.model.generate(
                **_left_padded([rows[index] for index in batch], padding, _device(session.model)),
                generation_config=_settings(new_tokens, stops, padding, do_sample=False),
                stopping_criteria=StoppingCriteriaList([watch]),
            )
            written = ids_BT[:, len(rows[batch[0]]) :].tolist()
            for index, ids in zip(batch, written, strict=True):
                outputs[index] = _text(ids, stops, session.tokenizer)
            done += len(batch)
            session.emit(PhaseAdvanced(done))
    return outputs


def _text(ids: list[int], stops: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    end = next((place for place, token in enumerate(ids) if token in stops), len(ids))
    return str(tokenizer.decode(ids[:end], skip_special_tokens=True))


def _left_padded(rows: Sequence[list[int]], padding: int, device: Any) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, (rows, longest). What is written must follow the prompt without a gap."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[padding] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return {"input_ids": ids, "attention_mask": mask}


def _device(model: nn.Module) -> Any:
    return next(model.parameters()).device


def _settings(new_tokens: int, stops: list[int], padding: int, **sampling: Any) -> Any:
    from transformers import GenerationConfig

    return GenerationConfig(
        **sampling,
        max_new_tokens=new_tokens,
        num_beams=1,
        use_cache=True,
        eos_token_id=stops or None,
        pad_token_id=padding,
    )


@contextmanager
def _answering(session: Session | Tuned) -> Iterator[None]:
    """Evaluation mode, in the precision of training; afterwards each module is as it was, and so are the defaults.

    The model's own generation settings (its temperature, its penalties) are put aside, or they would mix with ours.
    """
    import torch
    from transformers import GenerationConfig

    model = session.model
    modes = [(module, module.training) for module in model.modules()]
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    own = getattr(base, "generation_config", None)
    autocast = session.plan.precision.autocast
    context = torch.autocast(_device(model).type, getattr(torch, autocast)) if autocast else nullcontext()
    head = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    hook = head.register_forward_pre_hook(_contiguous) if head is not None else None
    model.eval()
    if own is not None:
        base.generation_config = GenerationConfig()
    try:
        with context:
            yield
    finally:
        if hook is not None:
            hook.remove()
        if own is not None:
            base.generation_config = own
        for module, training in modes:
            module.training = training


def _contiguous(_head: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """After the prompt only each row's last state is asked for, a slice with gaps. On a processor torch would multiply
    it row by row, each with its own copy of the head's weights: 1.8 GB and 3 s for 32 rows of a 135M model."""
    return (inputs[0].contiguous(), *inputs[1:])


class _Watch:
    """A stopping criterion that stops no answer: it tells how many are finished, and heeds a signal."""

    def __init__(self, session: Session, stops: list[int], done: int, width: int) -> None:
        self.session, self.stops, self.before, self.width = session, stops, done, width
        self.finished = 0

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:  # noqa: ARG002
        import torch

        if self.session.stop_signal is not None:
            raise Interrupted(self.session.stop_signal, where=str(self.session.folder), fix=self._fix())
        stops = torch.tensor(self.stops, device=input_ids.device)
        finished = int(torch.isin(input_ids[:, self.width :], stops).any(dim=1).sum())
        if finished > self.finished and finished < len(input_ids):
            self.session.emit(PhaseAdvanced(self.before + finished))
        self.finished = finished
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    def _fix(self) -> str:
        return f"ftcore resume {self.session.folder}"
