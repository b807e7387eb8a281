"""From a run file and flags to a plan: who is chosen, whose word counts, and what is left to defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftcore.errors import PluginError, ResourceError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.check import missing_packages
from ftcore.run.choose import merge
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile, dump_run_file, parse_run_file
from tests.core.test_resume import plugin_file

MANAGER = PluginManager.discover()


def plan(text: str = "", manager: PluginManager = MANAGER, **flags: Any) -> Plan:
    """The plan of a run file and of dotted flags, written with `__` for the dot."""
    run_file = parse_run_file(text, Path("run.yaml")) if text else RunFile()
    return resolve(manager, run_file, {name.replace("__", "."): value for name, value in flags.items()})


def with_plugin(folder: Path, text: str) -> PluginManager:
    [_, path] = plugin_file(folder, "from ftcore import *\nfrom ftcore import hookimpl\n" + text)
    return PluginManager.discover([str(path)])


def names(choices: Any) -> list[str]:
    return [choice.spec.name for choice in choices]


# Merging --------------------------------------------------------------------------------------------------------------


def test_a_flag_reaches_into_the_file_and_leaves_the_rest():
    run_file = parse_run_file("method: {name: lora, rank: 4, dropout: 0.1}\ntrain: {epochs: 2}\n", Path("run.yaml"))
    merged = merge(MANAGER, run_file, {"method.rank": "8", "train.steps": "5", "out": "here"})
    assert merged == {
        "method": [{"name": "lora", "rank": "8", "dropout": 0.1}],
        "train": {"epochs": 2, "steps": "5"},
        "out": "here",
    }
    assert run_file.values["method"]["rank"] == 4, "the file's own values are not touched"


def test_naming_the_same_component_keeps_its_settings_and_another_drops_them():
    text = "method: {name: lora, rank: 4}\n"
    assert plan(text, method="lora").method.dump()["rank"] == 4
    assert plan(text, method="qlora").method.dump()["rank"] == 16


def test_a_flag_goes_to_every_source_that_has_such_a_setting(tmp_path: Path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    chosen = plan(data=[str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "demo"], data__limit="5")
    assert [entry.settings.limit for entry in chosen.data] == [5, 5, 5]
    mixed = plan(data=[str(tmp_path / "a.jsonl"), "demo"], data__encoding="latin-1")
    assert [getattr(entry.source.settings, "encoding", None) for entry in mixed.data] == ["latin-1", None]
    with pytest.raises(UsageError, match=r"there is no setting data\.encodng"):
        plan(data=["demo"], data__encodng="latin-1")


# Choosing -------------------------------------------------------------------------------------------------------------


def test_with_nothing_said_the_defaults_of_built_ins_make_a_run():
    chosen = plan()
    assert names([chosen.model, chosen.method, chosen.strategy, chosen.exporter]) == [
        "demo", "lora", "sft", "safetensors",
    ]  # fmt: skip
    assert names(entry.source for entry in chosen.data) == ["demo"]
    assert names(chosen.evaluators) == ["exact-match", "loss", "preference", "samples", "rewards"]
    assert names(chosen.reporters) == ["console", "metrics", "html"]


def test_lists_may_be_empty_but_for_the_data():
    chosen = plan(evaluators=[], reporters=[])
    assert chosen.evaluators == chosen.reporters == ()
    with pytest.raises(UsageError, match="a run needs data"):
        plan(data=[])


def test_a_reference_may_be_a_name_a_name_with_a_rest_a_path_or_qualified(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    assert plan(data=["files:rows.jsonl"]).data[0].source.dump()["path"] == "rows.jsonl"
    assert plan(data=["hub:acme/rows"]).data[0].source.dump()["id"] == "acme/rows"
    assert plan(data=[str(tmp_path / "rows.jsonl")]).data[0].source.spec.name == "files"
    assert plan(model="./somewhere").model.spec.name == "folder"
    assert plan(model="./hub").model.dump() == {"name": "folder", "path": "./hub"}, (
        "a path, though called like a loader"
    )
    assert plan(model="acme/demo").model.spec.name == "hub"
    assert plan(model="acme/model").model.spec.name == "hub"
    assert plan(method="ftcore/qlora").method.spec.name == "qlora"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"method": "lora:8"}, "the tuning method 'lora' takes nothing behind the colon"),
        ({"method": "acme/lora"}, "there is no tuning method 'acme/lora'"),
        ({"exporter__size": 3}, "the exporter 'safetensors' has no settings"),
        ({"reporters": ["console", "metrcs"]}, "there is no reporter 'metrcs'"),
    ],
)
def test_what_cannot_be_chosen(flags: dict[str, Any], message: str):
    with pytest.raises((UsageError, PluginError), match=message):
        plan(**flags)


def test_two_third_parties_with_one_name_must_be_told_apart(tmp_path: Path):
    offer = (
        "@hookimpl\ndef ftcore_tuning_methods():\n"
        '    yield MethodSpec(name="{name}", summary="s", factory=Ref("abc:ABC"), defaults={{"learning_rate": 1.0}})\n'
    )
    files = [plugin_file(tmp_path, "from ftcore import *\n" + offer.format(name="twin") + f"# {n}\n")[1] for n in "ab"]
    manager = PluginManager.discover([str(path) for path in files])
    with pytest.raises(PluginError, match="2 plugins offer the tuning method 'twin'"):
        plan(manager=manager, method="twin")
    stem = Path(str(files[1])).stem
    chosen = plan(manager=manager, method=f"{stem}/twin")
    assert chosen.method.plugin.name == stem
    assert plan(dump_run_file(chosen.dump()), manager).method.plugin.name == stem


# Places ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("method:\n  rank: wide\n", "run.yaml:2:9"),
        ("data:\n- name: demo\n  limit: some\n", "run.yaml:3:10"),
        ("data: {name: demo, weight: heavy}\n", "run.yaml:1:28"),
        ("data:\n- demo\n- {name: files, path: x, limit: some}\n", "run.yaml:3:33"),
        ("evaluators:\n- loss\n- {name: samples, count: few}\n", "run.yaml:3:26"),
        ("evaluators:\n- samples\n- {name: loss, count: 3}\n", "run.yaml:3:23"),
        ("evaluate: {every: never}\n", "run.yaml:1:19"),
    ],
)
def test_what_is_wrong_in_the_file_is_found_there(text: str, where: str):
    with pytest.raises(UsageError) as error:
        plan(text)
    assert error.value.where == where
    assert error.value.fix


def test_what_is_wrong_on_the_line_is_named_as_it_was_typed():
    with pytest.raises(UsageError) as error:
        plan("train: {steps: 3}\n", train__steps="many")
    assert error.value.where == "--train.steps"


# Whose word counts ----------------------------------------------------------------------------------------------------


def test_a_learning_rate_comes_from_the_user_else_the_method_times_the_strategys_scale(tmp_path: Path):
    rate = plan(model="./x", data=["files:x"]).train.learning_rate
    assert rate == MANAGER.find("method", "lora").spec.defaults["learning_rate"]
    assert plan(train__learning_rate="3e-4").train.learning_rate == 3e-4
    manager = with_plugin(
        tmp_path,
        "@hookimpl\ndef ftcore_alignment_strategies():\n"
        '    yield StrategySpec(name="gentle", summary="s", examples=("chat",), learning_rate_scale=0.5,'
        ' factory=Ref("abc:ABC"))\n',
    )
    gentle = plan(manager=manager, model="./x", data=["files:x"], strategy="gentle").train
    assert gentle.learning_rate == rate / 2
    given = plan(manager=manager, model="./x", data=["files:x"], strategy="gentle", train__learning_rate="3e-4").train
    assert given.learning_rate == 3e-4, "what the user says is not scaled"


KNOWING = """
@hookimpl
def ftcore_tuning_methods():
    defaults = {"learning_rate": 0.5, "epochs": 2}
    for name, weak in (("sure", ()), ("unsure", ("learning_rate",))):
        yield MethodSpec(name=name, summary="s", factory=Ref("abc:ABC"), defaults=defaults, gives_way=weak)
    yield MethodSpec(name="mute", summary="s", factory=Ref("abc:ABC"))

