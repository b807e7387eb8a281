"""Every built-in tuning method, in each of its variants, keeps the contract of tuning methods."""

# ruff: noqa: RUF012 - settings are read, never changed

from pathlib import Path

from ftcore.testing.methods import MethodContract


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


class TestAMethodInAFile(MethodContract):
    name = "bias"
    plugin_files = (str(Path(__file__).with_name("bias.py")),)
    architecture = "gpt2"
