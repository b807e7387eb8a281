"""Soft prompts beyond the contract: where they begin, and that padding, caches and recomputation change no answer."""

import peft
import pytest
import torch
from pydantic import ValidationError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
    GenerationConfig,
)

from ftcore.errors import ModelError, UsageError
from ftcore.testing.probes import gradients, logits, train
from ftcore.testing.tiny import ARCHITECTURES, save_tiny, tiny_model, tiny_tokenizer
from ftcore_plugins.soft_prompts import words
from ftcore_plugins.soft_prompts.adaption import AdaptionPrompt
from ftcore_plugins.soft_prompts.config import AdaptionConfig, PrefixConfig, PromptConfig, PTuningConfig
from ftcore_plugins.soft_prompts.method import PromptTuning, PTuning
from ftcore_plugins.soft_prompts.prefix import PrefixTuning

PROMPT = (PromptTuning, PromptConfig)
P_TUNING = (PTuning, PTuningConfig)
PREFIX = (PrefixTuning, PrefixConfig)
ADAPTION = (AdaptionPrompt, AdaptionConfig)
TEXT = {"tokens": 10, "init": "text", "text": "Answer in JSON."}


def attach(kind, model=None, **settings):
    method_class, config_class = kind
    method = method_class(config_class(**{"tokens": 5, **settings}))
    torch.manual_seed(0)
    model = method.attach(tiny_model() if model is None else model)
    if hasattr(method, "initialise"):
        method.initialise(model.eval(), tiny_tokenizer())
    return method, model


def ids(length, seed=1):
    return torch.randint(3, 250, (1, length), generator=torch.Generator().manual_seed(seed))


def answer(model, ids, mask=None):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids) if mask is None else mask).logits


def written(model, ids, mask=None, count=6):
    """What is generated greedily, with a key-value cache."""
    config = GenerationConfig(max_new_tokens=count, do_sample=False, pad_token_id=0, eos_token_id=None)
    mask = torch.ones_like(ids) if mask is None else mask
    return model.generate(input_ids=ids, attention_mask=mask, generation_config=config)[:, ids.shape[1] :]


def written_without_cache(model, ids, count=6):
    for _ in range(count):
        ids = torch.cat([ids, answer(model, ids)[:, -1:].argmax(-1)], dim=1)
    return ids[:, -count:]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma2", "gpt2"])
