"""`ftcore plugins check`: what it looks at, what it prints, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import PluginError
from ftcore.testing.offered import contract
from ftcore.testing.verdicts import in_words
from tests import distributions
from tests.conftest import Terminal

FAQ = """
from ftcore import FormatSpec, Ref, RewardSpec, hookimpl
from ftcore.types import ChatExample, Turn

FTCORE_CHECK = {{"format:faq": {{"rows": [{{"faq": "How long?", "reply": "Two days."}}]}}}}

@hookimpl
def ftcore_dataset_formats():
    yield FormatSpec(name="faq", summary="columns faq and reply", example="chat", factory=Ref(__name__ + ":Faq"))

@hookimpl
def ftcore_reward_functions():
    yield RewardSpec(name="short", summary="the shorter the better", factory=Ref(__name__ + ":Short"))

class Faq:
    def recognises(self, row):
        return "columns faq and reply" if {{"faq", "reply"}} <= row.keys() else None

    def example(self, row):
        if not (isinstance(row["faq"], str) and isinstance(row["reply"], str)):
            raise ValueError("faq and reply are texts")
        return ChatExample((Turn("user", row["faq"]), Turn("assistant", row["reply"])))

class Short:
    def scores(self, samples):
        return [{score} for sample in samples]
"""


def plugin(folder: Path, name: str, score: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(FAQ.format(score=score))
    return path


def test_an_installed_distribution_that_keeps_its_promises_passes(shell: Terminal, tmp_path: Path) -> None:
    site, info = tmp_path / "site", tmp_path / "site" / "acme_faq-1.0.dist-info"
    info.mkdir(parents=True)
    plugin(site, "check_faq", "-len(sample.output)")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-faq\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ftcore]\nfaq = check_faq\n")
    done = shell("plugins", "check", "acme-faq", env={"PYTHONPATH": str(site)})
    assert done.code == 0, done.out + done.err
    assert "faq" in done.out
    assert done.out.count("passed") == 2
    assert done.out.count("passed in part") == 1
    assert "failed" not in done.out
    assert "1 left out: no `bad_rows` that hold no example" in done.out


def test_a_broken_promise_is_named_in_plain_words(ftcore: Terminal, tmp_path: Path) -> None:
    path = plugin(tmp_path, "check_bad", "float('nan')")
    done = ftcore("plugins", "check", "--plugin", path, "--json")
    assert done.code == 7
    assert ftcore("plugins", "check", "short", "--plugin", path, "--json").json == done.json, "by a component's name"
    faq, short = done.json["components"]
    assert (faq["kind"], faq["name"], faq["plugin"]) == ("format", "faq", "file:check_bad")
    assert (faq["passed"], faq["result"], short["result"]) == (True, "passed in part", "failed")
    assert faq["left_out"] == [
        {"promise": "a bad row is refused with a reason", "why": "no `bad_rows` that hold no example"}
    ]
    assert not short["passed"]
    assert {"promise": "it gives one finite number a sample", "why": "'4' gets nan", "where": None} in short["broken"]
    assert "the front imports nothing heavy" in short["kept"]


def test_what_breaks_several_promises_is_said_once_with_its_line(ftcore: Terminal, tmp_path: Path) -> None:
    path = plugin(tmp_path, "check_cause", "1 / 0")
    line = path.read_text().splitlines().index("        return [1 / 0 for sample in samples]") + 1
    done = ftcore("plugins", "check", "--plugin", path)
    assert done.code == 7
    assert done.out.count("ZeroDivisionError") == 1
    assert f"check_cause.py:{line}: ZeroDivisionError: division by zero" in done.out


def test_hints_that_are_none_break_the_component_and_no_other(ftcore: Terminal, tmp_path: Path) -> None:
    path = plugin(tmp_path, "check_hints", "0.0")
    path.write_text(path.read_text() + 'FTCORE_CHECK = {"format:faq": "rows"}\n')
    done = ftcore("plugins", "check", "--plugin", path, "--json")
    assert done.code == 7
    faq, short = done.json["components"]
    assert short["passed"]
    assert [promise["promise"] for promise in faq["broken"]] == ["it can be tested"]
    assert "FTCORE_CHECK maps the kind and name of a component" in faq["broken"][0]["why"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (
            {"format:faq": {"row": []}},
            "'row' that means nothing (did you mean 'rows'?); for a dataset format",
        ),
        ({"format:faq": {"plugin_files": ()}}, "'plugin_files' that means nothing"),
        ({"reward:short": {}}, "'reward:short' that means nothing (did you mean 'rewards:short'?)"),
    ],
)
def test_a_misspelt_hint_is_refused(tmp_path: Path, given: dict[str, Any], what: str) -> None:
    path = plugin(tmp_path, f"check_{abs(hash(what))}", "0.0")
    path.write_text(path.read_text() + f"FTCORE_CHECK = {given}\n")
    with pytest.raises(PluginError, match=re.escape(what)):
        contract("format", "faq", (str(path),))


def test_hints_take_the_place_of_what_the_contract_has(tmp_path: Path) -> None:
    path = plugin(tmp_path, "check_places", "0.0")
    more = """
