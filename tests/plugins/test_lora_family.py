"""The LoRA family beyond the contract: what every row of the table says is true, and AdaLoRA's way through a run."""

import peft
import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError

from ftcore.errors import ModelError, UsageError
from ftcore.manager import PluginManager
from ftcore.testing.probes import batch, logits, plain_logits, train
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import save_tiny, tiny_model
from ftcore_plugins.lora_family import config
from ftcore_plugins.lora_family.adalora import AdaLora
from ftcore_plugins.lora_family.method import FamilyMethod
from ftcore_plugins.lora_family.table import ROWS
from ftcore_plugins.peft_base.method import TRAINED
from tests.plugins.lora_family_rows import small

EVERY_ROW = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))


def build(name, **settings):
    method = AdaLora if name == "adalora" else FamilyMethod
    return method(getattr(config, name)(**{**small(ROWS[name]), **settings}))


def adapted(model):
    """The layers that have an adapter, by the last part of their names."""
    return {name.rpartition(".")[2] for name in model.base_model.targeted_module_names}


# Every row ------------------------------------------------------------------------------------------------------------


@EVERY_ROW
def test_settings_arrive_at_peft(row):
    method = build(row.name)
    made = method.peft_config(tiny_model())
    assert isinstance(made, getattr(peft, row.peft))
    for setting in row.settings:
        if setting.peft:
            assert getattr(made, setting.peft) == getattr(method.config, setting.name)


@EVERY_ROW
def test_it_starts_as_the_base_or_near_it(row):
    difference = (logits(build(row.name).attach(tiny_model())) - plain_logits(tiny_model())).abs().max()
    assert difference < 0.05 if row.name == "vblora" else difference < 1e-5


@EVERY_ROW
def test_on_a_model_in_bfloat16_what_trains_is_in_float32(row):
    model = build(row.name).attach(tiny_model().to(torch.bfloat16))
    train(model, steps=2)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    assert all(torch.isfinite(parameter).all() for parameter in trained)


@EVERY_ROW
def test_gpt2_works_or_is_refused_as_declared(row):
    if row.conv1d:
        model = build(row.name).attach(tiny_model("gpt2"))
        train(model)
        assert {"c_attn", "c_fc", "c_proj"} <= adapted(model)
        return
    with pytest.raises(ModelError, match="made of Conv1D") as caught:
        build(row.name).attach(tiny_model("gpt2"))
    assert caught.value.fix == "--method lora"


@pytest.mark.parametrize(
    ("name", "setting"),
    [(row.name, setting.name) for row in ROWS.values() for setting in row.settings if setting.divides],
)
def test_a_width_that_does_not_divide_is_refused_with_one_that_does(name, setting):
    with pytest.raises(UsageError, match="does not divide") as caught:
        build(name, **{setting: 12}).attach(tiny_model())
    flag, fits = caught.value.fix.split()
    assert flag == f"--method.{setting}"
    build(name, **{setting: int(fits)}).attach(tiny_model())


def test_what_peft_refuses_is_said_with_something_smaller():
    with pytest.raises(UsageError, match="more shira params than the total number") as caught:
        build("shira", rank=100).attach(tiny_model())
    assert caught.value.fix == "--method.rank 50"


