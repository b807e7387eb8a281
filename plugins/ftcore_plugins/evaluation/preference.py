"""Does the model prefer what people preferred? Asked about held-out pairs, without writing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ftcore.errors import Interrupted
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.types import Evaluation
from ftcore_plugins.evaluation.calibration import expected_calibration_error, reliability

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ftcore.run.session import Session

MAX_TOKENS = 2048
"""Tokens at once, so that neither activations nor the logits of the answers need more than some hundred megabytes."""


class Preference:
    """`accuracy` is the share of pairs whose chosen answer the model gives more; `margin` is by how much on average.

    Of a language model that is the log-probability of the answer a token, in nats; of a reward model its score. A
    reward model also says how sure it is of a pair, and `calibration_error` is by how much that is off.
    """

    def evaluate(self, session: Session) -> Evaluation:
        pairs = session.data.heldout
        session.emit(PhaseStarted("comparing held-out pairs", len(pairs)))
        margins: list[float] = []
        with _asked(session):
            for rows in _batches(pairs):
                if session.stop_signal is not None:
                    fix = f"ftcore resume {session.folder}"
                    raise Interrupted(session.stop_signal, where=str(session.folder), fix=fix)
                chosen, rejected = _scores(session, rows).chunk(2)
                margins += (chosen - rejected).tolist()
                session.emit(PhaseAdvanced(len(margins)))
        accuracy = sum(margin > 0 for margin in margins) / len(margins)
        metrics = {"accuracy": accuracy, "margin": fmean(margins)}
        if not _is_reward_model(session.model):
            return Evaluation(metrics)
        bins = reliability(margins)
        metrics["calibration_error"] = expected_calibration_error(bins)
        return Evaluation(metrics, table=tuple(map(asdict, bins)))


def _batches(pairs: Any) -> Iterator[list[Mapping[str, Any]]]:
    """Pairs of like length together, the longest first, so that little is padded."""
    longest_first = sorted(pairs, key=_length, reverse=True)
    batch: list[Mapping[str, Any]] = []
    for pair in longest_first:
        if batch and 2 * _length(batch[0]) * (len(batch) + 1) > MAX_TOKENS:
            yield batch
            batch = []
        batch.append(pair)
    yield batch


def _length(pair: Mapping[str, Any]) -> int:
    return len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))


def _scores(session: Session, rows: Sequence[Mapping[str, Any]]) -> Tensor:
    """What the model gives for each answer, the chosen ones first: (2 · pairs,)."""
    from ftcore.pairs import PairCollator, log_probabilities

    model = session.model
    device = next(model.parameters()).device
    batch = {name: tensor.to(device) for name, tensor in PairCollator(session.tokenizer.pad_token_id)(rows).items()}
    if _is_reward_model(model):
        scores: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return scores.float().squeeze(-1)
    sums, lengths = log_probabilities(model, batch)
    return sums / lengths


def _is_reward_model(model: nn.Module) -> bool:
    """A classifier with a single class. Classifiers have no head that gives tokens."""
    config: Any = getattr(model, "config", None)
    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(config, "num_labels", None) == 1 and "SequenceClassification" in type(base).__name__


@contextmanager
def _asked(session: Session) -> Iterator[None]:
    """Evaluation mode, in the precision of training and without gradients; afterwards each module is as it was."""
    import torch

    modes = [(module, module.training) for module in session.model.modules()]
    autocast = session.plan.precision.autocast
    device = next(session.model.parameters()).device.type
    session.model.eval()
    try:
        with torch.no_grad(), torch.autocast(device, getattr(torch, autocast)) if autocast else nullcontext():
            yield
    finally:
        for module, training in modes:
            module.training = training