def prepare(cls, folder):
    return cls.name, folder

FTCORE_CHECK = {"format:faq": {"rows": Ref("check_places:ROWS"), "prepare": prepare}}
ROWS = [{"faq": "?", "reply": "!"}]
"""
    path.write_text(path.read_text() + more)
    offered = contract("format", "faq", (str(path),))
    assert offered.rows == [{"faq": "?", "reply": "!"}]
    assert offered.prepare(tmp_path) == ("faq", tmp_path)


def test_what_needs_settings_that_nobody_gave_is_left_out(ftcore: Terminal) -> None:
    (files,) = ftcore("plugins", "check", "files", "--json").json["components"]
    assert files["passed"]
    assert {"promise": "rows stream", "why": "no settings for path"} in files["left_out"]
    assert "every setting has a help text" in files["kept"]


def test_a_plugin_that_only_observes_has_nothing_to_test(ftcore: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "check_watch.py"
    path.write_text("from ftcore import hookimpl\n\n@hookimpl\ndef ftcore_after_run(event):\n    print(event.folder)\n")
    done = ftcore("plugins", "check", "--plugin", path)
    assert done.code == 0
    assert "file:check_watch works and offers no component; its hooks: ftcore_after_run" in done.out


def test_a_plugin_whose_hook_raises_fails(ftcore: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from ftcore import hookimpl\n\n@hookimpl\ndef ftcore_tuning_methods():\n    return 1 / 0\n"
    distributions.install(tmp_path, "check-raises", code)
    monkeypatch.syspath_prepend(tmp_path)
    done = ftcore("plugins", "check", "check-raises", "--json")
    assert done.code == 7
    (record,) = done.json["plugins"]
    assert record["state"] == "broken"
    assert "ZeroDivisionError" in record["problem"]
    assert record["where"] == f"{tmp_path / 'check_raises.py'}:5"


def test_an_unknown_plugin_is_refused(ftcore: Terminal) -> None:
    done = ftcore("plugins", "check", "evaluaton")
    assert done.code == 2
    assert "did you mean 'evaluation'?" in done.err


def test_without_pytest_it_says_what_to_install(ftcore: Terminal, monkeypatch: Any) -> None:
    find = importlib.util.find_spec

    def without_pytest(name: str, package: str | None = None) -> Any:
        return None if name == "pytest" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_pytest)
    done = ftcore("plugins", "check", "evaluation")
    assert done.code == 5
    assert "pip install 'ftcore[testing]'" in done.err


def test_a_built_in_may_be_checked_by_name(ftcore: Terminal) -> None:
    done = ftcore("plugins", "check", "rewards", "--json")
    names = [component["name"] for component in done.json["components"]]
    assert names == ["exact", "numeric", "regex", "json-schema", "length"]
    assert done.code == 0, json.dumps(done.json, indent=1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_rows_stream", "rows stream"),
        ("test_the_precision_is_one_that_torch_has[True]", "the precision is one that torch has (True)"),
        ("test_3", "it can be tested"),
    ],
)
def test_a_test_is_named_as_a_promise(name: str, words: str) -> None:
    assert in_words(name) == words
