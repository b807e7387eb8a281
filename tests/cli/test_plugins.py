"""The command line with plugins of every sort installed: it never breaks, and says what to type."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import distributions
from tests.conftest import Terminal, echo_rows, write_rows
from tests.distributions import METHOD

Install = Callable[..., Path]

BAD = {
    "raises": ("raise RuntimeError('no such luck')", "broken"),
    "leaves": ("import sys; sys.exit(0)", "broken"),
    "misspells": ("from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_methodz(): ...", "broken"),
    "asks": ("from ftcore import hookimpl\n@hookimpl\ndef ftcore_after_step(when): ...", "broken"),
    "future": (METHOD.format(name="future-method"), "incompatible"),
    "hangs": ("import time; time.sleep(10)", "hung"),
}

COMMANDS = """
import click
from ftcore import CommandSpec, Ref, hookimpl

@hookimpl
def ftcore_commands():
    yield CommandSpec(name="greet", summary="Say hello.", factory=Ref("acme:greet"))
    yield CommandSpec(name="run", summary="Not the real one.", factory=Ref("acme:greet"))
    yield CommandSpec(name="lost", summary="Nobody wrote it.", factory=Ref("acme_lost:greet"))
    yield CommandSpec(name="wrong", summary="No command.", factory=Ref("acme:ftcore_commands"))
    yield CommandSpec(name="fails", summary="Has a bug.", factory=Ref("acme:fails"))

@click.command(help="Say hello to NAME.")
@click.argument("name")
def greet(name):
    click.echo(f"hello {name}")

@click.command
def fails():
    [].pop()
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, on the path of this process and of those that it starts."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return site


@pytest.fixture
def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def install_(name: str, code: str, **more: str) -> Path:
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return distributions.install(site, name, code, **more)

    return install_


def test_with_every_sort_of_bad_plugin_installed_the_command_line_works(shell: Terminal, install: Install):
    for name, (code, _) in BAD.items():
        install(name, code, needs="ftcore>=9" if name == "future" else "ftcore")
    install("acme", METHOD.format(name="acme-method"))
    began = time.monotonic()
    listed = shell("plugins", "list", "--json")
    assert time.monotonic() - began > 5, "patience was not needed"
    assert listed.code == 0, listed.err
    plugins = {record["distribution"]: record for record in listed.json["plugins"]}
    assert {name: plugins[name]["state"] for name in BAD} == {name: state for name, (_, state) in BAD.items()}
    assert plugins["acme"]["offers"] == ["method:acme-method"]
    assert all(plugins[name]["problem"] and plugins[name]["fix"] for name in BAD)
    began = time.monotonic()
    assert "acme-method" in shell("list", "methods").out
    assert time.monotonic() - began < 5, "the plugin that hangs was waited for twice"


def test_asking_for_a_bad_plugin_by_name_ends_with_7_and_the_reason(ftcore: Terminal, install: Install):
    install("raises", BAD["raises"][0])
    install("leaves", BAD["leaves"][0])
    for line in (["plan", "--method", "raises"], ["explain", "leaves"], ["raises"]):
        result = ftcore(*line)
        assert result.code == 7, result.err
        assert "is broken: " in result.err
        assert result.err.splitlines()[-1] == f"  try: ftcore plugins check {line[-1]}"
    blocked = ftcore("plan", "--method", "raises", "--no-plugin", "raises")
    assert blocked.code == 7
    assert "raises:main is blocked: left out on request" in blocked.err


def test_the_list_shows_states_and_reasons(ftcore: Terminal, install: Install, monkeypatch: pytest.MonkeyPatch):
    install("raises", BAD["raises"][0])
    install("acme", METHOD.format(name="lora"))
    monkeypatch.setenv("FTCORE_PLUGINS", "-leaves")
    install("leaves", BAD["leaves"][0])
    listed = ftcore("plugins", "list")
    assert listed.code == 0
    rows = [line.split() for line in listed.out.splitlines()]
    assert ["acme:main", "1.2", "active", "method:lora"] in rows
    assert ["raises:main", "1.2", "broken", "–"] in rows
    assert "problem: raises:main: RuntimeError: no such luck" in listed.out
    assert (
        "problem: acme:main: the tuning method 'lora' is offered twice; write acme/lora, since lora alone is ftcore's"
        in listed.out
    )
    assert "leaves:main is blocked: left out by FTCORE_PLUGINS" in listed.out
    monkeypatch.setenv("FTCORE_PLUGINS", "none")
    assert "warning" not in ftcore("list", "methods").err
    Path("mine.py").write_text(METHOD.format(name="lora").replace("x:Y", "abc:ABC"))
    warned = ftcore("explain", "lora", "--plugin", "mine.py").err
    said = "the tuning method 'lora' is offered twice; write mine/lora, since lora alone is ftcore's"
    assert warned == f"warning: file:mine: {said}\n"
    assert "warning" not in ftcore("explain", "mine/lora", "--plugin", "mine.py").err
    monkeypatch.setenv("FTCORE_PLUGINS", "raisse,-leaves")
    warned = ftcore("list", "methods").err
    assert warned == "warning: FTCORE_PLUGINS names 'raisse', and there is no such plugin (did you mean 'raises'?)\n"
    assert "  try: ftcore plugins check raises" in listed.out
    assert ftcore("plugins", "lst").err.startswith("error: there is no command 'lst' (did you mean 'list'?)")


# Commands of plugins --------------------------------------------------------------------------------------------------


