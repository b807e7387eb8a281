"""Plan → Loaded: the tokenizer, the rows as tokens, then the weights. What can fail cheaply fails first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import FtcoreError, ModelError, ResourceError
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.manager import PluginManager
from ftcore.protocols import HardwareBackend, ModelLoader, TuningMethod
from ftcore.run import team
from ftcore.run.announce import Announcer
from ftcore.run.lock import require_same_inputs
from ftcore.run.plan import Plan
from ftcore.run.prepare import Prepared, prepare
from ftcore.run.quiet import quiet
from ftcore.run.tokens import ensure_template
from ftcore.types import Finding

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Clock:
    """Seconds spent in each phase of a run, by the phase's title."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[title] = self.seconds.get(title, 0.0) + time.perf_counter() - began


@dataclass(slots=True)
class Loaded:
    """What was read from disk, before the method touches the model."""

    plan: Plan
    folder: Path
    loader: ModelLoader
    backend: HardwareBackend
    method: TuningMethod
    tokenizer: PreTrainedTokenizerBase
    prepared: Prepared
    model: PreTrainedModel
    announcer: Announcer
    clock: Clock = field(default_factory=Clock)


def load(plan: Plan, manager: PluginManager, folder: Path, announcer: Announcer) -> Loaded:
    """Raises DataError, ModelError or ResourceError."""
    quiet()
    clock = Clock()
    loader, backend, method = plan.model.build(), plan.backend.build(), plan.method.build()
    with clock.phase("reading and tokenising rows"):
        announcer.announce(PhaseStarted("reading and tokenising rows"))
        tokenizer, findings = load_tokenizer(loader)
        team.by_first(lambda: require_same_inputs(folder, plan, loader, tokenizer))
        prepared = team.by_first(lambda: prepare(plan, manager, tokenizer, folder, lambda n: _every(n, announcer)))
    with clock.phase("loading the model"):
        announcer.announce(PhaseStarted("loading the model"))
        model = load_model(plan, loader, backend, method)
        size = _embeddings(model)
        _must_embed(size, prepared.largest_token(), loader.name())
        findings += _padding(tokenizer, size, loader.name())
    plan = dataclasses.replace(plan, findings=(*plan.findings, *findings, *prepared.findings, *_context(plan, model)))
    return Loaded(plan, folder, loader, backend, method, tokenizer, prepared, model, announcer, clock)


def load_tokenizer(loader: ModelLoader) -> tuple[PreTrainedTokenizerBase, list[Finding]]:
    """A tokenizer that can pad and render conversations, and what had to be added for that."""
    quiet()
    tokenizer = loader.tokenizer()
    findings = []
    if ensure_template(tokenizer):
        findings.append(
            Finding("note", "the model brings no chat template; a plain one is used and saved with the result")
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, findings


def load_model(plan: Plan, loader: ModelLoader, backend: HardwareBackend, method: TuningMethod) -> PreTrainedModel:
    """The base model on its device, in the precision of the plan. Raises ModelError or ResourceError."""
    import torch

    options: dict[str, Any] = {
        "dtype": getattr(torch, plan.precision.weights),
        "device_map": {"": backend.device()},
        **method.load_options(),
    }
    try:
        return loader.model(**options)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(
            f"the model does not fit into memory: {error}", fix="a smaller model, or one in four bits"
        ) from None
    except FtcoreError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        is_shape = "ignore_mismatched_sizes" in str(error)  # what transformers then advises would be wrong
        reason = "its weights have other shapes than config.json says" if is_shape else str(error)
        raise ModelError(
            f"the model cannot be loaded: {reason}", where=loader.name(), fix="fetch the model again"
        ) from error


def attached(plan: Plan, method: TuningMethod, model: Any) -> Any:
    """The model as the method makes it trainable. Raises PluginError where `attach` gives something else."""
    from torch import nn

    tuned = method.attach(model)
    if not isinstance(tuned, nn.Module):
        given = "nothing" if tuned is None else f"a {type(tuned).__name__}"
        raise plan.method.fault(f"returns {given} from attach, not the model", method.attach, "return model")
    return tuned


def _embeddings(model: Any) -> int:
    embedding = model.get_input_embeddings()
    return int(embedding.num_embeddings if hasattr(embedding, "num_embeddings") else embedding.weight.shape[0])


def _must_embed(size: int, largest: int, name: str) -> None:
    """Raise ModelError when the rows hold a token that the model has no embedding for: the tokenizer is another's."""
    if largest >= size:
        raise ModelError(
            f"the rows hold the token {largest}, but the model has {size} embeddings; its tokenizer is not its own",
            where=name,
            fix="copy the tokenizer files of the original model into the folder",
        )


def _padding(tokenizer: PreTrainedTokenizerBase, size: int, name: str) -> Iterator[Finding]:
    """Pad with the end token where the model has no embedding for the one that pads: which it is teaches nothing.

    Raises ModelError where it has none for the end token either.
    """
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id >= size:
        token = tokenizer.pad_token
        _must_embed(size, tokenizer.eos_token_id if tokenizer.eos_token_id is not None else size, name)
        tokenizer.pad_token = tokenizer.eos_token
        yield Finding("note", f"the model has no embedding for the token {token!r}; rows are padded with the end token")


def _context(plan: Plan, model: Any) -> list[Finding]:
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and plan.train.max_length > limit:
        return [
            Finding(
                "warning",
                f"train.max_length {plan.train.max_length} is longer than the {limit} tokens the model was made for",
                f"--train.max_length {limit}",
            )
        ]
    return []


def _every(count: int, announcer: Announcer) -> None:
    if count % 500 == 0:
        announcer.announce(PhaseAdvanced(count))
