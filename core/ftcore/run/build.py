"""Loaded → Session: the method attached, the trainer built, nothing computed yet."""

from __future__ import annotations

import re
from typing import Any

from ftcore.errors import PluginError
from ftcore.parameters import new_head
from ftcore.protocols import InitialisedMethod
from ftcore.run.load import Loaded, attached
from ftcore.run.proof import must_leave_the_base_alone
from ftcore.run.session import Data, Session


def build(loaded: Loaded) -> Session:
    """Raises PluginError when the method leaves nothing to train or the strategy builds no trainer."""
    from transformers import set_seed

    from ftcore.run.head import under_head

    plan, prepared = loaded.plan, loaded.prepared
    # Adapters begin at random: the seed is set here so that the same plan begins with the same weights.
    set_seed(plan.train.seed)
    headed = under_head(plan.strategy.spec.head, loaded.model, loaded.tokenizer)
    base = list(headed.parameters())
    model = attached(plan, loaded.method, headed)
    must_leave_the_base_alone(plan, loaded.method.attach, base, model)
    if isinstance(loaded.method, InitialisedMethod):
        loaded.method.initialise(model, loaded.tokenizer)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise PluginError(
            f"the method {plan.method.spec.name!r} leaves no parameter to train",
            where=plan.method.plugin.key,
            more=[f"the model's parameters: {', '.join(_names(model))}"],
            fix=f"ftcore explain {plan.method.spec.name}",
        )
    if (head := new_head(model)) is not None and not any(p.requires_grad for p in head.parameters()):
        raise PluginError(
            f"the method {plan.method.spec.name!r} does not train the model's new head, though its record says so",
            where=plan.method.plugin.key,
            fix="train and save what ftcore.parameters.new_head gives, or leave heads out of the record",
        )
    if plan.train.gradient_checkpointing and not plan.method.spec.trains_base:
        # Recomputation starts from the block's input, which needs a gradient although the embedding is frozen.
        model.enable_input_require_grads()
    judged = prepared.heldout[: plan.evaluate.limit]
    session = Session(
        plan=plan,
        folder=loaded.folder,
        backend=loaded.backend,
        loader=loaded.loader,
        method=loaded.method,
        strategy=plan.strategy.build(),
        tokenizer=loaded.tokenizer,
        model=model,
        data=Data(
            train=prepared.open(prepared.trained),
            heldout=prepared.open(judged),
            heldout_examples=list(prepared.examples(judged)),
            train_examples=prepared.examples(prepared.trained),
            account=prepared.account(),
        ),
        announcer=loaded.announcer,
        clock=loaded.clock,
    )
    session.trainer = session.strategy.trainer(session)
    return session


def _names(model: Any) -> list[str]:
    """The names of the model's parameters, each once for all blocks: `model.layers.*.mlp.up_proj.weight`."""
    return list(dict.fromkeys(re.sub(r"\.\d+\.", ".*.", name) for name, _ in model.named_parameters()))
