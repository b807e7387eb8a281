"""Proof that a run saves what it trained: all of it, and nothing else has changed.

Before the first step and after the last one every parameter that trains must be in the method's `state`. After it, no
other weight may have moved. What was written is compared as others would load it. Only weights are looked at; whether
they are any good is for evaluators to say.

It costs little beside training: addresses are compared before numbers, a few numbers are kept of each weight, and the
artifact is read tensor by tensor. It is loaded as a whole only where its tensors have other names than the model's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ftcore.errors import ModelError
from ftcore.loading.words import few
from ftcore.parameters import differences, new_head
from ftcore.protocols import TuningMethod
from ftcore.run.plan import Choice, Plan
from ftcore.run.reload import ADAPTER, outline, whole_model
from ftcore.run.session import Session
from ftcore.run.stored import Stored, of_model

SAMPLE = 64
"""Numbers that are kept of each weight. An optimizer's step moves nearly all of a weight's."""

TOLERANCE = {"float32": 1e-3}
"""Largest difference of a logit, as a share of the largest logit, where only answers can be compared."""
ROUGH = 5e-2
"""The same for what computes with half the bits."""


def must_leave_the_base_alone(plan: Plan, attach: Any, base: Iterable[nn.Parameter], model: nn.Module) -> None:
    """Raise PluginError where a weight of `base` trains, and the record of the method does not say `trains_base`.

    The new head that a strategy has put on the model is no part of the base.
    """
    if plan.method.spec.trains_base:
        return
    head = new_head(model)
    theirs = {id(parameter) for parameter in base} - {id(p) for p in (head.parameters() if head is not None else ())}
    if names := [name for name, p in model.named_parameters() if p.requires_grad and id(p) in theirs]:
        what = "trains weights of the base model, and its record does not say so"
        raise plan.method.fault(what, attach, 'MethodSpec(trains_base=True, artifact="model", …)', [few(names)])


class Proof:
    """
    >>> proof = Proof(session)  # before the first step
    >>> proof.after_training()
    >>> proof.of_artifact(folder)
    """

    def __init__(self, session: Session) -> None:
        """Raises PluginError when the method's `state` lacks something that trains."""
        self._session, self._plan = session, session.plan
        named = dict(session.model.named_parameters())
        self._trained = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
        self._frozen = {name: _sample(p) for name, p in named.items() if not p.requires_grad and p.is_floating_point()}
        self._must_be_in_state()

    def after_training(self) -> None:
        """Raises PluginError when a weight has changed that should not, or what trained is not in `state`."""
        if moved := self._moved(self._frozen):
            choice, function = self._suspect("attach", "strategy", "trainer")
            raise choice.fault("changes weights that it did not say it would train", function, more=[few(moved)])
        self._must_be_in_state()
        self._ended = {name: _sample(parameter) for name, parameter in self._trained.items()}

    def of_artifact(self, folder: Path) -> None:
        """Raises PluginError when what stands in `folder` is not what was trained."""
        try:
            if moved := self._moved(self._ended):
                raise ValueError(f"it changes {few(moved)}")
            if self._plan.method.spec.artifact == "adapter":
                self._compare_adapter(folder)
            else:
                self._compare_model(folder)
        except (ValueError, OSError, ModelError) as error:
            choice, function = self._suspect("save", "exporter", "export")
            said = str(error).splitlines()[0]
            raise choice.fault(f"does not write what was trained: {said}", function) from error

    # The parts --------------------------------------------------------------------------------------------------------

    def _moved(self, samples: Mapping[str, Tensor]) -> list[str]:
        named = dict(self._session.model.named_parameters())
        kept = ((name, old) for name, old in samples.items() if name in named)
        return [name for name, old in kept if not torch.equal(_sample(named[name]), old)]

    def _must_be_in_state(self) -> None:
        method = self._session.method
        state = method.state(self._session.model)
        held = {(tensor.data_ptr(), tensor.numel()) for tensor in state.values()}
        rest = {name: p for name, p in self._trained.items() if (p.data_ptr(), p.numel()) not in held}
        if rest and (lost := _not_brought_back(rest, method, self._session.model, state)):
            what = f"trains what its state does not hold: {few(lost)}"
            raise self._plan.method.fault(what, method.state, "return ftcore.parameters.trainable_state(model)")

    def _compare_adapter(self, folder: Path) -> None:
        if not (folder / ADAPTER).is_file():
            raise ValueError(f"there is no {ADAPTER}")
        expected, stored = self._session.method.state(self._session.model), Stored(folder / ADAPTER)
        if other := differences(expected, stored):
            raise ValueError(other)
        _must_be_equal(expected, stored, self._may_round())

    def _compare_model(self, folder: Path) -> None:
        model = self._session.model
        if other := differences(_parameters(model), _parameters(outline(self._plan, folder))):
            self._must_answer_alike(folder, other)  # in training it may have another form
        else:
            _must_be_stored(model, self._plan, folder, self._may_round())

    def _may_round(self) -> bool:
        """An exporter from elsewhere may be there to write another precision; what is built in writes what it has."""
        return not self._plan.exporter.plugin.is_built_in

    def _must_answer_alike(self, folder: Path, other: str) -> None:
        precision, device = self._plan.precision, self._session.backend.device()
        used = precision.autocast or precision.weights
        found = whole_model(self._plan, folder, device=device)
        with torch.autocast(torch.device(device).type, getattr(torch, used), enabled=used != "float32"):
            expected, given = (answers_of(each, self._session.tokenizer) for each in (self._session.model, found))
        if not (expected - given).abs().max() <= TOLERANCE.get(used, ROUGH) * expected.abs().max():
            raise ValueError(f"loaded again it answers otherwise; {other}")

    def _suspect(self, member: str, axis: str, theirs: str) -> tuple[Choice[Any], Any]:
        """The method, unless it is built in and the plugin of another axis had a hand in it."""
        choice: Choice[Any] = getattr(self._plan, axis)
        if self._plan.method.plugin.is_built_in and not choice.plugin.is_built_in:
            return choice, getattr(choice.build(), theirs)
        return self._plan.method, getattr(self._session.method, member)


