"""For authors of strategies that learn from pairs of answers: a trainer that needs only a loss.

    class Margin:
        def trainer(self, session):
            return pairwise_trainer(session, lambda pairs: (1 - pairs.chosen_mean + pairs.rejected_mean).relu())

with `examples=("preference",)` in the record is a strategy. Everything else (batches, log-probabilities, metrics,
checkpoints) is here or comes with the session.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainingArguments

if TYPE_CHECKING:
    from ftcore.run.session import Session

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Pairs:
    """Log-probabilities of the answers of a batch, each given its prompt. All are tensors of shape (pairs,).

    `chosen` and `rejected` are sums over the answer's tokens, in nats; `chosen_length` and `rejected_length` count
    those tokens.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_length: Tensor
    rejected_length: Tensor

    @property
    def chosen_mean(self) -> Tensor:
        return self.chosen / self.chosen_length

    @property
    def rejected_mean(self) -> Tensor:
        return self.rejected / self.rejected_length


Loss = Callable[[Pairs], Tensor]
"""From the log-probabilities of a batch to one loss a pair, of shape (pairs,)."""


def pairwise_trainer(session: Session, loss: Loss) -> Trainer:
    """A guarded trainer whose loss is the mean of `loss` over the pairs.

    It reports how often the chosen answer is the likelier one a token, and by how much.
    """
    trainer = session.guarded(_PairwiseTrainer)(
        model=session.model,
        args=TrainingArguments(**session.arguments(), remove_unused_columns=False, label_names=["labels"]),
        train_dataset=session.data.train,
        eval_dataset=session.data.heldout if len(session.data.heldout) else None,
        data_collator=PairCollator(session.tokenizer.pad_token_id),
    )
    trainer.pair_loss = loss
    return trainer


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Rows with `prompt_ids`, `chosen_ids` and `rejected_ids` as one batch: the chosen ones first, then the others.

    Gives `input_ids`, `attention_mask` and `labels`, each (2 · pairs, longest); a label is `IGNORED` on the prompt.
    """

    padding: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        sides = [(row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows]
        return padded(sides, self.padding)


def padded(sides: Sequence[tuple[list[int], list[int]]], padding: int) -> dict[str, Tensor]:
    """Prompts with their answers as a batch, padded at the end."""
    longest = max(len(prompt) + len(answer) for prompt, answer in sides)

    def rows(values: Callable[[list[int], list[int]], list[int]], fill: int) -> Tensor:
        filled = [values(prompt, answer) for prompt, answer in sides]
        return torch.tensor([row + [fill] * (longest - len(row)) for row in filled])

    return {
        "input_ids": rows(lambda prompt, answer: prompt + answer, padding),
        "attention_mask": rows(lambda prompt, answer: [1] * (len(prompt) + len(answer)), 0),
        "labels": rows(lambda prompt, answer: [IGNORED] * len(prompt) + answer, IGNORED),
    }


def log_probabilities(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Sums of the log-probabilities of the labelled tokens, and how many those are: both (rows,), in float32."""
    labels_BT = batch["labels"][:, 1:]
    wanted_BT = labels_BT != IGNORED
    logits_NV, _ = answer_logits(model, batch)
    losses_N = cross_entropy(logits_NV.float(), labels_BT[wanted_BT], reduction="none")
    losses_BT = torch.zeros_like(labels_BT, dtype=torch.float32).masked_scatter(wanted_BT, losses_N)
    return -losses_BT.sum(dim=1), wanted_BT.sum(dim=1)


def answer_logits(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """The logits of the labelled tokens, (tokens, vocabulary), row by row, and the states that the model's head made
    them of, (tokens, width), or None where the head is not to be found.

    Logits are computed for the labelled tokens only: those of whole rows would be the largest tensors by far, 200 KB a
    token with a vocabulary of 49,000.
    """
    wanted_BT = batch["labels"][:, 1:] != IGNORED
    with _only(model, wanted_BT) as states:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    logits_NV = _at_the_end(logits, wanted_BT) if logits.dim() == 3 else logits
    return logits_NV, states[0] if states else None


@contextmanager
def _only(model: nn.Module, wanted_BT: Tensor) -> Iterator[list[Tensor]]:
    """Inside, the model's head sees the states at the wanted places only, and logits are of shape (wanted, vocabulary).

    What it saw is in the list afterwards. A model whose head is not to be found gives logits for whole rows, as always.
    """
    states: list[Tensor] = []
    plain: Any = getattr(model, "module", model)  # as it is inside of torch's wrapper for several processes
    head = plain.get_output_embeddings() if hasattr(plain, "get_output_embeddings") else None

    def pick(_head: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        states.append(_at_the_end(inputs[0], wanted_BT))
        return (states[0], *inputs[1:])

    hook = head.register_forward_pre_hook(pick) if head is not None else None
    try:
        yield states
    finally:
        if hook is not None:
            hook.remove()


def _at_the_end(values_BTX: Tensor, wanted_BT: Tensor) -> Tensor:
    """What stands before each wanted token. A method may put tokens of its own before the text, so the end counts."""
    chosen: Tensor = values_BTX[:, -wanted_BT.shape[1] - 1 : -1][wanted_BT]
    return chosen


class _PairwiseTrainer(Trainer):  # type: ignore[misc]
    pair_loss: Loss

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # the loss is a mean, to be averaged over micro batches
        self._seen: dict[bool, dict[str, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        sums, lengths = log_probabilities(model, inputs)
        pairs = Pairs(*sums.chunk(2), *lengths.chunk(2))
        loss = self.pair_loss(pairs).mean()
        with torch.no_grad():
            margins = pairs.chosen_mean - pairs.rejected_mean
            seen = self._seen[model.training]
            seen["accuracy"].append(float((margins > 0).float().mean()))
            seen["margin"].append(float(margins.mean()))
        return (loss, {"loss": loss}) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        # A step is logged after it was judged, so what judging saw must not go into its numbers.
        is_training = "eval_loss" not in logs
        for name, values in self._seen[is_training].items():
            logs[name if is_training else f"eval_{name}"] = sum(values) / len(values)
        self._seen[is_training].clear()
        super().log(logs, *args, **kwargs)
