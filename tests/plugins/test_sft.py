"""`sft` computes what a plain TRL script computes: the same rows, order, initial weights and losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Terminal, echo_rows, write_rows

STEPS = 20
RATE = 1e-3


def ftcore_losses(ftcore: Terminal, model: Path, rows: Path, method: str, *more: str) -> list[float]:
    result = ftcore(
        "run", "--model", model, "--data", rows, "--method", method, "--out", "run", "--train.steps", STEPS,
        "--train.batch_size", 4, "--train.learning_rate", RATE, "--backend.precision", "fp32", "--evaluators", "none",
        "--evaluate.holdout", 0, "--backend", "cpu", *more,
    )  # fmt: skip
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (Path("run") / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines]


def trl_losses(model: Path, rows: list[dict[str, str]], peft_config: Any, **more: Any) -> list[float]:
    """The script that a user of TRL would write, with its own tokenisation."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    conversations = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
        }
        for row in rows
    ]
    arguments = SFTConfig(
        output_dir="trl", max_steps=STEPS, per_device_train_batch_size=4, learning_rate=RATE, warmup_steps=0.05,
        lr_scheduler_type="cosine", seed=42, data_seed=42, logging_steps=1, use_cpu=True, bf16=False, report_to=[],
        save_strategy="no", gradient_checkpointing=False, disable_tqdm=True, **more,
    )  # fmt: skip
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(model),
        arguments,
        train_dataset=Dataset.from_list(conversations),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=peft_config,
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def lora_config() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_first_losses_equal_those_of_a_plain_trl_script(ftcore: Terminal, tiny: Path, tmp_path: Path, method: str):
    rows = echo_rows()
    ours = ftcore_losses(ftcore, tiny, write_rows(tmp_path / "rows.jsonl", rows), method)
    theirs = trl_losses(tiny, rows, lora_config() if method == "lora" else None)
    assert len(ours) == STEPS
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert ours[-1] < ours[0]


def test_a_smaller_micro_batch_gives_the_same_losses(ftcore: Terminal, tiny: Path, tmp_path: Path):
    rows = write_rows(tmp_path / "rows.jsonl", echo_rows())
    whole = ftcore_losses(ftcore, tiny, rows, "lora")
    (tmp_path / "run").rename(tmp_path / "whole")
    parts = ftcore_losses(ftcore, tiny, rows, "lora", "--train.micro_batch_size", "2")
    assert parts == pytest.approx(whole, abs=1e-4)


def test_packed_rows_see_only_themselves(ftcore: Terminal, tiny: Path, tmp_path: Path):
    """All rows in one batch: packed into one sequence or one a line, the loss of the first step is the same."""
    rows = write_rows(tmp_path / "rows.jsonl", echo_rows(8))
    common = ("--train.batch_size", "8", "--train.steps", "1", "--train.max_length", "512")
    plain = ftcore_losses(ftcore, tiny, rows, "lora", *common)
    (tmp_path / "run").rename(tmp_path / "plain")
    packed = ftcore_losses(ftcore, tiny, rows, "lora", *common, "--strategy.packing")
    assert packed[0] == pytest.approx(plain[0], abs=1e-4)
