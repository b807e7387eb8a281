"""`dpo` computes what a plain TRL script computes, with every method, and the reference stays what it was."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from ftcore.errors import Interrupted
from ftcore.manager import PluginManager
from ftcore.pairs import PairCollator, log_probabilities
from ftcore.testing.runs import must_resume_exactly, plan, session
from ftcore_plugins.dpo.config import DpoConfig
from ftcore_plugins.lora_family.table import ROWS
from ftcore_plugins.reference import cache
from ftcore_plugins.reference.trainer import as_before_training
from tests.conftest import Terminal, write_rows
from tests.plugins.lora_family_rows import small
from tests.plugins.trl_script import ftcore_losses, lora_config, losses, said, trl_losses

MANAGER = PluginManager.discover()
LOSSES = get_args(DpoConfig.model_fields["loss"].annotation)


def pairs(count: int = 24) -> list[dict[str, str]]:
    """Pairs of which the chosen answer is easy to tell, and not always the longer one."""
    words = ["yes", "certainly", "of course", "with pleasure"]
    return [
        {"prompt": f"say {n}", "chosen": f"{words[n % 4]}, {n}", "rejected": f"not {n} again"} for n in range(count)
    ]


# As TRL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("loss", ["sigmoid", "ipo"])
def test_the_first_losses_equal_those_of_a_plain_trl_script(ftcore: Terminal, tiny: Path, tmp_path: Path, loss, method):
    from trl import DPOConfig, DPOTrainer

    rows = pairs()
    data = write_rows(tmp_path / "rows.jsonl", rows)
    ours = ftcore_losses(ftcore, tiny, data, "dpo", method, "--strategy.loss", loss)
    talks = [
        {
            "prompt": said("user", row["prompt"]),
            **{side: said("assistant", row[side]) for side in ("chosen", "rejected")},
        }
        for row in rows
    ]
    peft_config = lora_config() if method == "lora" else None
    assert ours == pytest.approx(trl_losses(DPOTrainer, DPOConfig, tiny, talks, peft_config, loss_type=loss), abs=1e-4)
    assert ours[-1] < ours[0]


def test_computed_ahead_or_batch_by_batch_the_losses_are_the_same(ftcore: Terminal, tiny: Path, tmp_path: Path):
    """Rows that are seen once are not computed ahead; those of two epochs are."""
    data = write_rows(tmp_path / "rows.jsonl", pairs(24))
    constant = ("--train.scheduler", "constant")
    once = ftcore_losses(ftcore, tiny, data, "dpo", "lora", *constant)
    assert not (tmp_path / "run" / "reference" / "train.safetensors").exists()
    (tmp_path / "run").rename(tmp_path / "once")
    twice = ftcore_losses(ftcore, tiny, data, "dpo", "lora", *constant, "--train.steps", 12)
    assert (tmp_path / "run" / "reference" / "train.safetensors").exists()
    assert len(once) == 6
    assert len(twice) == 12
    assert twice[:6] == pytest.approx(once, abs=1e-5)
    assert not losses(tmp_path / "once")[6:]


# With every method ---------------------------------------------------------------------------------------------------

SMALL = {
    **{name: small(row) for name, row in ROWS.items()},
    "prompt-tuning": {"tokens": 4},
    "p-tuning": {"tokens": 4, "width": 16},
    "prefix-tuning": {"tokens": 4},
    "freeze": {"blocks": 1},
}
VARIANTS = [
    *((name, SMALL.get(name, {})) for name in MANAGER.catalogue("method")),
    ("lora", {"init": "pissa", "dropout": 0.3}),
    ("lora", {"modules_to_save": ["lm_head"]}),
    ("adapter", {"variant": "houlsby", "dropout": 0.3}),
]


def untouched(ready: Any) -> Any:
    """The base model as the method loads it, which no method and no trainer has touched. In training mode, since in
    evaluation bitsandbytes rounds the scales of 4-bit weights on some processors."""
    return ready.loader.model(dtype=torch.float32, **ready.method.load_options()).train()


def log_probabilities_of(model: Any, rows: Any) -> torch.Tensor:
    """Of chosen answers, then of rejected ones."""
    with torch.no_grad():
        return log_probabilities(model, PairCollator(0)(list(rows)))[0]


@pytest.mark.parametrize(("method", "settings"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_it_trains_with_every_method_against_the_untuned_model(tiny: Path, tmp_path: Path, method: str, settings: Any):
    more = {"strategy": "dpo", "method": {"name": method, **settings}, "train": {"steps": 2}}
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)
    rows = ready.data.train.select(range(4))
    expected = log_probabilities_of(untouched(ready), rows)
    if ready.plan.method.spec.switchable:
        trained_otherwise(ready)
        with as_before_training(ready):
            found = log_probabilities_of(ready.model, rows)
    else:
        ahead = [ready.trainer.train_dataset[index] for index in range(4)]
        found = torch.tensor([row[f"ref_{side}_logps"] for side in ("chosen", "rejected") for row in ahead])
        trained_otherwise(ready)
    assert torch.allclose(found, expected, atol=1e-3), (found - expected).abs().max()


def trained_otherwise(ready: Any) -> None:
    before = {name: p.detach().clone() for name, p in ready.model.named_parameters() if p.requires_grad}
    ready.trainer.train()
    losses = [entry["loss"] for entry in ready.trainer.state.log_history if "loss" in entry]
    assert all(map(math.isfinite, losses))
    assert any(not torch.equal(before[name], p) for name, p in ready.model.named_parameters() if name in before)


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_one_of_trls(tiny: Path, tmp_path: Path, loss: str):
    more = {"strategy": {"name": "dpo", "loss": loss}, "train": {"steps": 1}}
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)
    trained_otherwise(ready)
    assert ready.trainer.loss_types == [loss]


def test_the_other_settings_reach_trl(tiny: Path, tmp_path: Path):
    settings = {"beta": 0.3, "imitation": 0.5, "f_divergence": "js_divergence", "ld_alpha": 0.4}
    more = {"strategy": {"name": "dpo", **settings}, "train": {"steps": 1}}
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)
    trained_otherwise(ready)
    trainer = ready.trainer
    assert (trainer.loss_types, trainer.loss_weights) == (["sigmoid", "sft"], [1.0, 0.5])
    assert (trainer.beta, trainer.ld_alpha) == (0.3, 0.4)
    assert trainer.f_divergence_type == "js_divergence"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"loss": "exo_pair", "label_smoothing": 0}, "must be above 0"),
        ({"label_smoothing": 0.1}, "the loss sigmoid takes no label_smoothing; robust"),
        ({"loss": "robust", "label_smoothing": 0.5}, "less than 0.5"),
        ({"loss": "nca_pair", "f_divergence": "forward_kl"}, "is defined for sigmoid"),
        ({"loss": "aot", "weighting": True}, "sorts pairs apart"),
        ({"weighting": True, "imitation": 1}, "choose one of them"),
        ({"beta": 0}, "greater than 0"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], reason: str):
    with pytest.raises(ValueError, match=reason):
        DpoConfig(**settings)


def test_smoothing_is_what_the_paper_recommends():
    assert [DpoConfig(loss=loss).smoothing for loss in ("sigmoid", "robust", "exo_pair")] == [0, 0.1, 1e-3]


PLAN = ("plan", "--strategy", "dpo", "--evaluate.holdout", 4)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--method.dropout", 0.1), "method.dropout 0.1 makes noise in the log-probabilities that dpo compares"),
        (
            ("--strategy.loss", "aot", "--train.micro_batch_size", 1),
            "aot compares the pairs of a micro batch with each other",
        ),
    ],
)
def test_the_plan_says_what_is_odd(ftcore: Terminal, tiny: Path, tmp_path: Path, flags: Any, words: str):
    result = ftcore(*PLAN, "--model", tiny, "--data", write_rows(tmp_path / "rows.jsonl", pairs()), *flags)
    assert words in result.out + result.err


def test_an_adapter_on_the_output_layer_is_refused(ftcore: Terminal, tiny: Path, tmp_path: Path):
    data = write_rows(tmp_path / "rows.jsonl", pairs())
    result = ftcore("run", "--strategy", "dpo", "--model", tiny, "--data", data, "--method.targets", "lm_head")
    assert result.code == 2
    assert "cannot train an adapter on the model's output layer" in result.err


# Data ----------------------------------------------------------------------------------------------------------------


def test_rows_to_imitate_are_refused_with_the_strategies_that_take_them(ftcore: Terminal, tiny: Path, rows: Path):
    result = ftcore(*PLAN, "--model", tiny, "--data", rows)
    assert result.code == 3
    assert "the strategy 'dpo' learns from preference examples, but these rows are chat examples" in result.err
    assert "try: --strategy sft" in result.err


def test_pairs_are_refused_for_imitation_with_the_strategies_that_take_them(ftcore: Terminal, tiny: Path, tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", pairs())
    result = ftcore("plan", "--strategy", "sft", "--model", tiny, "--data", data)
    assert result.code == 3
    assert "these rows are preference examples" in result.err
    assert "they suit dpo, kto, orpo, simpo, cpo" in result.err
    assert "try: --strategy dpo" in result.err


# The reference on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "full"])
def test_stopped_and_resumed_it_ends_the_same(tiny: Path, tmp_path: Path, method: str):
    """Twelve rows in four steps of four are seen more than once, so the reference is computed ahead of both."""
    must_resume_exactly(plan(MANAGER, tiny, tmp_path, "preference", {"strategy": "dpo", "method": method}), MANAGER)


def test_what_was_computed_is_found_again_for_the_same_rows_only(tiny: Path, tmp_path: Path):
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", {"strategy": "dpo", "method": "full"}), MANAGER)
    path = ready.folder / cache.FOLDER / "train.safetensors"
    rows = ready.data.train
    unused: list[str] = []
    kept = cache.kept(ready, "train", rows, lambda: unused.append("computed") or {})
    assert not unused
    assert len(kept["ref_chosen_logps"]) == len(rows)
    other = {"ref_chosen_logps": torch.zeros(3)}
    assert cache.kept(ready, "train", rows.select(range(3)), lambda: other) is other
    path.write_bytes(path.read_bytes()[:40])
    assert cache.kept(ready, "train", rows, lambda: other) is other


def test_computing_ahead_shows_how_far_it_is_and_heeds_a_signal(tiny: Path, tmp_path: Path):
    heard: list[Any] = []
    ready = session(
        plan(MANAGER, tiny, tmp_path, "preference", {"strategy": "dpo", "method": "full"}), MANAGER, heard.append
    )
    start = next(i for i, event in enumerate(heard) if getattr(event, "title", "").startswith("computing reference"))
    assert heard[start].total == len(ready.data.train) == 12
    assert [event.done for event in heard[start + 1 : start + 4]] == [4, 8, 12]
    ready.stop_signal = 15
    with pytest.raises(Interrupted):
        ready.trainer._ahead(ready.data.train, "train", 4)