@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(name="brain", summary="s", factory=Ref("abc:ABC"), defaults={"epochs": 3, "max_length": 64})

@hookimpl
def ftcore_dataset_sources():
    for name, rate in (("one", 0.1), ("two", 0.2)):
        defaults = {"learning_rate": rate, "max_length": 32, "warmup": rate}
        yield SourceSpec(name=name, summary="s", factory=Ref("abc:ABC"), defaults=defaults)

@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(name="gentle", summary="s", examples=("chat",), learning_rate_scale=0.5, factory=Ref("abc:ABC"))
"""


@pytest.mark.parametrize(
    ("flags", "rate", "origin"),
    [
        ({"method": "sure"}, 0.5, "method sure"),
        ({"method": "unsure"}, 0.1, "data one"),
        ({"method": "mute"}, 0.1, "data one"),
        ({"method": "mute", "data": ["two", "one"]}, 0.2, "data two"),
        ({"method": "unsure", "data": ["files:x"]}, 0.5, "method unsure"),
        ({"method": "mute", "strategy": "gentle"}, 0.05, "data one, times 0.5 for strategy gentle"),
        ({"method": "sure", "train__learning_rate": 0.7}, 0.7, None),
    ],
)
def test_the_user_is_heard_before_the_method_the_model_and_the_data(
    tmp_path: Path, flags: dict[str, Any], rate: float, origin: str | None
):
    made = plan(manager=with_plugin(tmp_path, KNOWING), **({"data": ["one", "two"], "model": "brain"} | flags))
    assert (made.train.learning_rate, made.origins.get("learning_rate")) == (rate, origin)


def test_every_value_of_training_that_nobody_typed_has_an_origin(tmp_path: Path):
    made = plan("train: {seed: 7}\n", with_plugin(tmp_path, KNOWING), method="sure", data=["one"], model="brain")
    assert (made.train.epochs, made.train.max_length, made.train.warmup, made.train.seed) == (2, 64, 0.1, 7)
    said = {"epochs": "method sure", "max_length": "model brain", "warmup": "data one", "batch_size": "ftcore"}
    assert said.items() <= made.origins.items()
    assert made.origins.keys() == type(made.train).model_fields.keys() - {"seed"}


SELECT = "@hookimpl\ndef ftcore_select_backend(available):\n    return {answer!r}\n"


def test_a_plugin_may_choose_the_backend_but_only_among_those_that_work(tmp_path: Path):
    assert plan(manager=with_plugin(tmp_path, SELECT.format(answer="cpu"))).backend.spec.name == "cpu"
    assert plan(manager=with_plugin(tmp_path, SELECT.format(answer=None))).backend.spec.name in ("cpu", "cuda", "mps")
    with pytest.raises(ResourceError, match="a plugin chose the backend 'moon', which is not usable here") as error:
        plan(manager=with_plugin(tmp_path, SELECT.format(answer="moon")))
    assert error.value.fix == "--backend cpu"


def test_without_any_backend_there_is_no_plan():
    with pytest.raises(ResourceError, match="no hardware backend is usable here"):
        plan(manager=PluginManager.discover(deny=["cpu", "cuda", "mps"]))


def test_settings_of_a_backend_hold_whichever_it_is():
    assert plan(backend__precision="fp32").precision.weights == "float32"
    assert plan("backend: {precision: fp32}\n").precision.weights == "float32"


def test_missing_packages_are_found_without_importing_them():
    assert missing_packages(["json", "nowhere_to_be_found"]) == ["nowhere_to_be_found"]


CLAIMS = """
from ftcore.settings import Settings

