"""`online-dpo`: its pairs and losses are what the paper says, and the model learns what is rewarded."""

from __future__ import annotations

import copy
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from ftcore.errors import FtcoreError
from ftcore.manager import PluginManager
from ftcore.pairs import Pairs
from ftcore.run.execute import execute
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import tiny_model
from ftcore_plugins.online_dpo.objective import LOSSES, best_and_worst
from tests.conftest import write_rows
from tests.plugins.judge_server import Reply, judging
from tests.plugins.test_ppo import SMALL

MANAGER = PluginManager.discover()
BETA = 0.5


def online(folder: Path, model: Path, example: str = "prompt", **more: Any) -> Any:
    values = {"strategy": {"name": "online-dpo", "max_new_tokens": 6, **more.pop("settings", {})}, "method": "lora",
              "rewards": {"name": "length", "target": 9}}  # fmt: skip
    return session(plan(MANAGER, model, folder, example, {**values, **more}), MANAGER)


def losses(ready: Any) -> list[dict[str, float]]:
    ready.trainer.train()
    return [entry for entry in ready.trainer.state.log_history if "loss" in entry]


# Pairs and losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "answers", "generations", "pairs"),
    [
        ([0.2, 0.7], "ab", 2, [(1, 0)]),
        ([0.7, 0.2, 0.1, 0.3], "abab", 2, [(0, 1), (3, 2)]),
        ([1, 1, 0, 1], "abab", 2, [(3, 2)]),
        ([1, 0, 2, 5, 5, 5], "abcabc", 3, [(2, 1)]),
        ([1.0, 1.0 - 1e-9], "aa", 2, []),
        ([0, 0], "ab", 2, []),
    ],
)
def test_the_best_and_the_worst_answer_make_a_pair(rewards: Any, answers: str, generations: int, pairs: Any):
    assert best_and_worst(rewards, answers, generations) == pairs


def test_the_losses():
    chosen, rejected, lengths = torch.tensor([1.5, -2.0]), torch.tensor([-0.5, 1.0]), torch.tensor([2, 4])
    ratios = Pairs(chosen, rejected, lengths, lengths.flip(0))
    for row, (delta, a_token) in enumerate([(2.0, 0.75 + 0.125), (-3.0, -0.5 - 0.5)]):
        sigmoid = -math.log(1 / (1 + math.exp(-BETA * delta)))
        assert LOSSES["sigmoid"](ratios, BETA)[row].item() == pytest.approx(sigmoid)
        assert LOSSES["ipo"](ratios, BETA)[row].item() == pytest.approx((a_token - 1 / (2 * BETA)) ** 2)


