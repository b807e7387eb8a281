"""The scripts that a user of TRL would write, with its own tokenisation, to compare our losses with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import Terminal

RATE = 1e-3
STEPS = 6


def ftcore_losses(ftcore: Terminal, model: Path, rows: Path, strategy: str, method: str, *more: object) -> list[float]:
    result = ftcore(
        "run", "--model", model, "--data", rows, "--strategy", strategy, "--method", method, "--out", "run",
        "--train.steps", STEPS, "--train.batch_size", 4, "--train.learning_rate", RATE, "--backend.precision", "fp32",
        "--evaluators", "none", "--train.warmup", 0, "--evaluate.holdout", 0, "--backend", "cpu", *more,
    )  # fmt: skip
    assert result.code == 0, result.err
    return losses(Path("run"))


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def trl_losses(
    trainer: Any, config: Any, model: Path, rows: Sequence[Mapping[str, Any]], peft_config: Any, **more: Any
) -> list[float]:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    arguments = config(
        output_dir="trl", max_steps=STEPS, per_device_train_batch_size=4, learning_rate=RATE, warmup_steps=0,
        lr_scheduler_type="cosine", seed=42, data_seed=42, logging_steps=1, use_cpu=True, bf16=False, report_to=[],
        save_strategy="no", gradient_checkpointing=False, disable_tqdm=True, **more,
    )  # fmt: skip
    script = trainer(
        AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=peft_config,
    )
    script.train()
    return [entry["loss"] for entry in script.state.log_history if "loss" in entry]


def said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def lora_config() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
