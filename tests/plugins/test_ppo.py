"""`ppo`: its formulas equal plain loops, its updates are what they say, and the model learns to be rewarded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftcore.errors import FtcoreError
from ftcore.manager import PluginManager
from ftcore.run.checkpoint import load_tensors
from ftcore.run.execute import execute
from ftcore.run.generate import draw
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import tiny_model
from ftcore_plugins.lora_family.table import ROWS
from ftcore_plugins.ppo import objective
from ftcore_plugins.ppo.policy import ask, log_probs, value_head
from tests.conftest import write_rows
from tests.plugins.lora_family_rows import small

MANAGER = PluginManager.discover()
CLIP, GAMMA, LAMBDA = 0.2, 0.97, 0.9


# The formulas, against plain loops ------------------------------------------------------------------------------------


def drawn(seed: int, count: int = 5, width: int = 7) -> tuple[list[int], Any]:
    """Lengths of answers, and a function that draws numbers for their tokens and none behind."""
    generator = np.random.default_rng(seed)
    lengths = [width, *generator.integers(1, width + 1, count - 1).tolist()]
    inside = np.arange(width) < np.array(lengths)[:, None]
    return lengths, lambda scale=1.0: generator.normal(size=inside.shape) * scale * inside


def mask(lengths: list[int]) -> torch.Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).double()


@pytest.mark.parametrize("seed", range(5))
def test_advantages_are_sums_of_what_was_not_expected(seed: int):
    """Equation 16 as it stands: A_t = Σ_l (γλ)^l δ_{t+l}, answer by answer and token by token."""
    lengths, draw_ = drawn(seed)
    rewards, values = draw_(), draw_()
    advantages, returns = objective.gae(*map(torch.tensor, (rewards, values)), mask(lengths), GAMMA, LAMBDA)
    for row, length in enumerate(lengths):
        ahead = [*values[row, 1:length], 0.0]
        delta = [rewards[row, t] + GAMMA * ahead[t] - values[row, t] for t in range(length)]
        for t in range(length):
            expected = sum((GAMMA * LAMBDA) ** later * delta[t + later] for later in range(length - t))
            assert advantages[row, t].item() == pytest.approx(expected, abs=1e-12)
            assert returns[row, t].item() == pytest.approx(expected + values[row, t], abs=1e-12)
    assert not (advantages * (1 - mask(lengths))).any()


def test_without_a_horizon_a_return_is_the_sum_of_the_rewards():
    rewards = torch.tensor([[1.0, 2.0, 4.0]])
    _, returns = objective.gae(rewards, torch.randn(1, 3), torch.ones(1, 3), 1.0, 1.0)
    torch.testing.assert_close(returns, torch.tensor([[7.0, 6.0, 4.0]]))


@pytest.mark.parametrize("seed", range(5))
def test_the_clipped_losses_token_by_token(seed: int):
    lengths, draw_ = drawn(seed)
    old, values, returns, advantages = (draw_() for _ in range(4))
    new, later = old + draw_(0.4), values + draw_(0.5)
    policy, clipped, value, tokens = 0.0, 0, 0.0, 0
    for row, length in enumerate(lengths):
        for t in range(length):
            ratio, advantage = math.exp(new[row, t] - old[row, t]), advantages[row, t]
            bounded = min(max(ratio, 1 - CLIP), 1 + CLIP)
            policy -= min(ratio * advantage, bounded * advantage)
            clipped += ratio * advantage > bounded * advantage
            near = min(max(later[row, t], values[row, t] - CLIP), values[row, t] + CLIP)
            value += max((later[row, t] - returns[row, t]) ** 2, (near - returns[row, t]) ** 2) / 2
            tokens += 1
    tensor = torch.tensor
    found, share = objective.policy_loss(tensor(new), tensor(old), tensor(advantages), mask(lengths), CLIP)
    assert found.item() == pytest.approx(policy / tokens, abs=1e-12)
    assert share.item() == pytest.approx(clipped / tokens, abs=1e-6)
    loss = objective.value_loss(tensor(later), tensor(values), tensor(returns), mask(lengths), CLIP)
    assert loss.item() == pytest.approx(value / tokens, abs=1e-12)


def test_whitened_numbers_have_mean_0_and_variance_1_over_the_tokens():
    lengths, draw_ = drawn(0)
    white = objective.whiten(torch.tensor(draw_(3) + 5), mask(lengths))[mask(lengths).bool()]
    assert white.mean().item() == pytest.approx(0, abs=1e-9)
    assert white.var(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_a_score_counts_on_the_last_token_and_divergence_on_each():
    lengths = [3, 1]
    rewards = objective.token_rewards(torch.tensor([2.0, -1.0]).double(), torch.ones(2, 3).double(), mask(lengths), 0.5)
    assert rewards.tolist() == [[-0.5, -0.5, 1.5], [-1.5, 0, 0]]


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_divergence_is_estimated_from_what_was_drawn(estimator: str):
    """The mean over all tokens, weighted by how likely each is drawn, against Σ p log(p / q)."""
    p, q = (torch.randn(50, generator=torch.Generator().manual_seed(seed)).mul(0.3).softmax(0) for seed in (0, 1))
    mean = (p * objective.divergence(p.log(), q.log(), estimator)).sum().item()
    exact = (p * (p / q).log()).sum().item()
    assert mean == pytest.approx(exact, rel=1e-5 if estimator != "k2" else 0.2)
    assert estimator == "k1" or (objective.divergence(p.log(), q.log(), estimator) >= 0).all()


def test_the_price_follows_the_divergence():
    price = objective.Price(0.1, target=6.0, gain=0.1)
    price.update(60.0)
    assert price.value == pytest.approx(0.1 * 1.02)  # at most a fifth counts
    price.update(5.4)
    assert price.value == pytest.approx(0.1 * 1.02 * (1 - 0.1 * 0.1))
    fixed = objective.Price(0.1)
    fixed.update(60.0)
    assert fixed.value == 0.1


def test_explained_variance():
    returns, everywhere = torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 3)
    assert objective.explained_variance(returns + 5, returns, everywhere) == 1.0
    assert objective.explained_variance(torch.zeros(1, 3), returns, everywhere) == 0.0
    assert objective.explained_variance(-returns, returns, everywhere) == -3.0
    assert objective.explained_variance(returns, torch.ones(1, 3), everywhere) == 0.0


# What the policy says -------------------------------------------------------------------------------------------------

SIDES = [([5, 6, 7], [8, 9]), ([10], [11, 12, 13, 2]), ([20, 21], [22])]


def test_an_answer_is_as_likely_as_its_tokens_one_by_one():
    model, temperature = tiny_model().eval(), 0.7
    head = value_head(model)
    torch.nn.init.normal_(head.weight)
    with torch.no_grad():
        said = ask(model, head, SIDES, 0, temperature)
        for row, (prompt, answer) in enumerate(SIDES):
            output = model(input_ids=torch.tensor([prompt + answer]), output_hidden_states=True)
            for place, token in enumerate(answer):
                at = len(prompt) + place - 1
                logs = (output.logits[0, at].float() / temperature).log_softmax(-1)
                assert said.log_probs[row, place].item() == pytest.approx(logs[token].item(), abs=1e-4)
                assert said.entropy[row, place].item() == pytest.approx(-(logs.exp() * logs).sum().item(), abs=1e-4)
                value = head(output.hidden_states[-1][0, at]).item()
                assert said.values[row, place].item() == pytest.approx(value, abs=1e-4)
            assert not said.log_probs[row, len(answer) :].any()


def rl(folder: Path, model: Path, example: str = "prompt", **more: Any) -> Any:
    values = {"strategy": {"name": "ppo", "max_new_tokens": 6, **more.pop("settings", {})}, "method": "lora",
              "rewards": {"name": "length", "target": 3}}  # fmt: skip
    return session(plan(MANAGER, model, folder, example, {**values, **more}), MANAGER)


def losses(ready: Any) -> list[dict[str, float]]:
    ready.trainer.train()
    return [entry for entry in ready.trainer.state.log_history if "loss" in entry]


def test_answers_are_drawn_up_to_the_token_that_ends_them(tiny: Path, tmp_path: Path):
    ready = rl(tmp_path, tiny)
    rows = [[5, 6, 7], [10]] * 40
    torch.manual_seed(0)
    written = draw(ready, rows, 8, 1.0, 1.0)
    assert {answer.ended for answer in written} == {True, False}
    for answer in written:
        assert 1 <= len(answer.ids) <= 8
        assert answer.ended == (answer.ids[-1] == 2)
        assert 2 not in answer.ids[:-1]
        assert answer.text == ready.tokenizer.decode([token for token in answer.ids if token > 2])
    torch.manual_seed(0)
    assert draw(ready, rows, 8, 1.0, 1.0) == written
    bold, shy = (draw(ready, rows, 8, temperature, top_p) for temperature, top_p in ((3.0, 1.0), (1.0, 0.01)))
    assert len({tuple(answer.ids) for answer in shy}) == 2 < len({tuple(answer.ids) for answer in bold})


# Updates --------------------------------------------------------------------------------------------------------------


def test_micro_batches_change_nothing(tiny: Path, tmp_path: Path):
    """Tokens count the same, however many answers are in memory at once."""
    after = []
    for micro in (4, 1):
        folder = tmp_path / str(micro)
        folder.mkdir()
        train = {"steps": 1, "micro_batch_size": micro, "max_grad_norm": 0, "optimizer": "sgd", "warmup": 0}
        ready = rl(folder, tiny, train=train, settings={"passes": 2, "minibatches": 2})
        (entry,) = losses(ready)
        after.append((entry["loss"], ready.method.state(ready.model)))
    assert after[0][0] == pytest.approx(after[1][0], abs=1e-5)
    for name, tensor in after[0][1].items():
        torch.testing.assert_close(tensor, after[1][1][name], rtol=0, atol=1e-6)


def test_the_first_update_is_the_plain_policy_gradient(tiny: Path, tmp_path: Path):
    """Nothing has moved, so no ratio is clipped: with SGD the change is the gradient of Σ A·log p over the tokens."""
    train = {"steps": 1, "batch_size": 8, "max_grad_norm": 0, "optimizer": "sgd", "warmup": 0, "learning_rate": 0.1,
             "scheduler": "constant"}  # fmt: skip
    settings = {"passes": 1, "value_weight": 0, "kl": 0}
    ready = rl(tmp_path, tiny, train=train, settings=settings, method="full")
    kept: dict[str, Any] = {}
    rollout_of = ready.trainer._rollout

    def watched(*args: Any) -> Any:
        kept["rollout"] = rollout_of(*args)
        return kept["rollout"]

    ready.trainer._rollout = watched
    (entry,) = losses(ready)
    rollout = kept["rollout"]
    assert entry["loss"] == pytest.approx(0, abs=1e-5), "whitened advantages have the mean 0"
    assert entry["clip_fraction"] == 0
    base = tiny_model()
    logs = log_probs(base, rollout.sides, 0, 1.0)
    (-(rollout.advantages * logs).sum() / rollout.mask.sum()).backward()
    moved = dict(ready.model.named_parameters())
    for name, parameter in base.named_parameters():
        torch.testing.assert_close(parameter.detach() - 0.1 * parameter.grad, moved[name].detach(), rtol=0, atol=1e-5)
    # V is 0 everywhere, so with γ = 1 the advantages are λ^(tokens to the end) · reward, whitened.
    lengths = [len(answer) for _, answer in rollout.sides]
    assert objective.masked_mean(rollout.advantages, rollout.mask).item() == pytest.approx(0, abs=1e-5)
    raw = [[0.95 ** (length - 1 - t) * rollout.returns[row, length - 1].item() for t in range(length)]
           for row, length in enumerate(lengths)]  # fmt: skip
    for row, length in enumerate(lengths):
        assert rollout.returns[row, :length].tolist() == pytest.approx(raw[row], abs=1e-5)


@pytest.mark.parametrize("more", [{"method": {"name": "lora", "dropout": 0.5}},
                                  {"train": {"steps": 1, "gradient_checkpointing": True}}])  # fmt: skip
def test_neither_dropout_nor_recomputing_makes_noise_in_the_ratios(tiny: Path, tmp_path: Path, more: Any):
    ready = rl(tmp_path, tiny, **{"train": {"steps": 1}, "settings": {"passes": 1, "value_weight": 0}, **more})
    (entry,) = losses(ready)
    assert entry["policy_loss"] == pytest.approx(0, abs=1e-5)
    assert entry["grad_norm"] > 0


# With every method ----------------------------------------------------------------------------------------------------

SMALL = {
    **{name: small(row) for name, row in ROWS.items()},
    "prompt-tuning": {"tokens": 4},
    "p-tuning": {"tokens": 4, "width": 16},
    "prefix-tuning": {"tokens": 4},
    "freeze": {"blocks": 1},
}


@pytest.mark.parametrize("method", MANAGER.catalogue("method"))
def test_it_trains_with_every_method_against_the_untuned_model(tiny: Path, tmp_path: Path, method: str):
    settings = {"passes": 2, "max_new_tokens": 4}
    ready = rl(tmp_path, tiny, train={"steps": 2}, method={"name": method, **SMALL.get(method, {})}, settings=settings)
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if p.requires_grad}
    entries = losses(ready)
    assert all(math.isfinite(value) for entry in entries for value in entry.values())
    assert any(not torch.equal(before[name], p) for name, p in ready.model.named_parameters() if name in before)
    with torch.no_grad():
        with ready.trainer.reference.model(ready.model.eval()) as reference:
            found = log_probs(reference.eval(), SIDES, 0, 1.0)
        expected = log_probs(tiny_model().eval(), SIDES, 0, 1.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.5 if method == "qlora" else 1e-3)


# Whole runs -----------------------------------------------------------------------------------------------------------


def test_it_learns_what_is_rewarded_and_says_so(tiny: Path, tmp_path: Path):
    """A random model writes few small letters from a to h; rewarded for one among three tokens, it writes most so."""
    more = {
        "data": str(write_rows(tmp_path / "rows.jsonl", [{"prompt": f"say {n}"} for n in range(36)])),
        "rewards": {"name": "regex", "pattern": "[a-h]"},
        "strategy": {"name": "ppo", "max_new_tokens": 3, "kl": 0.01},
        "train": {"steps": 18, "batch_size": 16, "learning_rate": 1e-2, "micro_batch_size": 8},
        "method": "lora",
        "evaluators": ["rewards", "loss", "samples"],
        "reporters": ["metrics"],
        "checkpoints": {"every": 9},
    }
    folder, _ = execute(plan(MANAGER, tiny, tmp_path, "prompt", more), MANAGER)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == 18
    assert {"reward", "kl", "kl_price", "entropy", "clip_fraction", "policy_loss", "value_loss", "explained_variance",
            "answer_tokens", "ended"} <= steps[0].keys()  # fmt: skip
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert steps[0]["tokens"] > 16
    first, last = (sum(step["reward"] for step in part) / 4 for part in (steps[:4], steps[-4:]))
    assert last > first + 0.4, f"the mean reward went from {first:.2f} to {last:.2f}"
    report = json.loads((folder / "report.json").read_text())
    assert report["after"]["rewards"]["reward"] >= report["before"]["rewards"]["reward"]
    assert "loss" not in report["after"], "there is no loss of rows to show"
    answers = [json.loads(line) for line in (folder / "completions.jsonl").read_text().splitlines()]
    assert [answer["step"] for answer in answers[:17]] == [1] * 16 + [2]
    assert all(answer["rewards"] == {"regex": answer["reward"]} for answer in answers)
    own = load_tensors(folder / "checkpoints" / "step-000018" / "trainer.safetensors")
    assert own["weight"].any()
    artifact = load_tensors(folder / "model" / "adapter_model.safetensors")
    assert all("lora" in name for name in artifact), "the artifact is the policy alone"


def test_a_conversation_is_a_prompt_with_its_answer_as_the_reference(tiny: Path, tmp_path: Path):
    ready = rl(tmp_path, tiny, "chat", rewards="exact")
    asked = {chat.turns[-1].content: reference for chat, reference in ready.trainer.asked}
    assert len(asked) == 12
    assert all(prompt == f"say {reference}" for prompt, reference in asked.items())


def test_an_answer_without_an_end_costs_what_the_settings_say(tiny: Path, tmp_path: Path):
    from ftcore.run.generate import Written
    from ftcore.run.rewards import RewardFunctions
    from ftcore.types import Sample
    from ftcore_plugins.rollouts.rewarding import reward

    ready = rl(tmp_path, tiny)
    written = [Written([5, 2], "abc", True), Written([5, 6], "abc", False)]
    found = reward(RewardFunctions(ready.plan.rewards), [Sample("?", "", "abc")] * 2, written, 2.5)
    assert found.totals == [1.0, -1.5]
    assert found.metrics == {"reward": 1.0, "ended": 0.5}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rewards": []}, "learns from rewards, and the run names no reward function"),
        ({"strategy": {"name": "ppo", "minibatches": 5}}, "minibatches 5 is more than the 4 prompts"),
    ],
)
def test_what_cannot_be_meant_is_refused_on_the_plan(tiny: Path, tmp_path: Path, more: Any, said: str):
    values = {"strategy": "ppo", "method": "lora", "rewards": {"name": "length", "target": 3}, **more}
    with pytest.raises(FtcoreError) as refusal:
        plan(MANAGER, tiny, tmp_path, "prompt", values)
    assert said in refusal.value.what
