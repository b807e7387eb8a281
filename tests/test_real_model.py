"""Every method on the real model and real rows: held-out loss falls, and the artifact is what was trained.

The artifact is read back here without ftcore, by plain transformers and peft, as its user would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED, Terminal

pytestmark = pytest.mark.real

METHODS = ("full", "freeze", "lora", "qlora")
RATE = {"full": "1e-4", "freeze": "3e-4", "lora": "1e-3", "qlora": "1e-3"}
ALPACA = SHARED / "sft" / "alpaca_llms_from_scratch_800.json"


def run(ftcore: Terminal, method: str, data: list[object], steps: int = 4, *more: object) -> dict[str, Any]:
    result = ftcore(
        "run", "--method", method, *data, "--out", method, "--json", "--train.steps", steps, "--train.batch_size", 4,
        "--train.learning_rate", RATE[method], "--train.max_length", 256, "--evaluate.limit", 8, "--evaluators", "loss",
        *more,
    )  # fmt: skip
    assert result.code == 0, result.err
    return result.json


def probe(model: Any, tokenizer: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(**tokenizer("An order for 12 lamps, please.", return_tensors="pt")).logits.float()


def base_folder() -> Path:
    from ftcore_plugins.demo.config import DemoModelConfig
    from ftcore_plugins.demo.model import DemoModel

    return DemoModel(DemoModelConfig()).folder


def plain_reload(method: str, artifact: Path) -> Any:
    """The tuned model as its user loads it, with no ftcore."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    if method in ("full", "freeze"):
        return AutoModelForCausalLM.from_pretrained(artifact, dtype=torch.float32)
    options = {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")}
    options = options if method == "qlora" else {}
    base = AutoModelForCausalLM.from_pretrained(base_folder(), dtype=torch.float32, device_map="cpu", **options)
    for module in base.modules():  # what the packed path computes differs by bfloat16's rounding
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return PeftModel.from_pretrained(base, artifact)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_and_its_artifact_is_what_was_trained(ftcore: Terminal, tmp_path: Path, method: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ftcore.manager import PluginManager
    from ftcore.run.reload import reload

    report = run(ftcore, method, ["--data", ALPACA] if ALPACA.exists() else ["--data", "demo"])
    assert report["after"]["loss"]["loss"] < report["before"]["loss"]["loss"]

    tuned = reload(tmp_path / method, PluginManager.discover(), dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / method / "model")
    trained = probe(tuned.model, tokenizer)
    torch.testing.assert_close(probe(plain_reload(method, tmp_path / method / "model"), tokenizer), trained)

    if report["artifact"]["kind"] == "model":
        return  # there is nothing to merge
    merged = ftcore("merge", method, "--json")
    assert merged.code == 0, merged.err
    assert merged.json["largest_difference"] <= 1e-3
    alone = AutoModelForCausalLM.from_pretrained(tmp_path / method / "merged")
    torch.testing.assert_close(probe(alone, tokenizer), trained, atol=1e-3, rtol=0)