# Targets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        (["q_proj", r".*\.1\.mlp\.up_proj"], {"q_proj", "up_proj"}),
        ("q_proj,v_proj", {"q_proj", "v_proj"}),
        (["all-linear"], {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_layers_are_chosen_as_for_lora(targets, layers):
    assert adapted(build("vera", targets=targets).attach(tiny_model())) == layers


def test_only_the_chosen_layers_have_to_fit():
    build("c3a", block=64, targets=["q_proj"]).attach(tiny_model())


def test_a_misspelt_layer_is_named():
    with pytest.raises(UsageError, match=r"no layer 'q_porj' \(did you mean 'q_proj'\?\)"):
        build("vera", targets=["q_porj"]).attach(tiny_model())


# AdaLoRA --------------------------------------------------------------------------------------------------------------


def adalora_run(method, model, steps, of=None):
    """Train as a run of `of` steps does; give the number of ranks in use after each step."""
    method.begin(model, of or steps)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    used = []
    for step in range(1, steps + 1):
        model(**batch()).loss.backward()
        method.before_step(model, step)
        optimizer.step()
        method.after_step(model, step)
        optimizer.zero_grad()
        used.append(sum(int((p != 0).sum()) for name, p in model.named_parameters() if ".lora_E." in name))
    return used


def test_adalora_goes_from_the_initial_rank_to_the_target_and_stays_there():
    method = build("adalora", rank=2, initial_rank=4, begin=0.25, settle=0.25)
    used = adalora_run(method, method.attach(tiny_model()), steps=12)
    layers = 14
    assert used[:3] == [4 * layers] * 3
    assert used[3:] == sorted(used[3:], reverse=True)
    assert used[8:] == [2 * layers] * 4


def test_adalora_takes_rank_where_it_matters_least_so_layers_differ(tmp_path):
    method = build("adalora", rank=2, initial_rank=4)
    model = method.attach(tiny_model())
    adalora_run(method, model, steps=6)
    ranks = [int((p != 0).sum()) for name, p in model.named_parameters() if ".lora_E." in name]
    assert len(set(ranks)) > 1
    method.save(model, tmp_path)
    assert torch.equal(logits(PeftModel.from_pretrained(tiny_model(), tmp_path)), logits(model))


def test_the_penalty_of_adalora_is_that_of_peft():
    """PEFT adds it to the loss that the model computes; here it is added to the gradients."""
    method = build("adalora")
    ours = method.attach(tiny_model())
    settings = {"init_r": 12, "lora_alpha": 32, "total_step": 1, "target_modules": "all-linear"}
    theirs = peft.get_peft_model(tiny_model(), peft.AdaLoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for mine, other in zip(theirs.parameters(), ours.parameters(), strict=True):
            mine.copy_(other)
    for model in (ours, theirs):
        model(**batch()).loss.backward()
    method.before_step(ours, 1)
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if mine.requires_grad:
            torch.testing.assert_close(mine.grad, other.grad, msg=name)


def test_the_penalty_of_adalora_acts_in_a_run(tmp_path):
    """The trainers of TRL compute their own losses, which PEFT's penalty never reaches."""
    manager, base = PluginManager.discover(), save_tiny(tmp_path / "base")
    distances = []
    for weight in (0.0, 50.0):
        folder = tmp_path / str(weight)
        folder.mkdir()
        method = {"name": "adalora", "orthogonal": weight, "targets": ["q_proj"]}
        ready = session(plan(manager, base, folder, more={"method": method, "train": {"learning_rate": 0.02}}), manager)
        ready.trainer.train()
        p = ready.model.base_model.model.model.layers[0].self_attn.q_proj.lora_A[TRAINED]
        distances.append(float((p @ p.T - torch.eye(len(p))).norm()))
    assert distances[1] < distances[0] - 0.1


def test_adalora_goes_on_with_the_scores_that_it_had():
    method, other = build("adalora"), build("adalora")
    model = method.attach(tiny_model())
    adalora_run(method, model, steps=4, of=12)
    fresh = other.attach(tiny_model())
    other.load_state(fresh, method.state(model))
    other.load_progress(fresh, method.progress(model))
    assert {name.partition(".")[0] for name in method.progress(model)} == {"sensitivity", "uncertainty", "kept"}
    again = other.progress(fresh)
    assert again.keys() == method.progress(model).keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in method.progress(model).items())


def test_adalora_forgets_a_gradient_that_is_not_finite():
    method = build("adalora")
    model = method.attach(tiny_model())
    method.begin(model, 10)
    model(**batch()).loss.backward()
    next(p for name, p in model.named_parameters() if ".lora_A." in name).grad[0, 0] = torch.inf
    method.after_step(model, 1)
    assert all(torch.isfinite(tensor).all() for tensor in method.progress(model).values())


def test_a_run_too_short_for_adalora_is_refused_with_a_longer_one():
    method = build("adalora")
    model = method.attach(tiny_model())
    with pytest.raises(UsageError, match="a run of 1 is too short") as caught:
        method.begin(model, 1)
    assert caught.value.fix == "--train.steps 20"
    method.begin(model, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"initial_rank": 8}, "initial_rank must be more than rank"), ({"begin": 0.5, "settle": 0.5}, "below 1")],
)
def test_adalora_refuses_a_schedule_without_room(settings, words):
    with pytest.raises(ValidationError, match=words):
        build("adalora", **settings)
