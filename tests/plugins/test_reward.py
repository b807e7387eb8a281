"""`reward` computes what a plain TRL script computes, with every method; later runs ask what it leaves for scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ftcore.errors import UsageError
from ftcore.manager import PluginManager
from ftcore.run.execute import execute
from ftcore.run.head import ScoreHead, with_score_head
from ftcore.run.merge import merge
from ftcore.run.reload import reload
from ftcore.run.rewards import RewardFunctions
from ftcore.run.train import train
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import ARCHITECTURES, tiny_model, tiny_tokenizer
from ftcore.types import Sample, Turn
from ftcore_plugins.console.facts import next_pairs
from ftcore_plugins.evaluation.calibration import expected_calibration_error, reliability
from ftcore_plugins.lora_family.table import ROWS
from ftcore_plugins.reward.config import ModelConfig
from ftcore_plugins.reward.scorer import ModelReward
from ftcore_plugins.reward.strategy import Whole
from tests.conftest import Terminal, write_rows
from tests.plugins.lora_family_rows import small
from tests.plugins.trl_script import ftcore_losses, lora_config, said

MANAGER = PluginManager.discover()


def pairs(count: int = 24) -> list[dict[str, Any]]:
    """The better answer says yes."""
    return [{"prompt": f"say {n}", "chosen": f"yes, {n}", "rejected": f"not {n} again"} for n in range(count)]


# The head -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_head_is_the_one_that_transformers_puts_on(architecture: str, tmp_path: Path):
    from transformers import AutoModelForSequenceClassification

    tiny_model(architecture).save_pretrained(tmp_path)
    torch.manual_seed(3)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=1).eval()
    theirs.config.pad_token_id = 0
    torch.manual_seed(3)
    ours = with_score_head(tiny_model(architecture), tiny_tokenizer()).eval()
    assert type(ours) is type(theirs)
    ids = torch.tensor([[5, 6, 7, 8, 0, 0], [5, 6, 9, 10, 11, 12]])
    with torch.no_grad():
        scores, expected = (model(input_ids=ids, attention_mask=(ids != 0).long()).logits for model in (ours, theirs))
    assert torch.equal(scores, expected)


def test_a_score_is_computed_in_full_precision_whatever_the_body_is_held_in():
    model = with_score_head(tiny_model().to(torch.bfloat16), tiny_tokenizer())
    assert isinstance(model.score, ScoreHead)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(input_ids=torch.tensor([[5, 6]])).logits.dtype == torch.float32


# As TRL ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_first_losses_equal_those_of_a_plain_trl_script(ftcore: Terminal, tiny: Path, tmp_path: Path, method: str):
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    rows = [{**row, "margin": n / 24} for n, row in enumerate(pairs())]
    ours = ftcore_losses(ftcore, tiny, write_rows(tmp_path / "rows.jsonl", rows), "reward", method)
    talks = [
        {
            "prompt": said("user", row["prompt"]),
            **{side: said("assistant", row[side]) for side in ("chosen", "rejected")},
            "margin": row["margin"],
        }
        for row in rows
    ]
    arguments = RewardConfig(
        output_dir="trl", max_steps=6, per_device_train_batch_size=4, learning_rate=1e-3, warmup_steps=0,
        lr_scheduler_type="cosine", seed=42, data_seed=42, logging_steps=1, use_cpu=True, bf16=False, report_to=[],
        save_strategy="no", gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    peft_config = lora_config() if method == "lora" else None
    if peft_config:
        peft_config.task_type = "SEQ_CLS"
    script = RewardTrainer(
        str(tiny),
        args=arguments,
        train_dataset=Dataset.from_list(talks),
        processing_class=AutoTokenizer.from_pretrained(tiny),
        peft_config=peft_config,
    )
    script.train()
    expected = [entry["loss"] for entry in script.state.log_history if "loss" in entry]
    assert ours == pytest.approx(expected, abs=1e-4)
    assert ours[-1] < ours[0]


def test_a_row_without_a_margin_asks_for_none():
    rows = [
        {"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3, 4], "margin": margin} for margin in (math.nan, 0.5)
    ]
    assert [pair["margin"] for pair in Whole(rows, True)] == [0.0, 0.5]
    assert Whole(rows, True)[0]["rejected_ids"] == [1, 3, 4]
    assert "margin" not in Whole(rows, False)[1]


# With every method ----------------------------------------------------------------------------------------------------

SMALL = {**{name: small(row) for name, row in ROWS.items()}, "freeze": {"blocks": 1}}
ABLE = [name for name, offers in MANAGER.catalogue("method").items() if "score" in offers[0].spec.heads]
VARIANTS = [
    *((name, SMALL.get(name, {})) for name in ABLE),
    ("lora", {"init": "pissa", "dropout": 0.3}),
    ("ia3", {"targets": "all-linear"}),
]


@pytest.mark.parametrize(("method", "settings"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_it_trains_the_head_with_the_method_and_comes_back(tiny: Path, tmp_path: Path, method: str, settings: Any):
    more = {"strategy": "reward", "method": {"name": method, **settings}, "train": {"steps": 2}}
    small = plan(MANAGER, tiny, tmp_path, "preference", more)
    ready = session(small, MANAGER)
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if p.requires_grad}
    heads = [name for name in before if "score" in name]
    assert len(heads) == 1, f"the head should train, once: {heads}"
    (ready.folder / "run.yaml").write_text(json.dumps(small.dump()))
    (ready.folder / "lock.json").write_text('{"plugins": []}')
    train(ready)
    assert not torch.equal(before[heads[0]], dict(ready.model.named_parameters())[heads[0]])
    again = reload(ready.folder, MANAGER, head="score").model
    assert scores(again) == pytest.approx(scores(ready.model.eval()), abs=1e-5)


def scores(model: Any) -> list[float]:
    ids = torch.tensor([[5, 6, 7, 8, 0, 0], [5, 6, 9, 10, 11, 12]])
    with torch.no_grad():
        found: list[float] = model(input_ids=ids, attention_mask=(ids != 0).long()).logits.flatten().tolist()
    return found


@pytest.mark.parametrize("method", sorted(set(MANAGER.catalogue("method")) - set(ABLE)))
def test_a_method_that_cannot_train_the_head_is_refused_on_the_plan(tiny: Path, tmp_path: Path, method: str):
    with pytest.raises(UsageError, match="puts a new head on the model") as refusal:
        plan(MANAGER, tiny, tmp_path, "preference", {"strategy": "reward", "method": method})
    assert refusal.value.fix == f"--method {ABLE[0]}"


def test_a_method_that_says_it_trains_the_head_and_does_not_is_named(tiny: Path, tmp_path: Path, ftcore: Terminal):
    text = (Path(__file__).parents[1] / "contracts" / "bias.py").read_text()
    (tmp_path / "bias.py").write_text(text)
    line = ["plan", "--model", tiny, "--strategy", "reward", "--method", "bias", "--plugin", "bias.py"]
    assert 'says so: MethodSpec(heads=("lm", "score"), …)' in ftcore(*line).err
    text = text.replace("switchable=False", 'switchable=False, heads=("lm", "score")')
    (tmp_path / "bias.py").write_text(text.replace('endswith(".bias")', 'endswith("norm.weight")'))
    rows = write_rows(tmp_path / "rows.jsonl", pairs())
    line = ["run", "--model", tiny, "--data", rows, "--strategy", "reward", "--method", "bias", "--backend", "cpu"]
    result = ftcore(*line, "--plugin", "bias.py", "--train.learning_rate", 1e-3)
    assert result.code == 7
    assert "does not train the model's new head" in result.err


# What it leaves -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """The folder of a reward model that has learned that answers should say yes."""
    folder = tmp_path_factory.mktemp("judge")
    more = {
        "strategy": "reward", "method": "lora", "data": str(write_rows(folder / "pairs.jsonl", pairs(40))),
        "train": {"steps": 30, "learning_rate": 5e-3, "batch_size": 8}, "evaluators": ["preference", "samples", "loss"],
        "reporters": ["metrics", "html"],
    }  # fmt: skip
    return execute(plan(MANAGER, tiny, folder, "preference", more), MANAGER)[0]


def test_it_learns_and_its_report_says_how_far_it_can_be_believed(judge: Path):
    report = json.loads((judge / "report.json").read_text())
    before, after = (report[when]["preference"] for when in ("before", "after"))
    assert after["accuracy"] == 1.0 > before["accuracy"] or after["margin"] > before["margin"] + 1
    assert 0 <= after["calibration_error"] < 0.5
    assert sum(row["pairs"] for row in report["tables"]["preference"]) == 4
    assert "preference, in detail" in (judge / "report.html").read_text()
    following = dict(next_pairs(report, judge, ["html"]))
    assert "talk to it" not in following
    assert following["ask it"].endswith(f"--rewards.run {judge}")
    card = (judge / "model" / "README.md").read_text()
    assert "AutoModelForSequenceClassification.from_pretrained(" in card
    assert "pipeline_tag: text-classification" in card


def test_others_load_the_adapter_with_its_head(judge: Path, tiny: Path):
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    base = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1)
    base.config.pad_token_id = 0
    theirs = PeftModel.from_pretrained(base, judge / "model").eval()
    assert scores(theirs) == pytest.approx(scores(reload(judge, MANAGER, head="score").model), abs=1e-5)


def test_merged_it_is_a_plain_reward_model(judge: Path, tmp_path: Path):
    from transformers import AutoModelForSequenceClassification

    assert merge(judge, tmp_path / "merged", MANAGER) < 1e-4
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
    assert scores(merged) == pytest.approx(scores(reload(judge, MANAGER).model), abs=1e-5)


def test_nobody_chats_with_it(judge: Path, ftcore: Terminal):
    result = ftcore("chat", judge, "--prompt", "hello")
    assert result.code == 2
    assert "its model scores answers and writes none" in result.err


def test_it_scores_answers_as_the_rows_it_learned_from(judge: Path):
    turns = (Turn("user", "say 7"),)
    samples = [Sample("say 7", "", output, turns) for output in ("yes, 7", "not 7 again", "", "yes " * 200)]
    found = ModelReward(ModelConfig(run=str(judge), batch_size=2)).scores(samples)
    assert found[0] > found[1]
    tuned = reload(judge, MANAGER, head="score")
    text = tuned.tokenizer.apply_chat_template([*said("user", "say 7"), *said("assistant", "yes, 7")], tokenize=False)
    with torch.no_grad():
        ids = torch.tensor([tuned.tokenizer(text, add_special_tokens=False)["input_ids"]])
        assert found[0] == pytest.approx(tuned.model(input_ids=ids).logits.item(), abs=1e-5)


def test_loading_it_in_the_middle_of_a_run_draws_none_of_the_runs_random_numbers(judge: Path):
    from ftcore_plugins.reward.scorer import _loaded

    _loaded.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    ModelReward(ModelConfig(run=str(judge))).scores([Sample("q", "", "a")])
    assert torch.equal(torch.rand(1), expected)


def test_a_run_names_it_and_weighs_it(judge: Path, tiny: Path, tmp_path: Path):
    rewards = [{"name": "model", "run": str(judge), "weight": 2}]
    chosen = plan(MANAGER, tiny, tmp_path, more={"rewards": rewards, "method": "lora"})
    functions = RewardFunctions(chosen.rewards)
    (column,) = (given := functions.scores([Sample("say 7", "", "yes, 7")])).values()
    assert functions.totals(given) == [pytest.approx(2 * column[0])]


def test_a_run_that_is_no_reward_models_is_refused_before_anything_loads(
    judge: Path, tiny: Path, tmp_path: Path, ftcore: Terminal
):
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    (other / "run.yaml").write_text(json.dumps(plan(MANAGER, tiny, tmp_path, more={"method": "lora"}).dump()))
    (other / "lock.json").write_text('{"plugins": []}')
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "q", "completion": "a"}] * 20)
    line = ["plan", "--model", tiny, "--data", rows, "--method", "lora", "--rewards", "model", "--rewards.run"]
    assert ftcore(*line, judge).code == 0
    named = ftcore(*line[:-2], judge, "--json").json["plan"]["rewards"]
    assert named == ftcore(*line[:-2], f"model:{judge}", "--json").json["plan"]["rewards"]
    assert (named[0]["name"], named[0]["run"]) == ("model", str(judge))
    refused = ftcore(*line, other)
    assert refused.code == 2
    assert "whose model gives no scores\n" in refused.err
    assert refused.err.endswith("  try: train one that does: --strategy reward\n")
    assert "this is not the folder of a run" in ftcore(*line, tmp_path).err
    (other / "model").rmdir()
    assert f"ftcore resume {other}" in ftcore(*line, other).err


# Calibration ----------------------------------------------------------------------------------------------------------


def test_calibration_by_hand():
    surely = math.log(9)  # σ = 0.9
    bins = reliability([surely, surely, surely, -surely, 0.0], bins=4)  # 0.9 is the inside of a bin, not its edge
    assert [(each.low, each.pairs) for each in bins] == [(0.5, 1), (0.875, 4)]
    assert bins[0].confidence == 0.5 == bins[0].accuracy
    assert bins[1].confidence == pytest.approx(0.9)
    assert bins[1].accuracy == 0.75
    assert expected_calibration_error(bins) == pytest.approx(4 / 5 * 0.15)


def test_a_model_that_is_as_sure_as_it_is_right_is_calibrated():
    generator = torch.Generator().manual_seed(0)
    margins = 2 * torch.randn(20_000, generator=generator)
    right = torch.rand(20_000, generator=generator) < margins.abs().sigmoid()
    said = torch.where(right, margins.abs(), -margins.abs())
    assert expected_calibration_error(reliability(said.tolist())) < 0.02
    assert expected_calibration_error(reliability((4 * said).tolist())) > 0.1
    assert reliability([800.0])[0].confidence == 1.0
