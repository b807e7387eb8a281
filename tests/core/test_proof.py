"""A run ends well only where what it trained is what it saved, whatever a plugin's method or exporter does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore.run import proof
from ftcore.testing import tiny
from tests.cli.refusals import PLUGIN
from tests.conftest import Result, Terminal, echo_rows, write_rows

HONEST = """
import torch
from pathlib import Path
from torch import nn
from safetensors.torch import save_file
from ftcore import MethodSpec, Ref, hookimpl
from ftcore.parameters import decoder_blocks, freeze_all, load_trainable, trainable_state

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="mine", summary="s", switchable=False, factory=Ref("liar:Mine"),
                     defaults={"learning_rate": 1e-2}, **FACTS)

class Plain:
    def load_options(self): return {}
    def state(self, model): return trainable_state(model)
    def load_state(self, model, state): load_trainable(model, state)
    def merge(self, model): return model

class Norms(Plain):
    def attach(self, model):
        freeze_all(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("norm" in name)
        return model
    def save(self, model, folder): model.save_pretrained(folder)

class Shift(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.shift = inner, nn.Parameter(torch.zeros(inner.out_features))
    def forward(self, x): return self.inner(x) + self.shift

class Shifts(Plain):
    def attach(self, model):
        freeze_all(model)
        for block in decoder_blocks(model):
            block.self_attn.o_proj = Shift(block.self_attn.o_proj)
        return model
    def merge(self, model):
        for block in decoder_blocks(model):
            shift = block.self_attn.o_proj
            block.self_attn.o_proj = shift.inner
            shift.inner.bias = nn.Parameter(shift.shift.detach())
        return model
    def save(self, model, folder):
        folder.mkdir(exist_ok=True)
        save_file({n: t.contiguous() for n, t in self.state(model).items()}, folder / "adapter_model.safetensors")
"""
MODEL = 'FACTS = {"trains_base": True, "artifact": "model"}\n'
ADAPTER = "FACTS = {}\n"

LIARS = {
    "zeros in an adapter": (ADAPTER + '''
class Mine(Shifts):
    def save(self, model, folder):
        save_file({n: torch.zeros_like(t) for n, t in self.state(model).items()}, folder / "adapter_model.safetensors")
''', "does not write what was trained: other numbers stand in model.layers.0.self_attn.o_proj.shift", "save"),
    "an adapter of another name": (ADAPTER + '''
class Mine(Shifts):
    def save(self, model, folder):
        save_file(self.state(model), folder / "shifts.safetensors")
''', "does not write what was trained: there is no adapter_model.safetensors", "save"),
    "nothing at all": (ADAPTER + '''
class Mine(Shifts):
    def save(self, model, folder): pass
''', "does not write what was trained: there is no adapter_model.safetensors", "save"),
    "an adapter in half precision": (ADAPTER + '''
class Mine(Shifts):
    def save(self, model, folder):
        save_file({n: t.half() for n, t in self.state(model).items()}, folder / "adapter_model.safetensors")
''', "does not write what was trained: other numbers stand in ", "save"),
    "zeros in a model": (MODEL + '''
class Mine(Norms):
    def save(self, model, folder):
        with torch.no_grad():
            kept = model.model.norm.weight.clone()
            model.model.norm.weight.zero_()
            model.save_pretrained(folder)
            model.model.norm.weight.copy_(kept)
''', "does not write what was trained: other numbers stand in model.norm.weight", "save"),
    "zeros in one of several files": (MODEL + '''
class Mine(Norms):
    def save(self, model, folder):
        with torch.no_grad():
            kept = model.model.norm.weight.clone()
            model.model.norm.weight.zero_()
            model.save_pretrained(folder, max_shard_size="100KB")
            model.model.norm.weight.copy_(kept)
''', "does not write what was trained: other numbers stand in model.norm.weight", "save"),
    "zeros that it leaves behind": (
        MODEL
        + """
class Mine(Norms):
    def save(self, model, folder):
        with torch.no_grad():
            model.model.norm.weight.zero_()
        model.save_pretrained(folder)
""",
        "does not write what was trained: it changes model.norm.weight",
        "save",
    ),
    "a model that nobody can load": (MODEL + '''
class Mine(Norms):
    def save(self, model, folder):
        model.save_pretrained(folder)
        (folder / "model.safetensors").rename(folder / "weights.safetensors")
''', "does not write what was trained: ", "save"),
    "parts that transformers does not read": (MODEL + '''
class Mine(Shifts):
    def save(self, model, folder): model.save_pretrained(folder)
''', "does not write what was trained: loaded again it answers otherwise; missing: ", "save"),
    "half of the state": (MODEL + '''
class Mine(Norms):
    def state(self, model):
        return dict(list(trainable_state(model).items())[::2])
''', "trains what its state does not hold: model.layers.0.post_attention_layernorm.weight", "state"),
    "a state that stood still": (MODEL + '''
class Mine(Norms):
    kept = None
    def state(self, model):
        self.kept = self.kept or {n: t.clone() for n, t in trainable_state(model).items()}
        return self.kept
''', "trains what its state does not hold: ", "state"),
    "the base, which the record does not say": ('FACTS = {"artifact": "model"}\n' + '''
class Mine(Norms): pass
''', "trains weights of the base model, and its record does not say so", "attach"),
    "what does not train": (MODEL + '''
class Mine(Norms):
    def begin(self, model, steps): pass
    def after_step(self, model, step):
        with torch.no_grad():
            model.lm_head.weight.mul_(1.01)
    def progress(self, model): return {}
    def load_progress(self, model, progress): pass
''', "changes weights that it did not say it would train", "attach"),
}  # fmt: skip


@pytest.fixture
def run(ftcore: Terminal, tiny: Path, tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", echo_rows(24))

    def run_(code: str, *more: object) -> Result:
        (tmp_path / "liar.py").write_text(HONEST + code, encoding="utf-8")
        return ftcore(
            "run", "--plugin", "liar.py", "--model", tiny, "--data", "rows.jsonl", "--backend", "cpu",
            "--backend.precision", "fp32", "--train.steps", 2, "--train.batch_size", 4, "--train.max_length", 256,
            "--evaluators", "none", "--reporters", "metrics", "--out", "run", "--method", "mine", *more,
        )  # fmt: skip

    return run_


@pytest.mark.parametrize(("code", "said", "function"), LIARS.values(), ids=LIARS)
def test_a_run_that_would_lose_what_it_trained_fails(run, tmp_path: Path, code: str, said: str, function: str):
    result = run(code)
    assert result.code == PLUGIN, result.err
    assert f"the tuning method 'mine' of file:liar {said}" in result.err
    lines = (HONEST + code).splitlines()
    place = result.err.partition("liar.py:")[2].partition(":")[0]
    assert f"def {function}(" in lines[int(place) - 1], "the line of the function at fault is named"
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    "code",
    [
        MODEL + "class Mine(Norms): pass\n",
        ADAPTER + "class Mine(Shifts): pass\n",
        # copies, in another form than the parameters have
        ADAPTER + "class Mine(Shifts):\n"
        "    def state(self, model):\n"
        "        return {'all': torch.cat(list(trainable_state(model).values()))}\n"
        "    def load_state(self, model, state):\n"
        "        with torch.no_grad():\n"
        "            parts = list(trainable_state(model).values())\n"
        "            for part, new in zip(parts, state['all'].chunk(len(parts))): part.copy_(new)\n",
        # what trains is folded into what is saved
        MODEL + "class Mine(Shifts):\n"
        "    def merge(self, model):\n"
        "        for block in decoder_blocks(model): block.self_attn.o_proj = block.self_attn.o_proj.inner\n"
        "        return model\n"
        "    def save(self, model, folder): self.merge(model).save_pretrained(folder)\n"
        "    def attach(self, model):\n"
        "        model = super().attach(model)\n"
        "        for block in decoder_blocks(model): block.self_attn.o_proj.inner.weight.requires_grad_(True)\n"
        "        for block in decoder_blocks(model): block.self_attn.o_proj.shift.requires_grad_(False)\n"
        "        return model\n",
    ],
)  # fmt: skip
def test_an_honest_method_of_any_form_is_believed(run, tmp_path: Path, code: str):
    result = run(code)
    assert result.code == 0, result.err
    assert (tmp_path / "run" / "model" / "MANIFEST.json").is_file()


@pytest.mark.parametrize("more", ["", ', max_shard_size="100KB"'])
def test_a_model_is_compared_without_loading_it_again(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str):
    monkeypatch.setattr(proof, "whole_model", None)
    code = f"class Mine(Norms):\n    def save(self, model, folder): model.save_pretrained(folder{more})\n"
    result = run(MODEL + code)
    assert result.code == 0, result.err
    assert len(list((tmp_path / "run" / "model").glob("*.safetensors"))) > bool(more)


def test_experts_that_are_written_under_other_names_are_the_same(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In memory a layer's experts are one tensor, in files each is its own."""
    sizes = {**tiny.ARCHITECTURES["llama"], "num_local_experts": 4}
    monkeypatch.setitem(tiny.ARCHITECTURES, "mixtral", sizes)
    tiny.save_tiny(tmp_path / "experts", "mixtral")
    result = run(MODEL + "class Mine(Norms): pass\n", "--model", "./experts")
    assert result.code == 0, result.err


def test_a_merge_that_is_not_read_from_disk_as_it_was_is_refused(run, ftcore: Terminal, tmp_path: Path):
    """A Llama has no bias there, so transformers leaves it out without a word."""
    assert run(ADAPTER + "class Mine(Shifts): pass\n").code == 0
    result = ftcore("merge", "run", "--plugin", "liar.py")
    assert result.code == PLUGIN
    assert "merges into a model that is not read from disk as it was: missing: " in result.err
    assert "o_proj.bias" in result.err
    assert not (tmp_path / "run" / "merged").exists()


def test_a_method_from_elsewhere_is_suspected_of_a_number_that_is_none(run):
    code = "class Mine(Norms):\n    def attach(self, model):\n        model = super().attach(model)\n"
    code += "        model.model.norm.weight.data.fill_(torch.nan)\n        return model\n"
    result = run(MODEL + code)
    assert result.code == 6
    assert "so it comes from the method file:liar, the model, its precision or the data" in result.err


def test_an_exporter_that_writes_something_else_is_to_blame(run):
    code = """
from ftcore import ExporterSpec

@hookimpl
def ftcore_exporters():
    yield ExporterSpec(name="bare", summary="s", factory=Ref("liar:Bare"))

class Bare:
    def export(self, session, folder):
        state = {name: torch.zeros_like(tensor) for name, tensor in session.method.state(session.model).items()}
        save_file(state, folder / "adapter_model.safetensors")
        return ["adapter_model.safetensors"]

class Mine(Shifts): pass
"""
    result = run(ADAPTER + code, "--exporter", "bare", "--method", "lora")
    assert result.code == PLUGIN
    assert "the exporter 'bare' of file:liar does not write what was trained: other numbers stand in " in result.err
