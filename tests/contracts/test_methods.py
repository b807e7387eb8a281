"""Every built-in tuning method, in each of its variants, keeps the contract of tuning methods."""

# ruff: noqa: RUF012 - settings are read, never changed

from pathlib import Path
from typing import Any

import pytest

from ftcore.testing.methods import MethodContract
from ftcore.testing.tiny import save_tiny
from ftcore_plugins.adapter.elsewhere import load_adapter
from ftcore_plugins.lora_family.table import ROWS
from tests.plugins.lora_family_rows import small


class TestFull(MethodContract):
    name = "full"


class TestFullOfAnUntiedModel(MethodContract):
    name = "full"
    tied = False


class TestFreeze(MethodContract):
    name = "freeze"
    settings = {"blocks": 1}


class TestFreezeWithHeadAndNorms(MethodContract):
    name = "freeze"
    settings = {"blocks": 0, "head": True, "norms": True, "patterns": ["*.0.self_attn.q_proj.*"]}


class TestLora(MethodContract):
    name = "lora"


class TestLoraPlus(MethodContract):
    name = "lora"
    settings = {"plus_ratio": 16, "targets": ["q_proj", r".*\.1\.mlp\..*_proj"]}


class TestLoraWithDora(MethodContract):
    name = "lora"
    settings = {"dora": True}


class TestLoraWithRslora(MethodContract):
    name = "lora"
    settings = {"rslora": True, "init": "gaussian"}


class TestLoraOrthogonal(MethodContract):
    name = "lora"
    settings = {"init": "orthogonal"}


class TestLoraWithPissa(MethodContract):
    name = "lora"
    settings = {"init": "pissa"}


class TestLoraWithRandomisedPissa(MethodContract):
    name = "lora"
    settings = {"init": "pissa_niter_2", "rslora": True, "modules_to_save": ["lm_head"]}


class TestLoraWithOlora(MethodContract):
    name = "lora"
    settings = {"init": "olora"}


class TestLoraWithTiedEmbeddings(MethodContract):
    name = "lora"
    settings = {"modules_to_save": ["embed_tokens"]}


class TestLoraWithUntiedHead(MethodContract):
    name = "lora"
    settings = {"modules_to_save": ["lm_head"]}
    tied = False


class TestLoraOnGpt2(MethodContract):
    name = "lora"
    architecture = "gpt2"
    settings = {"init": "pissa"}


class TestQlora(MethodContract):
    name = "qlora"


class TestQloraFp4(MethodContract):
    name = "qlora"
    settings = {"quant_type": "fp4"}


class TestQloraDoubleQuant(MethodContract):
    name = "qlora"
    settings = {"double_quant": True}


class TestQloraWithLoftq(MethodContract):
    name = "qlora"
    settings = {"loftq": True}


class TestQloraWithDora(MethodContract):
    name = "qlora"
    settings = {"dora": True}


class TestQloraWithPissa(MethodContract):
    name = "qlora"
    settings = {"init": "pissa"}


class TestQloraWithUntiedHead(MethodContract):
    name = "qlora"
    settings = {"modules_to_save": ["lm_head"]}
    tied = False


class AdapterContract(MethodContract):
    """PEFT cannot read these, so they are reloaded by the function that the documentation and the model card show."""

    name = "adapter"

    def reload(self, base_folder: Path, artifact_folder: Path) -> Any:
        return load_adapter(self.load_base(base_folder), artifact_folder)


def test_an_adapter_that_peft_does_not_load_and_nobody_says_how_is_no_broken_promise(tmp_path: Path):
    class Unsaid(MethodContract):
        name = "adapter"

    with pytest.raises(pytest.skip.Exception, match=r'say how others load it: .*"method:adapter"'):
        Unsaid().test_the_artifact_is_what_others_load(save_tiny(tmp_path / "base"), tmp_path)


class TestAdapter(AdapterContract):
    settings = {"reduction_factor": 4}


class TestHoulsbyAdapter(AdapterContract):
    settings = {"variant": "houlsby", "scale": "learned", "nonlinearity": "gelu"}


class TestPfeifferAdapterInOneBlockOfGpt2(AdapterContract):
    settings = {"variant": "pfeiffer", "layers": "1", "reduction_factor": 4}
    architecture = "gpt2"


class TestHoulsbyAdapterBesideParallelResiduals(AdapterContract):
    settings = {"variant": "houlsby", "reduction_factor": 4}
    architecture = "gpt_neox"


class TestIa3(MethodContract):
    name = "ia3"


class TestIa3OnAllLayers(MethodContract):
    name = "ia3"
    settings = {"targets": "all-linear"}
    tied = False


class TestIa3OnGpt2(MethodContract):
    name = "ia3"
    architecture = "gpt2"


class TestLnTuning(MethodContract):
    name = "ln-tuning"


class TestLnTuningOnGpt2(MethodContract):
    name = "ln-tuning"
    architecture = "gpt2"


class TestLisa(MethodContract):
    name = "lisa"
    settings = {"blocks": 1, "every": 1}


class TestLisaOnAnUntiedGpt2(MethodContract):
    name = "lisa"
    architecture = "gpt2"
    tied = False


class _Family(MethodContract):
    """One class is made for each row of the table of the LoRA family, below."""

    __test__ = False

    @classmethod
    def tries_whole_runs(cls) -> bool:
        """All rows share one class but AdaLoRA, which acts between the steps."""
        return cls.name in ("vera", "adalora")


for _row in ROWS.values():
    _words = {"name": _row.name, "settings": small(_row), "__test__": True}
    globals()[f"Test{_row.peft.removesuffix('Config')}"] = type(_row.peft, (_Family,), _words)


class TestPromptTuning(MethodContract):
    name = "prompt-tuning"
    settings = {"tokens": 5}


class TestPromptTuningFromText(MethodContract):
    name = "prompt-tuning"
    settings = {"tokens": 5, "init": "text", "text": "say it"}
    architecture = "gpt2"


class TestPTuning(MethodContract):
    name = "p-tuning"
    settings = {"tokens": 5}


class TestPTuningThroughAnLstm(MethodContract):
    name = "p-tuning"
    settings = {"tokens": 5, "encoder": "lstm", "width": 32}
    tied = False


class TestPrefixTuning(MethodContract):
    name = "prefix-tuning"
    settings = {"tokens": 5}


class TestPrefixTuningOnGemma2(MethodContract):
    name = "prefix-tuning"
    settings = {"tokens": 5, "init": "zero"}
    architecture = "gemma2"


class TestPrefixTuningOnGpt2(MethodContract):
    name = "prefix-tuning"
    settings = {"tokens": 5, "init": "text", "text": "say it"}
    architecture = "gpt2"


class TestAdaptionPrompt(MethodContract):
    name = "adaption-prompt"
    settings = {"tokens": 5, "layers": 2}


class TestAdaptionPromptOnGpt2(MethodContract):
    name = "adaption-prompt"
    settings = {"tokens": 5}
    architecture = "gpt2"


class TestAMethodInAFile(MethodContract):
    name = "bias"
    plugin_files = (str(Path(__file__).with_name("bias.py")),)
    architecture = "gpt2"
