"""`grpo` and `rloo`: TRL's own numbers, ftcore's prompts and reference, and the model learns to be rewarded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer.utils import RepeatSampler

from ftcore.errors import FtcoreError, PluginError
from ftcore.manager import PluginManager
from ftcore.run.execute import execute, resume
from ftcore.run.generate import stop_tokens
from ftcore.run.train import _steps
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import tiny_model, tiny_tokenizer
from ftcore_plugins.grpo.prompts import Prompts
from ftcore_plugins.rollouts.completions import Completions
from tests.conftest import write_rows

MANAGER = PluginManager.discover()


def rl(folder: Path, model: Path, example: str = "prompt", name: str = "grpo", **more: Any) -> Any:
    values = {"strategy": {"name": name, "max_new_tokens": 6, **more.pop("settings", {})}, "method": "lora",
              "rewards": {"name": "length", "target": 9}}  # fmt: skip
    return session(plan(MANAGER, model, folder, example, {**values, **more}), MANAGER)


def losses(ready: Any) -> list[dict[str, float]]:
    ready.trainer.train()
    return [entry for entry in ready.trainer.state.log_history if "loss" in entry]


def test_rloo_leaves_the_model_with_one_adapter(tiny: Path, tmp_path: Path):
    assert list(rl(tmp_path, tiny, name="rloo").model.peft_config) == ["default"]


# TRL's own numbers ----------------------------------------------------------------------------------------------------

THEIRS = {"grpo": (GRPOConfig, GRPOTrainer), "rloo": (RLOOConfig, RLOOTrainer)}


@pytest.mark.parametrize("name", THEIRS)
def test_the_first_losses_are_those_of_trls_own_script(tiny: Path, tmp_path: Path, name: str):
    """As the documentation of TRL has it: texts in, a reward function over texts, a path for the model.

    The prompts are equally long. Of others ftcore has the longest answered first, and draws in another order.
    """
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": f"say {number}"} for number in range(10, 26)])
    train = {"steps": 3, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 1e-3, "warmup": 0}
    ready = rl(tmp_path, tiny, name=name, data=str(rows), method="full", train=train, settings={"generations": 4})
    config, trainer = THEIRS[name]
    arguments = config(
        output_dir=str(tmp_path / "trl"), max_steps=3, per_device_train_batch_size=2, gradient_accumulation_steps=8,
        learning_rate=1e-3, lr_scheduler_type="cosine", num_generations=4, max_completion_length=6, beta=0.0,
        seed=42, data_seed=42, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
        gradient_checkpointing=False, bf16=False,
    )  # fmt: skip
    script = trainer(
        model=str(tiny),
        args=arguments,
        reward_funcs=lambda completions, **_: [1 - min(abs(len(text) - 9) / 9, 1) for text in completions],
        train_dataset=ready.trainer.train_dataset.select_columns("prompt"),
        processing_class=tiny_tokenizer(),
    )
    found = []
    for one in (ready.trainer, script):
        set_seed(42)
        one.train()
        found.append([entry for entry in one.state.log_history if "loss" in entry])
    for ours, theirs in zip(*found, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert ours["reward"] == pytest.approx(theirs["reward"], abs=1e-6)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
        assert ours["entropy"] == pytest.approx(theirs["entropy"], abs=1e-4)
    assert any(abs(entry["grad_norm"]) > 1e-3 for entry in found[0])


# Prompts --------------------------------------------------------------------------------------------------------------


def test_prompts_are_what_they_are_everywhere_else(tiny: Path, tmp_path: Path):
    ready = rl(tmp_path, tiny)
    trainer = ready.trainer
    rows, _, _ = trainer._tokenize_prompts(list(trainer.train_dataset["prompt"]))
    assert rows == list(ready.data.train["prompt_ids"])
    assert trainer.eos_token_ids == stop_tokens(ready.model, ready.tokenizer, "chat")


def test_a_conversation_is_a_prompt_with_its_answer_as_the_reference(tiny: Path, tmp_path: Path):
    ready = rl(tmp_path, tiny, "chat", rewards="exact")
    asked = {chat.turns[-1].content: reference for chat, reference in ready.trainer.asked}
    assert len(asked) == 12
    assert all(prompt == f"say {reference}" for prompt, reference in asked.items())


def test_the_order_is_trls_and_no_prompt_is_left_out():
    ours = Prompts(range(10), 2, 4, 3, seed=7)
    theirs = list(RepeatSampler(range(10), 2, 4, 3, seed=7))
    first = list(ours)
    assert first[: len(theirs)] == theirs
    assert len(first) == len(ours) == 3 * 4 * 2 * 3
    assert set(first) == set(range(10)) > set(theirs)
    ours.set_epoch(1)
    second = list(ours)
    assert second != first
    ours.set_epoch(0)
    assert list(ours) == first, "an epoch's order does not depend on what was asked before"
    assert len(list(Prompts(range(3), 2, 8, 1, seed=7))) == 16, "fewer prompts than a step takes come round again"


def test_an_epoch_has_as_many_steps_as_the_run_says_beforehand(tiny: Path, tmp_path: Path):
    train = {"steps": None, "epochs": 2, "batch_size": 5, "micro_batch_size": 5}
    ready = rl(tmp_path, tiny, train=train, settings={"steps_per_generation": 2, "generations": 2})
    assert _steps(ready) == len(losses(ready)) == 8, "12 prompts are two generations of 10, for two steps each"


# The reference --------------------------------------------------------------------------------------------------------

METHODS = [
    {"name": "lora"},
    {"name": "qlora"},
    {"name": "hra"},
    {"name": "adapter"},
    {"name": "prompt-tuning", "tokens": 4},
    {"name": "prefix-tuning", "tokens": 4},
    {"name": "full"},
    {"name": "freeze", "blocks": 1},
]
"""One for each way in which a method sits in a model, and whether it can be switched off."""


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_divergence_is_measured_from_the_untuned_model(tiny: Path, tmp_path: Path, method: dict[str, Any]):
    ready = rl(
        tmp_path,
        tiny,
        train={"steps": 2, "batch_size": 2, "warmup": 0, "learning_rate": 1e-2},
        method=method,
        settings={"beta": 0.1},
    )
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if p.requires_grad}
    losses(ready)
    assert any(not torch.equal(before[name], p) for name, p in ready.model.named_parameters() if name in before)
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        found, *_ = ready.trainer._get_per_token_logps_and_entropies(
            ready.trainer.ref_model, ids, torch.ones_like(ids), 4
        )
        logs = tiny_model().eval()(ids).logits[0, :-1].log_softmax(-1)
    expected = logs.gather(1, ids[0, 1:, None])[:, 0]
    torch.testing.assert_close(found[0], expected, rtol=0, atol=0.5 if method["name"] == "qlora" else 1e-3)


# Whole runs -----------------------------------------------------------------------------------------------------------


def test_it_learns_what_is_rewarded_and_says_so(tiny: Path, tmp_path: Path):
    more = {
        "data": str(write_rows(tmp_path / "rows.jsonl", [{"prompt": f"say {n}"} for n in range(36)])),
        "rewards": [{"name": "regex", "pattern": "[a-h]"}, {"name": "exact", "weight": 0.5}],
        "strategy": {"name": "grpo", "max_new_tokens": 3, "beta": 0.01, "generations": 8},
        "train": {"steps": 16, "batch_size": 8, "learning_rate": 2e-2, "warmup": 0, "micro_batch_size": 8},
        "evaluators": ["rewards", "loss", "samples"],
        "reporters": ["metrics"],
        "checkpoints": {"every": 8},
        "method": "lora",
    }
    folder, _ = execute(plan(MANAGER, tiny, tmp_path, "prompt", more), MANAGER)
    steps = [line for line in read(folder / "metrics.jsonl") if "loss" in line]
    assert {"reward", "reward_std", "reward_regex", "kl", "entropy", "clip_fraction", "answer_tokens", "ended",
            "equal_groups"} <= steps[0].keys()  # fmt: skip
    assert "reward_exact" not in steps[0], "no row has a reference to compare with"
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert steps[0]["tokens"] > 64
    first, last = (sum(step["reward"] for step in part) / 4 for part in (steps[:4], steps[-4:]))
    assert last > first + 0.4, f"the mean reward went from {first:.2f} to {last:.2f}"
    report = json.loads((folder / "report.json").read_text())
    assert report["after"]["rewards"]["reward"] >= report["before"]["rewards"]["reward"]
    assert "loss" not in report["after"], "there is no loss of rows to show"

    answers = read(folder / "completions.jsonl")
    assert len(answers) == 16 * 8 * 8
    assert [answer["step"] for answer in answers[::64]] == list(range(1, 17))
    assert answers[0].keys() == {"step", "prompt", "completion", "rewards", "advantage"}
    assert answers[0]["rewards"].keys() == {"regex", "exact"}
    assert all(answer["prompt"].startswith("say ") for answer in answers)
    for start in range(0, len(answers), 8):
        group = answers[start : start + 8]
        assert len({answer["prompt"] for answer in group}) == 1
        assert sum(answer["advantage"] for answer in group) == pytest.approx(0, abs=1e-5)
    epochs = [[answer["prompt"] for answer in answers[start : start + 256 : 8]] for start in (0, 256)]
    assert len(set(epochs[0])) == 32, "an epoch asks all prompts once"
    assert epochs[0] != epochs[1], "each in an order of its own"
    assert set(epochs[0]) == set(epochs[1])
    mean = sum(answer["rewards"]["regex"] for answer in answers[-64:]) / 64
    assert mean == pytest.approx(steps[-1]["reward_regex"], abs=1e-6)

    shutil.rmtree(folder / "checkpoints" / "step-000016")
    shutil.rmtree(folder / "model")
    (folder / "report.json").unlink()
    resume(folder, MANAGER)
    assert read(folder / "completions.jsonl") == answers, "what is done again stands there once"


def test_a_signal_while_answers_are_written_ends_the_run_after_the_step(tiny: Path, tmp_path: Path):
    ready = rl(tmp_path, tiny)
    write = ready.trainer._write

    def interrupted(rows: Any) -> Any:
        ready.stop_signal = 2
        return write(rows)

    ready.trainer._write = interrupted
    assert len(losses(ready)) == 1
    assert (ready.folder / "checkpoints" / "step-000001" / "MANIFEST.json").is_file()


def test_what_is_no_reward_ends_the_run_and_names_the_answer(tiny: Path, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(
        "ftcore_plugins.rewards.answers.Length.scores", lambda _, samples: [float("nan")] * len(samples)
    )
    ready = rl(tmp_path, tiny)
    with pytest.raises(PluginError) as caught:
        ready.trainer.train()
    assert "'length' gave nan" in caught.value.what
    assert any(line.startswith("prompt: 'say ") for line in caught.value.more)


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:  # `splitlines` would also split at odd characters inside of answers
        return [json.loads(line) for line in file]


def test_a_line_that_a_crash_has_torn_is_left_out(tmp_path: Path):
    (tmp_path / "completions.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    Completions(tmp_path).write(2, [{"completion": "ü"}])
    assert read(tmp_path / "completions.jsonl") == [{"step": 1}, {"step": 2, "completion": "ü"}]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rewards": []}, "names no reward function"),
        ({"settings": {"use_vllm": True}}, "needs the package vllm"),
        ({"settings": {"generations": 1}}, "generations"),
        ({"settings": {"loss": "luspo"}}, "ratio sequence"),
        ({"settings": {"loss": "cispo"}}, "clip_high above 1"),
        ({"method": {"name": "lora", "targets": ["lm_head"]}}, "output layer"),
    ],
)
def test_what_cannot_be_is_refused(tiny: Path, tmp_path: Path, more: Any, said: str):
    with pytest.raises(FtcoreError) as caught:
        rl(tmp_path, tiny, **more)
    assert said in "\n".join(caught.value.lines())
    assert caught.value.fix
