"""No plugin can break ftcore or another plugin, whatever it does."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from ftcore.errors import PluginError, UsageError
from ftcore.manager import PluginManager
from ftcore.specs import Ref

FINE = """
from ftcore import hookimpl, MethodSpec, Ref

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name={name!r}, summary="a test", factory=Ref("x:Y"))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a distribution with an entry point on the path, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[ftcore]\nmain = {name}\n")

    return install_


def plugin(manager: PluginManager, key: str):
    return next(plugin for plugin in manager.plugins if plugin.key == key)


def test_a_third_party_offers_beside_the_built_ins(install):
    install("acme", FINE.format(name="acme-method"))
    manager = PluginManager.discover()
    assert manager.find("method", "acme-method").plugin.version == "1.2"
    assert manager.find("method", "lora").plugin.is_built_in


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("import sys; sys.exit(0)", "it called sys.exit(0) while loading"),
        (
            "from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_method(): ...",
            "did you mean 'ftcore_tuning_methods'",
        ),
        ("from ftcore import hookimpl\n@hookimpl\ndef ftcore_after_step(evnt): ...", "it has no evnt"),
        ("def ftcore_tuning_methods(): ...", "lacks the decorator @hookimpl"),
        (
            "from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_methods(): raise ValueError('later')",
            "ValueError: later",
        ),
        (
            "from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_methods(): return ['lora']",
            "gave 'lora', not a MethodSpec",
        ),
    ],
)
def test_a_broken_plugin_is_a_listed_state_and_the_others_work(install, code: str, problem: str):
    install("broken", code)
    install("acme", FINE.format(name="acme-method"))
    manager = PluginManager.discover()
    assert manager.find("method", "acme-method")
    assert manager.find("method", "lora")
    assert plugin(manager, "broken:main").state == "broken"
    assert problem in str(plugin(manager, "broken:main").problem)
    assert any(problem in line for line in manager.problems())


def test_asking_for_what_a_broken_plugin_is_called_quotes_its_problem(install):
    install("broken", "raise RuntimeError('no such luck')")
    with pytest.raises(PluginError, match="no such luck"):
        PluginManager.discover().find("method", "broken")


def test_a_third_party_cannot_displace_a_built_in(install):
    install("acme", FINE.format(name="lora"))
    manager = PluginManager.discover()
    assert manager.find("method", "lora").plugin.is_built_in
    assert manager.find("method", "acme/lora").plugin.distribution == "acme"
    assert any("write acme/lora" in line for line in manager.problems())


def test_a_name_offered_twice_is_an_error_only_when_it_is_chosen_bare(install):
    install("one", FINE.format(name="twin"))
    install("two", FINE.format(name="twin"))
    manager = PluginManager.discover()
    assert manager.find("method", "two/twin").plugin.distribution == "two"
    with pytest.raises(PluginError, match=r"2 plugins offer the tuning method 'twin'") as error:
        manager.find("method", "twin")
    assert set(error.value.more) == {"one/twin", "two/twin"}


def test_a_name_of_another_kind_says_what_it_is_and_what_to_type():
    with pytest.raises(UsageError, match="sft is an alignment strategy, not a tuning method") as error:
        PluginManager.discover().find("method", "sft")
    assert error.value.fix == "--strategy sft"


def test_a_name_that_the_field_knows_says_what_it_is_though_nobody_offers_it():
    with pytest.raises(UsageError, match="dpo is an alignment strategy, not a tuning method; no plugin") as error:
        PluginManager.discover().find("method", "dpo")
    assert error.value.fix == "--strategy sft"
    with pytest.raises(UsageError, match="ia3 is a tuning method; no plugin") as error:
        PluginManager.discover().find("method", "ia3")
    assert error.value.fix == "--method lora"


def test_an_unknown_name_offers_the_nearest_and_lists_all():
    with pytest.raises(UsageError, match="did you mean 'qlora'") as error:
        PluginManager.discover().find("method", "qlor")
    assert "lora" in error.value.more[0]


def test_allow_and_deny_lists(install, monkeypatch: pytest.MonkeyPatch):
    install("acme", FINE.format(name="acme-method"))
    install("other", FINE.format(name="other-method"))
    monkeypatch.setenv("FTCORE_PLUGINS", "other")
    manager = PluginManager.discover()
    assert plugin(manager, "acme:main").state == "blocked"
    assert manager.find("method", "other-method")
    assert manager.find("method", "lora")
    monkeypatch.setenv("FTCORE_PLUGINS", "-other")
    manager = PluginManager.discover()
    assert plugin(manager, "acme:main").state == "active"
    assert plugin(manager, "other:main").state == "blocked"
    with pytest.raises(PluginError, match="blocked on request"):
        manager.find("method", "other")


def test_a_blocked_plugin_is_not_imported(install):
    install("loud", "raise SystemExit('imported')")
    manager = PluginManager.discover(deny=["loud"])
    assert plugin(manager, "loud:main").state == "blocked"


def test_a_file_is_a_plugin_when_it_is_named(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(FINE.format(name="mine"))
    assert PluginManager.discover([str(path)]).find("method", "mine").plugin.key == "file:mine"


def test_a_file_that_does_not_load_is_an_error_at_once(tmp_path: Path):
    path = tmp_path / "bad.py"
    path.write_text("1/0")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        PluginManager.discover([str(path)])
    with pytest.raises(UsageError, match="no such plugin file"):
        PluginManager.discover([str(tmp_path / "absent.py")])


def test_an_observer_that_raises_is_left_out_and_the_others_hear(install, capsys: pytest.CaptureFixture[str]):
    from ftcore.events import StepDone
    from ftcore.run.announce import Announcer

    install("bad", "from ftcore import hookimpl\n@hookimpl\ndef ftcore_after_step(event): raise OSError('full')")
    install(
        "good", "from ftcore import hookimpl\nheard = []\n@hookimpl\ndef ftcore_after_step(event): heard.append(event)"
    )
    manager = PluginManager.discover()
    announcer = Announcer(manager, [])
    event = StepDone(1, 2, {"loss": 1.0})
    announcer.announce(event)
    announcer.announce(event)
    import good

    assert good.heard == [event, event]
    assert capsys.readouterr().err.count("full") == 1


def test_the_backend_is_chosen_by_the_plugin_installed_last(install):
    install("first", "from ftcore import hookimpl\n@hookimpl\ndef ftcore_select_backend(available): return 'cpu'")
    manager = PluginManager.discover()
    assert manager.first("ftcore_select_backend", available={}) == "cpu"


def test_a_reference_loads_what_it_names_and_says_how_it_is_written():
    assert Ref("json:loads").load()("[1]") == [1]
    with pytest.raises(ValueError, match=r"package\.module:Name"):
        Ref("json.loads")
