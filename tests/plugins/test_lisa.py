"""LISA beyond the contract: what trains when, what it costs, and that a seed decides."""

from itertools import pairwise

import pytest
import torch
from transformers import AutoModelForCausalLM

from ftcore.errors import ModelError
from ftcore.manager import PluginManager
from ftcore.parameters import decoder_blocks
from ftcore.testing.probes import batch
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import save_tiny, tiny_model
from ftcore_plugins.lisa.config import LisaConfig
from ftcore_plugins.lisa.method import Lisa

NUM_BLOCKS = 6


def model_of_six_blocks():
    config = tiny_model().config
    config.num_hidden_layers = NUM_BLOCKS
    config.layer_types = None
    return AutoModelForCausalLM.from_config(config)


def started(seed=0, **settings):
    method, model = Lisa(LisaConfig(**settings)), model_of_six_blocks()
    method.attach(model)
    torch.manual_seed(seed)
    method.begin(model, 100)
    return method, model


def training(model):
    """The numbers of the blocks that train, each of which trains whole or not at all."""
    share = [{parameter.requires_grad for parameter in block.parameters()} for block in decoder_blocks(model)]
    assert all(len(each) == 1 for each in share)
    return {number for number, each in enumerate(share) if True in each}


def draws(method, model, steps):
    drawn = [training(model)]
    for step in range(1, steps + 1):
        method.after_step(model, step)
        drawn.append(training(model))
    return drawn


def test_embedding_norm_and_head_always_train_and_as_many_blocks_as_asked_for():
    method, model = started(blocks=2, every=1)
    for drawn in draws(method, model, 5):
        assert len(drawn) == 2
        outside = [p for name, p in model.named_parameters() if ".layers." not in name]
        assert len(outside) == 2, "the head is tied to the embedding"
        assert all(parameter.requires_grad for parameter in outside)


def test_blocks_are_drawn_every_so_many_steps_and_in_time_all_of_them():
    method, model = started(blocks=1, every=3)
    drawn = draws(method, model, 120)
    changes = [step for step, (before, after) in enumerate(pairwise(drawn), start=1) if before != after]
    assert changes
    assert all(step % 3 == 0 for step in changes)
    assert set().union(*drawn) == set(range(NUM_BLOCKS))


def test_the_seed_decides():
    first, again, other = (draws(*started(seed, blocks=1, every=1), 20) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_frozen_block_keeps_no_gradient():
    method, model = started(blocks=1, every=1)
    model(**batch()).loss.backward()
    draws(method, model, 3)
    for number, block in enumerate(decoder_blocks(model)):
        if number not in training(model):
            assert all(parameter.grad is None for parameter in block.parameters())


def test_more_blocks_than_there_are_train_all():
    assert training(started(blocks=50)[1]) == set(range(NUM_BLOCKS))


def test_it_goes_on_drawing_where_it_was():
    method, model = started(blocks=2, every=2)
    draws(method, model, 5)
    other, fresh = Lisa(LisaConfig(blocks=2, every=2)), model_of_six_blocks()
    other.attach(fresh)
    other.load_progress(fresh, method.progress(model))
    torch.manual_seed(9)
    other.begin(fresh, 100)
    assert draws(other, fresh, 20) == draws(method, model, 20)


def test_the_optimizer_remembers_only_what_trains(tmp_path):
    """That is the memory which LISA saves."""
    manager = PluginManager.discover()
    method = {"name": "lisa", "blocks": 1, "every": 1}
    ready = session(plan(manager, save_tiny(tmp_path / "base"), tmp_path, more={"method": method}), manager)
    start = {name: parameter.detach().clone() for name, parameter in ready.model.named_parameters()}
    ready.trainer.train()
    remembered = list(ready.trainer.optimizer.state)
    assert remembered
    assert all(parameter.requires_grad for parameter in remembered)
    assert sum(parameter.numel() for parameter in remembered) < sum(p.numel() for p in ready.model.parameters())
    assert all(not torch.equal(start[name], p) for name, p in ready.model.named_parameters()), "both blocks had a turn"


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ModelError, match="no stack of equal blocks"):
        Lisa(LisaConfig()).attach(torch.nn.Linear(4, 4))
