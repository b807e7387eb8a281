"""The contract of tuning methods, as tests to inherit: what every method must do, whatever it trains.

    from ftcore.testing.methods import MethodContract

    class TestBias(MethodContract):
        name = "bias"
        settings = {"only_last": True}

Everything runs on a tiny random model (`ftcore.testing.tiny`), so it says whether a method is correct, not whether it
learns well. A method that its plugin does not install yet is found through `plugin_files`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from ftcore.errors import FtcoreError
from ftcore.protocols import InitialisedMethod, MergeableMethod, SwitchableMethod, TuningMethod
from ftcore.run.plan import Plan
from ftcore.specs import MethodSpec
from ftcore.testing.combinations import together
from ftcore.testing.contract import left_out, replaceable
from ftcore.testing.probes import gradients, logits, plain_logits, snapshot, train
from ftcore.testing.runs import RunContract, fresh, must_resume_exactly, session
from ftcore.testing.tiny import save_tiny, tiny_tokenizer


class MethodContract(RunContract):
    """Inherit, give the method's `name` and its `settings` (without dropout), and let pytest collect the rest."""

    kind = "method"
    architecture: ClassVar[str] = "llama"
    """The tiny model's, one of `ftcore.testing.tiny.ARCHITECTURES`."""
    tied: ClassVar[bool] = True
    """Whether the tiny model's head and embedding are one matrix."""
    merge_tolerance: ClassVar[float] = 1e-4
    """How far a logit may move when the change is folded in; logits here have a spread of about one."""

    # What the tests stand on ------------------------------------------------------------------------------------------

    @classmethod
    def spec(cls) -> MethodSpec:
        spec = super().spec()
        assert isinstance(spec, MethodSpec)
        return spec

    @classmethod
    def build(cls) -> TuningMethod:
        method = super().build()
        assert isinstance(method, TuningMethod)
        return method

    @classmethod
    def plan(cls, model: Path, folder: Path, example: str = "chat", **more: Any) -> Plan:
        return super().plan(model, folder, example, method=cls.itself(), **more)

    @pytest.fixture(scope="class")
    def base_folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A tiny model as a user would have it on disk."""
        return save_tiny(tmp_path_factory.mktemp("base"), self.architecture, tied=self.tied)

    def load_base(self, base_folder: Path) -> Any:
        """The base model, loaded as the method insists."""
        return AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32, **self.build().load_options())

    def attached(self, base_folder: Path) -> Any:
        torch.manual_seed(0)
        method = self.build()
        model = method.attach(self.load_base(base_folder))
        if isinstance(method, InitialisedMethod):
            method.initialise(model, tiny_tokenizer())
        return model

    def trained(self, base_folder: Path) -> Any:
        model = self.attached(base_folder)
        train(model, steps=3)
        return model

    @replaceable
    def reload(self, base_folder: Path, artifact_folder: Path) -> Any:
        """The tuned model from the base model and what `save` wrote, as somebody without ftcore loads it.

        By default a `model` is loaded by transformers, an `adapter` by PEFT. `self.load_base(base_folder)` is the base.
        """
        if self.spec().artifact == "model":
            return AutoModelForCausalLM.from_pretrained(artifact_folder, dtype=torch.float32)
        from peft import PeftModel

        return PeftModel.from_pretrained(self.load_base(base_folder), artifact_folder)

    # The record -------------------------------------------------------------------------------------------------------

    def test_the_declared_facts_are_consistent(self) -> None:
        spec, method = self.spec(), self.build()
        assert isinstance(method, SwitchableMethod) or not spec.switchable, "declared as switchable, it lacks disabled"
        assert isinstance(method, MergeableMethod) or not spec.mergeable, "declared as mergeable, it lacks merge"
        assert {*spec.gives_way} <= {*spec.defaults}, "what gives way to a model's or a data source's is no default"

    # What trains ------------------------------------------------------------------------------------------------------

    def test_something_trains_and_an_adapter_leaves_the_base_alone(self, base_folder: Path) -> None:
        base = self.load_base(base_folder)
        own = {id(parameter) for parameter in base.parameters()}
        model = self.build().attach(base)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert trainable, "no parameter trains"
        assert all(parameter.dtype == torch.float32 for parameter in trainable), "what trains is held in float32"
        if not self.spec().trains_base:
            own_trains = any(id(parameter) in own for parameter in trainable)
            assert not own_trains, "a weight of the base model trains, and the record does not say trains_base"

    def test_steps_change_everything_that_trains_and_nothing_else(self, base_folder: Path) -> None:
        model = self.attached(base_folder)
        before = snapshot(model)
        trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        train(model, steps=3)  # three, because a matrix whose partner starts at zero gets no gradient in the first
        after = snapshot(model)
        assert after.keys() == before.keys(), "steps add or take parameters"
        changed = {name for name in after if not torch.equal(before[name], after[name])}
        assert changed == trainable, f"should change and do not, or the reverse: {sorted(changed ^ trainable)[:3]}"

    def test_parameter_groups_hold_each_trainable_parameter_once(self, base_folder: Path) -> None:
        method = self.build()
        if not hasattr(method, "parameter_groups"):
            return
        model = method.attach(self.load_base(base_folder))
        groups = method.parameter_groups(model, 1e-3)
        if groups is None:
            return
        grouped = [id(parameter) for group in groups for parameter in group["params"]]
        assert len(grouped) == len(set(grouped))
        assert set(grouped) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}

    def test_an_evaluation_changes_no_gradient(self, base_folder: Path) -> None:
        model = self.trained(base_folder)
        expected = gradients(model)
        logits(model)
        found = gradients(model)
        assert found.keys() == expected.keys(), "after an evaluation some parameters get no gradient"
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=0, atol=0, msg=f"{name} has another gradient")

    @pytest.mark.parametrize("use_reentrant", [False, True])
    def test_gradient_checkpointing_changes_no_gradient(self, base_folder: Path, use_reentrant: bool) -> None:
        model = self.trained(base_folder)
        expected = gradients(model)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": use_reentrant})
        model.enable_input_require_grads()
        found = gradients(model)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)

    # Switching off ----------------------------------------------------------------------------------------------------

    def test_switched_off_it_answers_as_the_base(self, base_folder: Path) -> None:
        if not self.spec().switchable:
            return
        method, model = self.build(), self.trained(base_folder)
        expected = plain_logits(self.load_base(base_folder))
        tuned, trainable = logits(model), _trainable_names(model)
        assert isinstance(method, SwitchableMethod), "declared as switchable, it lacks disabled"
        with method.disabled(model):
            torch.testing.assert_close(logits(model), expected, rtol=0, atol=1e-6)
        assert not torch.allclose(tuned, expected, atol=1e-3), "training changed nothing, so this shows nothing"
        assert torch.equal(logits(model), tuned), "switched on again it answers otherwise"
        assert _trainable_names(model) == trainable, "switched on again it trains something else"

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def test_a_state_brings_the_same_model_back(self, base_folder: Path) -> None:
        method, model = self.build(), self.trained(base_folder)
        state = {name: tensor.clone() for name, tensor in method.state(model).items()}
        torch.manual_seed(1)  # a method that draws its start at random must not need the same draw again
        fresh = method.attach(self.load_base(base_folder))
        assert not torch.equal(logits(fresh), logits(model)), "training changed nothing, so this shows nothing"
        method.load_state(fresh, state)
        assert torch.equal(logits(fresh), logits(model)), "with the state of another, a model answers otherwise"
        assert _trainable_names(fresh) == _trainable_names(model), "with the state of another, something else trains"

    def test_a_state_that_does_not_fit_is_refused(self, base_folder: Path) -> None:
        method, model = self.build(), self.attached(base_folder)
        state = method.state(model)
        name, tensor = next(iter(state.items()))
        for wrong in (
            {key: value for key, value in state.items() if key != name},
            {**state, "stranger": tensor},
            {**state, name: torch.zeros(3, 5, 7)},
        ):
            with pytest.raises(ValueError, match=r"stranger|" + name.replace(".", r"\.")):
                method.load_state(model, wrong)

    def test_a_state_can_be_written(self, base_folder: Path, tmp_path: Path) -> None:
        """Checkpoints are safetensors, which refuse tensors that share memory."""
        state = self.build().state(self.trained(base_folder))
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "state.safetensors")

    # The artifact -----------------------------------------------------------------------------------------------------

    def test_the_artifact_is_what_others_load(self, base_folder: Path, tmp_path: Path) -> None:
        method, model = self.build(), self.trained(base_folder)
        folder = tmp_path / "artifact"
        method.save(model, folder)
        others = sorted(path.name for path in folder.rglob("*") if path.suffix not in (".safetensors", ".json"))
        assert not others, f"the artifact is safetensors and JSON files only; it holds {', '.join(others)}"
        if self.spec().artifact == "adapter":
            _is_saved_state(folder / "adapter_model.safetensors", method.state(model))
            if type(self).reload is MethodContract.reload and not (folder / "adapter_config.json").is_file():
                left_out(f'say how others load it: FTCORE_CHECK = {{"method:{self.spec().name}": {{"reload": f}}}}')
        torch.testing.assert_close(plain_logits(self.reload(base_folder, folder)), logits(model), rtol=0, atol=1e-5)

    def test_saving_twice_writes_the_same_bytes(self, base_folder: Path, tmp_path: Path) -> None:
        method, model = self.build(), self.trained(base_folder)
        for name in ("first", "second"):
            method.save(model, tmp_path / name)
        for path in sorted((tmp_path / "first").iterdir()):
            assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name

    def test_merged_it_is_a_plain_model_with_the_same_answers(self, base_folder: Path, tmp_path: Path) -> None:
        if not self.spec().mergeable:
            return
        method, model = self.build(), self.trained(base_folder)
        expected = logits(model)
        assert isinstance(method, MergeableMethod), "declared as mergeable, it lacks merge"
        merged = method.merge(model)
        plain = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
        assert type(merged) is type(plain)
        assert {type(module) for module in merged.modules()} == {type(module) for module in plain.modules()}
        torch.testing.assert_close(logits(merged), expected, rtol=0, atol=self.merge_tolerance)
        merged.save_pretrained(tmp_path)
        assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
        again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        torch.testing.assert_close(logits(again), logits(merged), rtol=0, atol=1e-6)

    # Whole runs -------------------------------------------------------------------------------------------------------

    @classmethod
    def tries_whole_runs(cls) -> bool:
        """Once a method is enough: settings change what trains, not how a run goes. Override it to say otherwise."""
        return cls._is_first_of_its_method()

    @classmethod
    def _is_first_of_its_method(cls) -> bool:
        return _FIRST.setdefault((cls.name, cls.plugin_files), cls) is cls

    def test_it_works_with_every_strategy_that_its_facts_allow(self, base_folder: Path, tmp_path: Path) -> None:
        if not self._is_first_of_its_method():
            return
        installed = self.manager().catalogue("strategy")
        worked = [name for name in installed if self._works_with(name, base_folder, fresh(tmp_path))]
        assert worked, f"no installed strategy accepts it; ftcore plan --method {self.name} says why"

    def _works_with(self, strategy: str, base_folder: Path, folder: Path) -> bool:
        """Two steps toward a strategy's objective; False when the plan refuses the two together."""
        try:
            plan = together(self.manager(), base_folder, folder, self.itself(), strategy)
        except FtcoreError:
            return False
        ready = session(plan, self.manager())
        before = {name: tensor.clone() for name, tensor in ready.method.state(ready.model).items()}
        assert ready.trainer is not None
        try:
            ready.trainer.train()
        except Exception as error:
            raise AssertionError(f"toward {strategy} it does not train: {error}") from error
        after = ready.method.state(ready.model)
        assert any(not torch.equal(before[name], after[name]) for name in before), f"{strategy} changed nothing"
        assert all(torch.isfinite(tensor).all() for tensor in after.values()), f"{strategy} made it not a number"
        return True

    def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(self, base_folder: Path, tmp_path: Path) -> None:
        if self.tries_whole_runs():
            must_resume_exactly(self.plan(base_folder, tmp_path), self.manager())


_FIRST: dict[tuple[str, tuple[str, ...]], type[MethodContract]] = {}
"""The class that tries whole runs, for each method."""


def _trainable_names(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def _is_saved_state(file: Path, state: Mapping[str, Tensor]) -> None:
    assert file.is_file(), f"an adapter's tensors are in {file.name}, and save writes no such file"
    saved = load_file(file)
    assert saved.keys() == state.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in state.items())