def log_p(model: Any, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Token by token, one answer at a time."""
    logs = model(torch.tensor([prompt + answer])).logits[0].float().log_softmax(-1)
    return sum(logs[len(prompt) + place - 1, token] for place, token in enumerate(answer))  # type: ignore[return-value]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_what_the_formula_says(tiny: Path, tmp_path: Path, loss: str):
    """Against a loop over answers, on a model that has moved away from the reference already."""
    train = {"steps": 1, "batch_size": 4, "micro_batch_size": 1, "warmup": 0}
    ready = online(tmp_path, tiny, train=train, settings={"loss": loss, "beta": BETA, "generations": 3})
    torch.manual_seed(1)
    for parameter in ready.model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    policy, reference = copy.deepcopy(ready.model).eval(), tiny_model().eval()
    written: list[Any] = []
    answer = ready.trainer.answer
    ready.trainer.answer = lambda chosen: written.append(answer(chosen)) or written[0]
    (entry,) = losses(ready)

    sides, texts = written[0].sides, [sample.output for sample in written[0].samples]
    rewards = [max(0.0, 1 - abs(len(text) - 9) / 9) for text in texts]
    ratios = [log_p(policy, *side) - log_p(reference, *side).detach() for side in sides]
    found, margins, best_rewards = [], [], []
    for start, end in pairwise(range(0, 13, 3)):
        assert len({tuple(prompt) for prompt, _ in sides[start:end]}) == 1
        worst = min(range(start, end), key=lambda place: (rewards[place], place))
        best = min(range(start, end), key=lambda place: (-rewards[place], place))
        if rewards[worst] == rewards[best]:
            continue
        a_token = ratios[best] / len(sides[best][1]) - ratios[worst] / len(sides[worst][1])
        delta = ratios[best] - ratios[worst]
        found.append((a_token - 1 / (2 * BETA)) ** 2 if loss == "ipo" else -(BETA * delta).sigmoid().log())
        margins.append(BETA * delta.item())
        best_rewards.append(rewards[best])
    assert found
    mean = sum(found) / len(found)
    mean.backward()
    gradient = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
    assert entry["loss"] == pytest.approx(mean.item(), rel=1e-4)
    assert entry["grad_norm"] == pytest.approx(gradient.norm().item(), rel=1e-3)
    assert entry["margin"] == pytest.approx(sum(margins) / len(margins), abs=1e-4)
    assert entry["accuracy"] == pytest.approx(sum(margin > 0 for margin in margins) / len(margins))
    assert entry["kl"] == pytest.approx(sum(ratios).item() / len(ratios), abs=1e-4)
    assert entry["chosen_reward"] == pytest.approx(sum(best_rewards) / len(best_rewards))
    assert entry["reward"] == pytest.approx(sum(rewards) / len(rewards))
    assert entry["equal_groups"] == pytest.approx(1 - len(found) / 4)


def test_from_equal_rewards_nothing_is_learned(tiny: Path, tmp_path: Path):
    rewards = {"name": "regex", "pattern": ""}
    ready = online(tmp_path, tiny, rewards=rewards, train={"steps": 2, "weight_decay": 0.1, "learning_rate": 0.1})
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if "lora_A" in name}
    for entry in losses(ready):
        assert (entry["loss"], entry["grad_norm"], entry["equal_groups"]) == (0, 0, 1)
        assert entry["kl"] == pytest.approx(0, abs=1e-5)
        assert not {"margin", "accuracy", "chosen_reward"} & entry.keys()
    decayed = {name: p / before[name] for name, p in ready.model.named_parameters() if name in before}
    assert all(torch.allclose(ratio, ratio.mean()) for ratio in decayed.values()), "nothing but the decay moves weights"
    lines = [json.loads(line) for line in (ready.folder / "completions.jsonl").read_text().splitlines()]
    assert len(lines) == 16
    assert {line["side"] for line in lines} == {None}


# Methods and whole runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", MANAGER.catalogue("method"))
def test_it_trains_with_every_method_against_the_untuned_model(tiny: Path, tmp_path: Path, method: str):
    ready = online(
        tmp_path,
        tiny,
        train={"steps": 2, "warmup": 0},
        method={"name": method, **SMALL.get(method, {})},
        settings={"generations": 4},
    )
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if p.requires_grad}
    first, _ = losses(ready)
    assert any(not torch.equal(before[name], p) for name, p in ready.model.named_parameters() if name in before)
    if method not in BEGINS_ELSEWHERE:
        assert first["loss"] == pytest.approx(math.log(2), abs=1e-2 if method == "qlora" else 1e-4)
        assert first["kl"] == pytest.approx(0, abs=0.1 if method == "qlora" else 1e-3)
    sides = [([5, 6, 7], [8, 9]), ([10], [11, 12, 13, 2])]
    with torch.no_grad():
        found = ready.trainer._reference(ready.model.eval(), sides, 2)
        expected = torch.stack([log_p(tiny_model().eval(), *side) for side in sides])
    torch.testing.assert_close(found, expected, rtol=0, atol=1.0 if method == "qlora" else 1e-3)


BEGINS_ELSEWHERE = {"prompt-tuning", "p-tuning", "prefix-tuning", "vblora"}
"""Methods that change what a model says before they have learned anything."""


def test_it_learns_what_is_rewarded_and_says_so(tiny: Path, tmp_path: Path):
    more = {
        "data": str(write_rows(tmp_path / "rows.jsonl", [{"prompt": f"say {n}"} for n in range(36)])),
        "rewards": {"name": "regex", "pattern": "[a-h]"},
        "strategy": {"name": "online-dpo", "max_new_tokens": 3, "generations": 8, "beta": 0.03},
        "train": {"steps": 16, "batch_size": 8, "learning_rate": 2e-2, "warmup": 0, "micro_batch_size": 8},
        "method": "lora",
        "evaluators": ["rewards", "loss", "samples"],
        "reporters": ["metrics"],
        "checkpoints": {"every": 8},
    }
    folder, _ = execute(plan(MANAGER, tiny, tmp_path, "prompt", more), MANAGER)
    steps = [line for line in read(folder / "metrics.jsonl") if "loss" in line]
    assert {"reward", "chosen_reward", "rejected_reward", "margin", "accuracy", "kl", "equal_groups", "answer_tokens",
            "ended"} <= steps[0].keys()  # fmt: skip
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert steps[0]["tokens"] > 64
    first, last = (sum(step["reward"] for step in part) / 4 for part in (steps[:4], steps[-4:]))
    assert last > first + 0.4, f"the mean reward went from {first:.2f} to {last:.2f}"
    report = json.loads((folder / "report.json").read_text())
    assert report["after"]["rewards"]["reward"] >= report["before"]["rewards"]["reward"]
    assert "loss" not in report["after"], "there is no loss of rows to show"
    answers = read(folder / "completions.jsonl")
    assert len(answers) == 16 * 8 * 8
    for start in range(0, len(answers), 8):
        group = answers[start : start + 8]
        assert len({answer["prompt"] for answer in group}) == 1
        sides = {answer["side"]: answer["reward"] for answer in group if answer["side"]}
        assert sides in ({"chosen": 1, "rejected": 0}, {})


def test_a_judge_may_decide(tiny: Path, tmp_path: Path):
    def replies(question: str, _: int) -> Reply:
        return Reply(str(sum(map(ord, question)) % 11))

    with judging(replies) as asked:
        ready = online(tmp_path, tiny, rewards={"name": "judge", "url": asked.url, "model": "wise"}, train={"steps": 1})
        (entry,) = losses(ready)
    assert len(asked.questions) == 8
    assert entry["chosen_reward"] > entry["rejected_reward"]
    assert len(read(ready.folder / "judge.jsonl")) == 8


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:  # `splitlines` would also split at odd characters inside of answers
        return [json.loads(line) for line in file]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rewards": []}, "learns from rewards, and the run names no reward function"),
        ({"settings": {"generations": 1}}, "generations"),
        ({"settings": {"loss": "hinge"}}, "sigmoid"),
        ({"settings": {"beta": 0}}, "beta"),
    ],
)
def test_what_cannot_be_meant_is_refused_on_the_plan(tiny: Path, tmp_path: Path, more: Any, said: str):
    with pytest.raises(FtcoreError) as refusal:
        online(tmp_path, tiny, **more)
    assert said in "\n".join(refusal.value.lines())