def must_be_read_as(model: nn.Module, plan: Plan, folder: Path) -> None:
    """Raise ValueError or OSError unless what stands in `folder` is read as the plain model that was written there."""
    if other := differences(_parameters(model), _parameters(outline(plan, folder))):
        raise ValueError(other)
    _must_be_stored(model, plan, folder)


@torch.no_grad()
def answers_of(model: Any, tokenizer: Any) -> Tensor:
    """What a model says of a short text that any can read: its logits, or its score."""
    text = tokenizer("The quick brown fox jumps over 13 lazy dogs.", return_tensors="pt", return_token_type_ids=False)
    answers: Tensor = model.eval()(**text.to(next(model.parameters()).device)).logits.float()
    return answers


def _parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _must_be_stored(model: nn.Module, plan: Plan, folder: Path, may_round: bool = False) -> None:
    expected, stored = _parameters(model), of_model(folder)
    mine = {name: stored[name] for name in expected.keys() & stored.keys()}  # maps of the file, not yet read
    if differences(expected, mine):  # transformers may write tensors under other names, or several as one
        mine = _parameters(whole_model(plan, folder))
    _must_be_equal(expected, mine, may_round)


def _must_be_equal(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], may_round: bool) -> None:
    """Raise ValueError unless the numbers are the same, whatever the type in which they are held, or are those of the
    type when rounded to it."""
    if unequal := [name for name, tensor in expected.items() if not _are_equal(tensor.cpu(), found[name], may_round)]:
        raise ValueError(f"other numbers stand in {few(unequal)}")


def _are_equal(expected: Tensor, found: Tensor, may_round: bool) -> bool:
    rounded = expected.to(found.dtype)
    return torch.equal(rounded, found) and (may_round or torch.equal(rounded.to(expected.dtype), expected))


def _not_brought_back(
    parameters: Mapping[str, Tensor], method: TuningMethod, model: nn.Module, state: Mapping[str, Tensor]
) -> list[str]:
    """Those that loading the state does not put back once they are lost: it may hold copies, or another form."""
    kept = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    copies = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        try:
            for parameter in parameters.values():
                parameter.fill_(torch.nan)
            method.load_state(model, copies)
            return [name for name, parameter in parameters.items() if not torch.equal(parameter, kept[name])]
        except ValueError:  # what is not there cannot be loaded
            return list(parameters)
        finally:
            for name, parameter in parameters.items():
                parameter.copy_(kept[name])


def _sample(parameter: Tensor) -> Tensor:
    """Some of a weight's numbers, spread evenly over it."""
    flat = parameter.detach().flatten()
    return flat[:: max(1, len(flat) // SAMPLE)].clone()