@pytest.mark.parametrize("kind", [PROMPT, P_TUNING, PREFIX, ADAPTION])
def test_neither_padding_nor_a_cache_changes_an_answer(kind, architecture):
    if kind is ADAPTION and architecture in ("qwen3", "gemma2"):
        return
    _, model = attach(kind, tiny_model(architecture))
    train(model, steps=2)
    long, short, padding = ids(9), ids(5, seed=2), torch.zeros(1, 4, dtype=torch.long)
    expected = answer(model.eval(), short)
    right = torch.cat([long, torch.cat([short, padding], dim=1)]), torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    left = torch.cat([long, torch.cat([padding, short], dim=1)]), torch.tensor([[1] * 9, [0] * 4 + [1] * 5])
    torch.testing.assert_close(answer(model, *right)[1:, :5], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(answer(model, *left)[1:, 4:], expected, rtol=0, atol=1e-5)
    alone = torch.cat([written_without_cache(model, long), written_without_cache(model, short)])
    assert torch.equal(written(model, *left), alone)


@pytest.mark.parametrize("kind", [PROMPT, PREFIX])
@pytest.mark.parametrize(("architecture", "window"), [("llama", None), ("gemma2", 16), ("gpt2", None)])
def test_begun_from_words_it_answers_as_if_the_words_stood_before_the_text(kind, architecture, window, monkeypatch):
    """The check is independent of PEFT: the base model reads the words themselves. A window is shorter than the row."""
    if window:
        monkeypatch.setitem(ARCHITECTURES[architecture], "sliding_window", window)
    base = tiny_model(architecture).eval()
    _, model = attach(kind, tiny_model(architecture), **TEXT)
    before, text = words.of_text(tiny_tokenizer(), TEXT["text"], 10)[None], ids(30)
    whole = torch.cat([before, text], dim=1)
    torch.testing.assert_close(answer(model, text), answer(base, whole)[:, 10:], rtol=0, atol=1e-5)
    assert torch.equal(written(model, text), written(base, whole))


def test_a_text_is_repeated_or_cut_to_the_tokens_there_are():
    tokenizer = tiny_tokenizer()
    assert words.of_text(tokenizer, "ab", 5).tolist() == tokenizer("ababa")["input_ids"]
    assert words.of_text(tokenizer, "abcdef", 2).tolist() == tokenizer("ab")["input_ids"]
    with pytest.raises(UsageError, match="no tokens"):
        words.of_text(tokenizer, "", 3)


def test_vectors_from_the_vocabulary_are_embeddings_of_tokens_that_are_not_special():
    _, model = attach(PROMPT, tokens=200)
    embedding = model.get_base_model().get_input_embeddings().weight
    prompt = model.prompt_encoder["default"].embedding.weight.detach()
    drawn = torch.cdist(prompt, embedding).argmin(dim=1)
    assert torch.equal(embedding[drawn], prompt)
    assert not set(drawn.tolist()) & set(tiny_tokenizer().all_special_ids)
    assert len(set(drawn.tolist())) > 100


def test_random_vectors_are_as_widely_spread_as_embeddings():
    _, model = attach(PROMPT, tokens=200, init="random")
    embedding = model.get_base_model().get_input_embeddings().weight
    prompt = model.prompt_encoder["default"].embedding.weight
    assert prompt.std().item() == pytest.approx(embedding.std().item(), rel=0.05)


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        (PROMPT, lambda: peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)),
        (P_TUNING, lambda: peft.PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)),
        (PREFIX, lambda: peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)),
    ],
)
def test_loss_and_gradients_are_those_of_peft(kind, theirs):
    _, ours = attach(kind)
    other = peft.get_peft_model(tiny_model(), theirs())
    other.prompt_encoder.load_state_dict(ours.prompt_encoder.state_dict())
    expected, found = gradients(other), gradients(ours)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    # The label of a row's first token is learned from the last virtual token, in front; prefixes have no such place.
    row = ids(12)
    batch = {"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row}
    torch.testing.assert_close(ours(**batch).loss, other(**batch).loss)
    assert ours(**batch).logits.shape[1] == 12


@pytest.mark.parametrize("kind", [PROMPT, P_TUNING, PREFIX, ADAPTION])
def test_on_a_bfloat16_base_what_trains_is_float32(kind):
    method, model = attach(kind, tiny_model().bfloat16())
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = gradients(model)
    assert found.keys() == trained
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    train(model, steps=2)
    expected = logits(tiny_model().bfloat16())
    assert not torch.equal(logits(model), expected)
    with method.disabled(model):
        assert torch.equal(logits(model), expected)


@pytest.mark.parametrize("kind", [PROMPT, PREFIX, ADAPTION])
def test_over_four_bits_an_evaluation_between_steps_changes_no_gradient(kind, tmp_path):
    folder = save_tiny(tmp_path / "base")
    options = BitsAndBytesConfig(load_in_4bit=True)
    _, model = attach(kind, AutoModelForCausalLM.from_pretrained(folder, quantization_config=options))
    train(model)
    before = gradients(model)
    logits(model)
    for name, gradient in gradients(model).items():
        assert torch.equal(gradient, before[name])
        assert gradient.abs().max() > 0


def test_a_prefix_reaches_recomputed_blocks_although_models_take_it_away():
    """transformers sets the cache of recomputed blocks to None (PEFT issues 869 and 2191, TRL issue 4168)."""
    for architecture in ("llama", "gpt2"):
        _, model = attach(PREFIX, tiny_model(architecture), projection=8)
        expected = gradients(model)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
        found = gradients(model)
        assert max(gradient.abs().max() for gradient in expected.values()) > 0
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(answer(model.train(), ids(5)), answer(model.eval(), ids(5)), rtol=0, atol=1e-6)
        if architecture == "llama":  # GPT-2 itself cannot write in training mode
            assert torch.equal(written(model.train(), ids(5)), written(model.eval(), ids(5)))


def test_a_transformers_that_takes_the_prefix_away_is_refused(monkeypatch):
    from ftcore_plugins.soft_prompts import prefix

    monkeypatch.setattr(prefix, "PERMISSION", "_no_such_permission")
    _, model = attach(PREFIX)
    model.gradient_checkpointing_enable()
    with pytest.raises(ModelError, match="takes the prefix away"):
        gradients(model)


def test_models_without_equal_keys_and_values_are_refused_a_prefix():
    model = tiny_model()
    model.config.head_dim = 8  # so the settings promise other keys than the blocks make
    with pytest.raises(ModelError, match="keys and values of one shape"):
        attach(PREFIX, model)


def test_learned_positions_run_out():
    _, model = attach(PROMPT, tiny_model("gpt2"))
    with pytest.raises(ModelError, match="512 positions"):
        answer(model, ids(510))


def test_llama_adapter_names_the_models_that_it_is_made_for():
    with pytest.raises(ModelError) as caught:
        attach(ADAPTION, tiny_model("qwen2"))
    assert "gpt2, llama, mistral" in "\n".join(caught.value.lines())
    with pytest.raises(UsageError, match="2 blocks, not 3"):
        attach(ADAPTION, layers=3)


@pytest.mark.parametrize("kind", [PROMPT, PREFIX, ADAPTION])
def test_classifiers_are_refused(kind):
    config = AutoConfig.for_model("llama", **ARCHITECTURES["llama"], vocab_size=259, num_labels=1)
    with pytest.raises(ModelError):
        attach(kind, AutoModelForSequenceClassification.from_config(config))


@pytest.mark.parametrize(
    ("config", "settings", "reason"),
    [
        (PromptConfig, {"tokens": 0}, "greater than 0"),
        (PromptConfig, {"init": "text"}, "needs the text"),
        (PromptConfig, {"text": "a"}, "--method.init text"),
        (PrefixConfig, {"projection": 8, "init": "vocabulary"}, "cannot begin from words"),
        (PTuningConfig, {"encoder": "gru"}, "mlp"),
    ],
)
def test_settings_that_cannot_work_are_refused(config, settings, reason):
    with pytest.raises(ValidationError, match=reason):
        config(**settings)


def test_a_run_judges_the_base_before_and_offers_no_merge(ftcore, tiny, rows):
    small = ["--train.steps", 1, "--train.learning_rate", 1e-12, "--evaluate.max_new_tokens", 2, "--out", "run"]
    done = ftcore("run", "--method", "p-tuning", "--model", tiny, "--data", rows, *small)
    assert done.code == 0, done.err
    assert "ftcore merge" not in done.out + done.err
    report = ftcore("report", "run", "--json").json
    # Training changed nothing that counts, so the difference is what the prompt makes before it is trained.
    assert abs(report["before"]["loss"]["loss"] - report["after"]["loss"]["loss"]) > 1e-3
    assert ftcore("merge", "run", "--out", "merged").code == 2
    assert ftcore("chat", "run", "--prompt", "say a1", "--max-new-tokens", 2).code == 0


def test_packed_rows_are_refused_on_the_plan(ftcore, tiny, rows):
    plan = ["plan", "--model", tiny, "--data", rows, "--strategy.packing", "--method"]
    refused = ftcore(*plan, "prefix-tuning")
    assert refused.code == 2
    assert "--no-strategy.packing" in refused.err
    wide = ftcore("plan", "--model", tiny, "--data", rows, "--method", "prompt-tuning", "--method.tokens", 5000)
    assert "warning: 5,000 virtual tokens stand before rows of at most 1,024" in wide.out
    assert ftcore(*plan, "adaption-prompt").code == 0
