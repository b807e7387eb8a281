"""What a plugin's author gets wrong is said with the plugin and the line, ends with 7, and is never called our bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.refusals import PLUGIN, USAGE, Try, refused
from tests.conftest import Terminal

METHOD = """
from ftcore import MethodSpec, Ref, hookimpl
from ftcore_plugins.lora.method import Lora

@hookimpl
def ftcore_tuning_methods():
    facts = {"defaults": {"learning_rate": 1e-3}, **FACTS}
    yield MethodSpec(name="mine", summary="s", factory=Ref("mine:Mine"), **facts)
"""
CONFIG = '"config": Ref("ftcore_plugins.lora.config:LoraConfig")'
SOURCE = """
from ftcore import Ref, SourceSpec, hookimpl
from ftcore.types import Row

@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(name="mine", summary="s", factory=Ref("mine:Mine"))

class Mine:
    def fingerprint(self): return "1"
    def rows(self):
"""
FORMAT = """
from ftcore import FormatSpec, Ref, hookimpl

@hookimpl
def ftcore_dataset_formats():
    yield FormatSpec(name="mine", summary="s", example="chat", priority=1000, factory=Ref("mine:Mine"))

class Mine:
    def recognises(self, row): return "it is mine"
    def example(self, row): return {"text": row["prompt"]}
"""
EVALUATOR = """
from ftcore import EvaluatorSpec, Ref, hookimpl
from ftcore.types import Evaluation

@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(name="mine", summary="s", metrics={"share": "up"}, factory=Ref("mine:Mine"))

class Mine:
    def evaluate(self, session):
"""

PLANS = {
    "a wrong key in defaults": (
        'FACTS = {"defaults": {"learning_rat": 1e-3}}' + METHOD + "class Mine(Lora): pass",
        "the tuning method 'mine' has wrong defaults: there is no setting 'learning_rat'",
    ),
    "text in defaults": (
        'FACTS = {"defaults": {"learning_rate": "1e-3"}}' + METHOD + "class Mine(Lora): pass",
        "the tuning method 'mine' has wrong defaults: learning_rate: input should be a valid number",
    ),
    "a config that is no Settings": (
        'FACTS = {"config": Ref("mine:Config")}' + METHOD + "class Config: rank: int = 8\nclass Mine(Lora): pass",
        "no subclass of ftcore.settings.Settings",
    ),
    "a factory that takes no settings": (
        f"FACTS = {{{CONFIG}}}{METHOD}class Mine:\n    def __init__(self): pass",
        "of file:mine cannot be made with its settings as the one argument: ",
    ),
    "rows that are none": (SOURCE + "        return None", "of file:mine gives None as its rows"),
    "rows that are a dictionary": (
        SOURCE + '        return {"prompt": "a", "completion": "b"}',
        "of file:mine gives 'prompt', which is neither a Row nor a BadRow",
    ),
    "a row of text": (
        SOURCE + '        yield Row("abc", "mine:1")',
        "Row: values is 'abc', not a dictionary from text",
    ),
    "an example that is none": (FORMAT, "of file:mine makes {'text': 'say a0'} of a row, which is no chat example"),
}
for method, called in {
    "attach(self)": "attach(self, model)",
    "load_options()": "load_options(self)",
    "load_state(self, state)": "load_state(self, model, state)",
}.items():
    PLANS[f"def {method}"] = (
        f"FACTS = {{{CONFIG}}}{METHOD}class Mine(Lora):\n    def {method}: return {{}}",
        f"of file:mine has {method}, which is called as {called}",
    )
RUNS = {
    "a method that returns nothing": (
        f"FACTS = {{{CONFIG}}}{METHOD}class Mine(Lora):\n    def attach(self, model): super().attach(model)",
        "of file:mine returns nothing from attach, not the model",
    ),
    "an evaluation that is a dictionary": (EVALUATOR + '        return {"share": 1.0}', "not an Evaluation"),
    "an evaluation that is none": (EVALUATOR + "        pass", "of file:mine gives None, not an Evaluation"),
    "a number that is none": (
        EVALUATOR + '        return Evaluation({"share": float("nan")})',
        "Evaluation: metrics is {'share': nan}, not a dictionary from text to a finite number",
    ),
    "a number that nobody declared": (
        EVALUATOR + '        return Evaluation({"other": 1.0})',
        "of file:mine gives other, and its record declares share",
    ),
    "a method that stays off": (
        f"FACTS = {{{CONFIG}}}{METHOD}"
        "import contextlib\nclass Mine(Lora):\n    @contextlib.contextmanager\n    def disabled(self, model):\n"
        "        model.base_model.disable_adapter_layers()\n        yield",
        "of file:mine has no part in the loss, so nothing would train",
    ),
    "a switch that is no context": (
        f"FACTS = {{{CONFIG}}}{METHOD}class Mine(Lora):\n    def disabled(self, model): yield",
        "which is no context manager, when it is switched off",
    ),
}  # fmt: skip


def line(code: str) -> list[str]:
    """The options that bring the component into a run."""
    for text, option in ((METHOD, "--method"), (SOURCE, "--data"), (EVALUATOR, "--evaluators")):
        if text in code:
            return ["--plugin", "mine.py", option, "mine"]
    return ["--plugin", "mine.py"]


@pytest.mark.parametrize(("code", "said"), [*PLANS.values(), *RUNS.values()], ids=[*PLANS, *RUNS])
def test_a_mistake_of_a_plugin_is_named_with_its_place(attempt: Try, tmp_path: Path, code: str, said: str):
    code = code if "Ref(" not in code.partition("\n")[0] else f"from ftcore import Ref\n{code}"
    (tmp_path / "mine.py").write_text(code + "\n", encoding="utf-8")
    refused(attempt(*line(code)), PLUGIN, said, "mine.py")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ('{"artifact": "adaptor"}', "MethodSpec 'mine': artifact is 'adaptor', not adapter or model"),
        (
            '{"trains_base": True}',
            "MethodSpec 'mine': trains_base is True, and an adapter holds no weights of the base",
        ),
        ('{"mergeable": "yes"}', "MethodSpec 'mine': mergeable is 'yes', not True or False"),
        ('{"needs": "nf4"}', "MethodSpec 'mine': needs is 'nf4', not a tuple of text"),
        ('{"heads": ("scor",)}', "MethodSpec 'mine': heads is ('scor',), not a tuple of lm or score"),
        ('{"defaults": ["learning_rate"]}', "MethodSpec 'mine': defaults is ['learning_rate'], not a dictionary"),
    ],
)
def test_a_record_with_a_wrong_fact_is_named_with_its_line(ftcore: Terminal, tmp_path: Path, facts: str, said: str):
    (tmp_path / "mine.py").write_text(f"FACTS = {facts}{METHOD}", encoding="utf-8")
    refused(ftcore("plan", "--plugin", "mine.py"), PLUGIN, said, "mine.py:8: ")


def test_an_empty_list_of_layers_is_the_users_mistake(attempt: Try):
    for method in ("lora", "ia3", "ln-tuning", "vera"):
        refused(attempt("--method", method, "--method.targets", ""), USAGE, "name at least one layer")
