"""Every built-in tuning method, in each of its variants, keeps the contract of tuning methods."""

# ruff: noqa: RUF012 - settings are read, never changed

from pathlib import Path

from ftcore.testing.methods import MethodContract


class TestFull(MethodContract):
    method = "full"


class TestFullOfAnUntiedModel(MethodContract):
    method = "full"
    tied = False


class TestFreeze(MethodContract):
    method = "freeze"
    settings = {"blocks": 1}


class TestFreezeWithHeadAndNorms(MethodContract):
    method = "freeze"
    settings = {"blocks": 0, "head": True, "norms": True, "patterns": ["*.0.self_attn.q_proj.*"]}


class TestLora(MethodContract):
    method = "lora"


class TestLoraPlus(MethodContract):
    method = "lora"
    settings = {"plus_ratio": 16, "targets": ["q_proj", r".*\.1\.mlp\..*_proj"]}


class TestLoraWithDora(MethodContract):
    method = "lora"
    settings = {"dora": True}


class TestLoraWithRslora(MethodContract):
    method = "lora"
    settings = {"rslora": True, "init": "gaussian"}


class TestLoraOrthogonal(MethodContract):
    method = "lora"
    settings = {"init": "orthogonal"}


class TestLoraWithPissa(MethodContract):
    method = "lora"
    settings = {"init": "pissa"}


class TestLoraWithRandomisedPissa(MethodContract):
    method = "lora"
    settings = {"init": "pissa_niter_2", "rslora": True, "modules_to_save": ["lm_head"]}


class TestLoraWithOlora(MethodContract):
    method = "lora"
    settings = {"init": "olora"}


class TestLoraWithTiedEmbeddings(MethodContract):
    method = "lora"
    settings = {"modules_to_save": ["embed_tokens"]}


class TestLoraWithUntiedHead(MethodContract):
    method = "lora"
    settings = {"modules_to_save": ["lm_head"]}
    tied = False


class TestLoraOnGpt2(MethodContract):
    method = "lora"
    architecture = "gpt2"
    settings = {"init": "pissa"}


class TestQlora(MethodContract):
    method = "qlora"


class TestQloraFp4(MethodContract):
    method = "qlora"
    settings = {"quant_type": "fp4"}


class TestQloraDoubleQuant(MethodContract):
    method = "qlora"
    settings = {"double_quant": True}


class TestQloraWithDora(MethodContract):
    method = "qlora"
    settings = {"dora": True}


class TestQloraWithPissa(MethodContract):
    method = "qlora"
    settings = {"init": "pissa"}


class TestQloraWithUntiedHead(MethodContract):
    method = "qlora"
    settings = {"modules_to_save": ["lm_head"]}
    tied = False


class TestAMethodInAFile(MethodContract):
    method = "bias"
    plugin_files = (str(Path(__file__).with_name("bias.py")),)
    architecture = "gpt2"
