"""What full fine-tuning does beyond the contract of all methods, and the helpers that it stands on."""

import pytest
import torch
from torch import nn

from ftcore.errors import ModelError
from ftcore.parameters import count, decoder_blocks, freeze_all, load_trainable, trainable_state
from ftcore.testing.tiny import ARCHITECTURES, tiny_model, tiny_tokenizer
from ftcore_plugins.full.config import FullConfig
from ftcore_plugins.full.method import Full


def test_every_parameter_trains_even_one_that_was_frozen():
    model = tiny_model()
    freeze_all(model)
    trainable, total = count(Full(FullConfig()).attach(model))
    assert trainable == total == sum(parameter.numel() for parameter in model.parameters())


def test_a_tied_head_is_checkpointed_once():
    tied, untied = (set(trainable_state(tiny_model(tied=tied))) for tied in (True, False))
    assert untied - tied == {"lm_head.weight"}


def test_a_refused_state_changes_nothing():
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in trainable_state(model).items()}
    wrong = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    wrong["model.norm.weight"] = torch.zeros(3)
    with pytest.raises(ValueError, match=r"another shape: model.norm.weight is \[3\], not \[64\]"):
        load_trainable(model, wrong)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainable_state(model).items())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_are_found_in_every_architecture(architecture):
    model = tiny_model(architecture)
    assert len(decoder_blocks(model)) == model.config.num_hidden_layers == 2


def test_experts_are_not_taken_for_blocks():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(1, 1) for _ in range(8))

    model = nn.Module()
    model.layers = nn.ModuleList(Block() for _ in range(3))
    assert decoder_blocks(model) is model.layers


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ModelError, match="no stack of equal blocks"):
        decoder_blocks(nn.Linear(2, 2))


def test_the_tiny_model_is_reproducible_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = tiny_model(seed=1), tiny_model(seed=1), tiny_model(seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.lm_head.weight, again.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    assert first.lm_head.weight is first.model.embed_tokens.weight


def test_the_tiny_tokenizer_speaks_chatml_byte_by_byte():
    tokenizer = tiny_tokenizer()
    assert len(tokenizer) == tiny_model().config.vocab_size
    assert len(tokenizer("naïve 7 🙂")["input_ids"]) == len("naïve 7 🙂".encode())
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert ids.count(tokenizer.eos_token_id) == 2
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
