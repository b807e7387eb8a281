"""No plugin ends a command by leaving: `sys.exit`, whatever its code, and GeneratorExit are faults of the plugin.

Planted in every hook and in every method of every protocol. Exit code 0 is kept for runs whose report stands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore.loading.front import hook_functions
from ftcore.protocols import of_kind
from ftcore.specs import KINDS
from tests.conftest import Terminal, write_rows

EXITS = ("SystemExit(0)", "SystemExit(3)", "GeneratorExit()")

PLANTED = """
import dataclasses
from pathlib import Path
from ftcore import Ref, hookimpl
from ftcore.manager import PluginManager

def leave(*_, **__):
    Path({marker!r}).touch()
    raise {leaving}

@hookimpl
def {hook}():
    spec = PluginManager.discover().find({kind!r}, {name!r}).spec
    yield dataclasses.replace(spec, name="planted", factory=Ref("planted:make"))

def make(*settings):
    built = PluginManager.discover().find({kind!r}, {name!r}).spec.factory.load()(*settings)
    built.__class__ = type("Planted", (type(built),), {{{member!r}: leave}})
    return built
"""

HOOK = """
from pathlib import Path
from ftcore import hookimpl

@hookimpl
def {hook}({arguments}):
    Path({marker!r}).touch()
    raise {leaving}
"""

BASES = {
    "model": [("folder", "--model planted --model.path {tiny}")],
    "data": [("files", "--data planted --data.path rows.jsonl")],
    "format": [("prompt-completion", "--data.format planted"), ("prompt-completion", "--data.format auto")],
    "method": [("lora", "--method planted"), ("lisa", "--method planted"), ("prompt-tuning", "--method planted")],
    "strategy": [("sft", "--strategy planted")],
    "backend": [("cpu", "--backend planted")],
    "rewards": [
        (
            "length",
            "--strategy grpo --rewards planted --rewards.target 4 --strategy.max_new_tokens 4 --data.format prompt",
        )
    ],
    "evaluators": [("loss", "--evaluators planted")],
    "exporter": [("safetensors", "--exporter planted")],
    "reporters": [("metrics", "--reporters planted")],
}
LATER = {
    "example",
    "recognises",
    "merge",
    "load_state",
    "load_progress",
    "remember",
    "fingerprint",
    "license",
    "launch",
    "place",
    "name",
}
"""What not every run calls; where it is called, it counts."""
HARMLESS = {"handle", "recognises"}
"""What is asked of whoever is there: a plugin that fails in it is left out, and the run goes on."""


def members(kind: str) -> list[str]:
    return sorted({name for each in of_kind(kind) for name in vars(each) if not name.startswith("_")})


def cases() -> list[tuple[str, str, str, str]]:
    assert BASES.keys() == KINDS.keys()
    return [
        (kind, name, line, member) for kind, bases in BASES.items() for name, line in bases for member in members(kind)
    ]


@pytest.mark.parametrize(("kind", "name", "line", "member"), cases())
def test_leaving_is_a_fault_of_the_plugin(ftcore: Terminal, tiny: Path, rows: Path, kind, name, line, member):
    from ftcore.manager import PluginManager

    built_in = PluginManager.discover().find(kind, name).spec.factory.load()
    if not hasattr(built_in, member):
        return  # the built-in has none of it; the tuning methods beside it here have
    if kind in ("rewards", "format"):
        write_rows(
            rows, [{"prompt": f"say {n}", **({"completion": "a b"} if kind == "format" else {})} for n in range(8)]
        )
    for number, leaving in enumerate(EXITS):
        marker = rows.with_name(f"called-{number}")
        text = PLANTED.format(
            hook=KINDS[kind].hook, kind=kind, name=name, member=member, leaving=leaving, marker=str(marker)
        )
        rows.with_name("planted.py").write_text(text, encoding="utf-8")
        out = rows.with_name(f"out-{number}")
        usual = f"--plugin planted.py --train.steps 1 --train.batch_size 4 --out {out} " + line.format(tiny=tiny)
        for option, value in (("--model ", tiny), ("--data ", rows), ("--method ", "lora"), ("--reporters ", "none")):
            usual += "" if option in usual else f" {option}{value}"
        usual += "" if "--evaluators" in usual else " --evaluators loss"
        done = ftcore("run", *usual.split())
        has_report = (out / "report.json").is_file()
        if not marker.exists():
            assert member in LATER, f"{member} was never called: {done.err}"
            assert done.code == 0, done.err
        elif member in HARMLESS:
            assert (done.code, has_report) == (0, True), done.err
            assert "left out" in done.err
        else:
            assert (done.code, has_report) == (7, False), done.err
            assert "planted" in done.err.splitlines()[0]
            assert leaving.partition("(")[0] in done.err


def test_leaving_while_merging_is_a_fault_of_the_plugin(ftcore: Terminal, tiny: Path, rows: Path):
    text = PLANTED.format(
        hook="ftcore_tuning_methods",
        kind="method",
        name="lora",
        member="merge",
        leaving="SystemExit(0)",
        marker="called",
    )
    rows.with_name("planted.py").write_text(text, encoding="utf-8")
    line = f"run --plugin planted.py --method planted --model {tiny} --data {rows} --train.steps 1 --evaluators none"
    assert ftcore(*line.split(), "--out", "out").code == 0
    merged = ftcore("merge", "out", "--plugin", "planted.py")
    assert merged.code == 7
    assert "SystemExit: it called sys.exit(0)" in merged.err
    assert not Path("out/merged").exists()


@pytest.mark.parametrize("hook", list(hook_functions()))
@pytest.mark.parametrize("leaving", EXITS)
def test_leaving_a_hook_leaves_the_plugin_out(ftcore: Terminal, tiny: Path, rows: Path, hook: str, leaving: str):
    """A hook that offers components makes its plugin file a broken one; one that only listens is left out."""
    import inspect

    marker = rows.with_name("called")
    arguments = ", ".join(inspect.signature(hook_functions()[hook]).parameters)
    text = HOOK.format(hook=hook, arguments=arguments, leaving=leaving, marker=str(marker))
    rows.with_name("leaves.py").write_text(text, encoding="utf-8")
    failing = hook == "ftcore_on_run_error"
    steps = "--train.learning_rate 1e30 --train.steps 3" if failing else "--train.steps 1"
    line = (
        f"run --plugin leaves.py --model {tiny} --data {rows} {steps} --checkpoints.every 1 --reporters none --out out"
    )
    done = ftcore(*line.split(), "--evaluators", "loss")
    assert marker.exists(), "the hook was never called"
    assert "leaves" in done.err
    if arguments and not failing:
        assert (done.code, Path("out/report.json").is_file()) == (0, True), done.err
        assert "left out" in done.err
    else:
        assert (done.code, Path("out/report.json").exists()) == (6 if failing else 7, False), done.err


@pytest.mark.parametrize("leaving", EXITS)
def test_leaving_a_command_is_a_fault_of_the_plugin(ftcore: Terminal, tmp_path: Path, leaving: str):
    text = (
        "import click\nfrom ftcore import CommandSpec, Ref, hookimpl\n@hookimpl\ndef ftcore_commands():\n"
        "    yield CommandSpec(name='bye', summary='goes', factory=Ref('bye:bye'))\n"
        f"@click.command\ndef bye():\n    raise {leaving}\n"
    )
    (tmp_path / "bye.py").write_text(text, encoding="utf-8")
    done = ftcore("bye", "--plugin", "bye.py")
    assert done.code == 7
    assert "the plugin file:bye" in done.err