def test_a_plugin_adds_commands_and_displaces_none(ftcore: Terminal, install: Install):
    install("acme", COMMANDS)
    shown = ftcore("--help").out
    assert "Commands of plugins:\n  greet  Say hello." in shown
    assert shown.count("  run ") == 1
    assert ftcore("greet", "you").out == "hello you\n"
    assert "Say hello to NAME." in ftcore("greet", "--help").out
    assert "Tune a model" in ftcore("run", "--help").out
    assert ftcore("acme/run", "you").out == "hello you\n"
    assert "type: ftcore acme/run" in ftcore("plugins", "list").out
    assert ["acme/run", "acme", "Not", "the"] in [
        row.split()[:4] for row in ftcore("list", "commands").out.splitlines()
    ]
    assert "from acme:main 1.2; its options: ftcore greet --help" in ftcore("explain", "greet").out
    assert "acme:main" in ftcore("hooks", "ftcore_commands").out
    assert "did you mean 'greet'" in ftcore("greeet").err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("lost", "acme_lost:greet does not load: ModuleNotFoundError"),
        ("wrong", "not a click.Command"),
        ("fails", "the plugin acme:main 1.2 has a bug: IndexError"),
    ],
)
def test_a_broken_command_is_a_clean_error(ftcore: Terminal, install: Install, command: str, words: str):
    install("acme", COMMANDS)
    result = ftcore(command)
    assert result.code == 7
    assert words in result.err
    assert "  try: " in result.err
    assert "Traceback" not in result.err


def test_completion_imports_no_command_so_that_a_broken_one_does_no_harm(shell: Terminal, install: Install):
    install("acme", COMMANDS)
    completed = shell(env={"_FTCORE_COMPLETE": "bash_complete", "COMP_WORDS": "ftcore ", "COMP_CWORD": "1"})
    assert {"plain,run", "plain,greet", "plain,lost"} <= set(completed.out.splitlines())
    assert completed.err == ""


def test_two_plugins_with_one_command_are_told_apart(ftcore: Terminal, install: Install):
    for name in ("one", "two"):
        install(name, COMMANDS.replace("acme:", f"{name}:"))
    assert "one/greet" in ftcore("--help").out
    result = ftcore("greet", "you")
    assert result.code == 7
    assert "2 plugins offer the command 'greet'" in result.err
    assert ftcore("two/greet", "you").out == "hello you\n"


# Plugins that nobody named --------------------------------------------------------------------------------------------


SHAKY = """
from ftcore import BackendSpec, ExporterSpec, FormatSpec, Ref, SourceSpec, hookimpl

@hookimpl
def {hook}():
    yield {record}

@hookimpl
def ftcore_plan_findings(plan):
    return {findings}
"""


EXPORTER = "ExporterSpec(name='n', summary='s', factory=Ref('x:E'))"


@pytest.mark.parametrize(
    ("hook", "record"),
    [
        ("ftcore_hardware_backends", "BackendSpec(name='n', summary='s', config=Ref('no_x:C'), factory=Ref('no_x:B'))"),
        ("ftcore_hardware_backends", "BackendSpec(name='n', summary='s', factory=Ref('no_x:B'))"),
        (
            "ftcore_dataset_formats",
            "FormatSpec(name='n', summary='s', example='chat', priority=99, factory=Ref('x:F'))",
        ),
    ],
)
def test_a_component_that_nobody_named_cannot_stop_a_plan(
    ftcore: Terminal, install: Install, tmp_path: Path, tiny: Path, hook: str, record: str
):
    install("shaky", SHAKY.format(hook=hook, record=record, findings="None"))
    write_rows(tmp_path / "rows.jsonl", echo_rows(8))
    planned = ftcore("plan", "--model", tiny, "--data", "rows.jsonl")
    assert planned.code == 0, planned.err
    assert planned.err.startswith("warning: shaky:main: ")
    assert planned.err.count("warning: ") == 1
    assert ftcore("schema").code == 0


def test_a_source_whose_claim_raises_is_left_out(ftcore: Terminal, install: Install):
    record = "SourceSpec(name='n', summary='s', argument='a', claims=Ref('no_x:c'), factory=Ref('no_x:S'))"
    install("shaky", SHAKY.format(hook="ftcore_dataset_sources", record=record, findings="None"))
    planned = ftcore("plan", "--data", "what is this")
    assert planned.code == 2, planned.err
    assert planned.err.startswith("warning: shaky:main: ")
    assert "there is no dataset source 'what is this'" in planned.err


def test_findings_that_are_none_leave_the_plugin_out(ftcore: Terminal, install: Install, tiny: Path, tmp_path: Path):
    install("shaky", SHAKY.format(hook="ftcore_exporters", record=EXPORTER, findings="['beware']"))
    write_rows(tmp_path / "rows.jsonl", echo_rows(8))
    planned = ftcore("plan", "--model", tiny, "--data", "rows.jsonl")
    assert planned.code == 0, planned.err
    assert "ftcore_plan_findings gave 'beware', not a Finding; the plugin is left out" in planned.err


def test_a_run_file_leaves_a_plugin_unimported(ftcore: Terminal, install: Install, tmp_path: Path, tiny: Path):
    install("loud", "import sys; sys.stderr.write('I was imported')")
    write_rows(tmp_path / "rows.jsonl", echo_rows(8))
    text = f"model: {tiny}\ndata: rows.jsonl\nplugins: "
    for table in ("{deny: loud}", "{allow: [acme]}", "{allow: []}"):
        (tmp_path / "run.yaml").write_text(text + table)
        planned = ftcore("plan", "run.yaml")
        assert planned.code == 0
        assert "imported" not in planned.err
    (tmp_path / "run.yaml").write_text(text + "{deny: 5}")
    assert ftcore("plan", "run.yaml").code == 2