@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(name="ini", summary="s", argument="path", claims=Ref(__name__ + ":is_ours"),
                     config=Ref(__name__ + ":Where"), factory=Ref("json:loads"))

def is_ours(text):
    return text.endswith((".ini", ".jsonl"))

class Where(Settings):
    path: str
"""


def test_a_source_may_claim_files_that_no_built_in_knows(tmp_path: Path):
    manager = with_plugin(tmp_path, CLAIMS)
    for name in ("a.ini", "a.jsonl", "a.cfg"):
        (tmp_path / name).touch()
    sources = [
        plan(manager=manager, data=[str(tmp_path / name)]).data[0].source.spec.name
        for name in ("a.ini", "a.jsonl", "a.cfg")
    ]
    assert sources == ["ini", "files", "files"]


# A plan is a run file -------------------------------------------------------------------------------------------------

FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["lora", "qlora", "full", "freeze"]),
        "data": st.sampled_from([["demo"], ["files:a.jsonl"], ["files:a.jsonl", "hub:acme/b"]]),
        "model": st.sampled_from(["demo", "./folder", "acme/model", "m.gguf"]),
        "evaluators": st.sampled_from([[], ["loss"], ["samples", "loss"]]),
        "reporters": st.sampled_from([[], ["metrics"]]),
        "train.learning_rate": st.floats(1e-8, 1),
        "train.seed": st.integers(0, 2**31),
        "train.steps": st.none() | st.integers(1, 10**6),
        "evaluate.holdout": st.sampled_from([0, 0.1, 0.999, 7]),
        "data.columns": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=9), max_size=2),
        "backend.precision": st.sampled_from(["auto", "fp32"]),
    },
)


@settings(max_examples=60)
@given(FLAGS)
@example({"data": ["hub:acme/b"], "data.revision": "12e4567"})
def test_the_plan_of_a_plan_is_the_plan(flags: dict[str, Any]):
    first = resolve(MANAGER, RunFile(), flags)
    again = resolve(MANAGER, parse_run_file(dump_run_file(first.dump()), Path("run.yaml")), {})
    assert again.dump() == first.dump()
