"""No plugin can break ftcore or another plugin, whatever it does."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from pathlib import Path

import pytest

from ftcore.errors import PluginError, UsageError
from ftcore.loading import hung, patience
from ftcore.loading.installed import unmet
from ftcore.loading.policy import read_table
from ftcore.manager import PluginManager
from ftcore.specs import Ref
from tests import distributions
from tests.distributions import METHOD

HEAD = "from ftcore import hookimpl, BackendSpec, CommandSpec, FormatSpec, MethodSpec, Ref, SourceSpec\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a distribution with an entry point on the path, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def install_(name: str, code: str, **more: str) -> Path:
        monkeypatch.delitem(sys.modules, name.replace("-", "_"), raising=False)
        info = distributions.install(tmp_path, name, code, **more)
        importlib.invalidate_caches()
        return info

    return install_


def plugin(manager: PluginManager, key: str):
    return next(plugin for plugin in manager.plugins if plugin.key == key)


def test_a_third_party_offers_beside_the_built_ins(install):
    install("acme", METHOD.format(name="acme-method"))
    manager = PluginManager.discover()
    assert manager.find("method", "acme-method").plugin.version == "1.2"
    assert manager.find("method", "lora").plugin.is_built_in


# Broken ones ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("import sys; sys.exit(0)", "it called sys.exit(0)"),
        ("@hookimpl\ndef ftcore_tuning_method(): ...", "did you mean 'ftcore_tuning_methods'"),
        ("@hookimpl\ndef ftcore_after_step(evnt): ...", "it has no evnt"),
        ("def ftcore_tuning_methods(): ...", "lacks the decorator @hookimpl"),
        ("from ftcore_plugins.lora import ftcore_tuning_methods as hidden; del hidden", "it has no hooks"),
        ("@hookimpl\ndef ftcore_tuning_methods(): raise ValueError('later')", "ValueError: later"),
        ("@hookimpl\ndef ftcore_tuning_methods(): raise SystemExit(0)", "it called sys.exit(0)"),
        ("@hookimpl\ndef ftcore_tuning_methods(): return ['lora']", "gave 'lora', not a MethodSpec"),
        ("@hookimpl\ndef ftcore_tuning_methods(): return 5", "'int' object is not iterable"),
        ("@hookimpl\ndef ftcore_commands(): yield CommandSpec(name='a b', summary='', factory=Ref('x:y'))", "typed"),
        (
            "@hookimpl\ndef ftcore_tuning_methods(): yield MethodSpec(name='m', summary='s', factory='x:Y')",
            "MethodSpec 'm': factory is 'x:Y', not a Ref",
        ),
        ("@hookimpl\ndef ftcore_tuning_methods(): yield MethodSpec(name='m', factory=Ref('x:Y'))", "TypeError"),
    ],
)
def test_a_broken_plugin_is_a_listed_state_and_the_others_work(install, code: str, problem: str):
    install("broken", HEAD + code)
    install("acme", METHOD.format(name="acme-method"))
    manager = PluginManager.discover()
    assert manager.find("method", "acme-method")
    assert manager.find("method", "lora")
    manager.ask_all()
    found = plugin(manager, "broken:main")
    assert found.state == "broken"
    assert problem in str(found.problem)
    assert found.fix == "ftcore plugins check broken"
    assert any(problem in line for line in manager.problems())
    with pytest.raises(PluginError) as error:
        manager.find("method", "broken")
    assert problem in error.value.what


def test_an_entry_point_names_a_module_and_each_its_own(install):
    info = install("acme", METHOD.format(name="acme-method"))
    (info / "entry_points.txt").write_text("[ftcore]\none = acme\ntwo = acme\nthree = acme:ftcore_tuning_methods\n")
    manager = PluginManager.discover()
    assert plugin(manager, "acme:one").state == "active"
    assert plugin(manager, "acme:two").problem == "it names the same module as acme:one"
    assert "should name the module" in str(plugin(manager, "acme:three").problem)


def test_what_a_plugin_prints_on_import_is_not_taken_for_output(install, capsys: pytest.CaptureFixture[str]):
    install("chatty", "print('hello')")
    PluginManager.discover()
    assert capsys.readouterr() == ("", "hello\n")


# Hanging ones ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch):
    """Patience of a fifth of a second."""
    monkeypatch.setattr(patience, "SECONDS", 0.2)


HANGING = """
import time
from pathlib import Path
with Path(__file__).with_suffix(".tried").open("a") as file:
    file.write("x")
try:
    time.sleep(10)
except BaseException:
    time.sleep(10)
"""


def test_an_import_that_hangs_is_stopped_once_and_not_tried_again(install, hasty, tmp_path: Path):
    info = install("stuck", HANGING)
    install("acme", METHOD.format(name="acme-method"))
    tried = tmp_path / "stuck.tried"
    began = time.monotonic()
    for _ in range(2):
        manager = PluginManager.discover()
        assert manager.find("method", "acme-method")
        assert plugin(manager, "stuck:main").state == "hung"
        assert plugin(manager, "stuck:main").fix == "ftcore plugins check stuck"
        with pytest.raises(PluginError, match=r"stuck:main is hung: its import"):
            manager.find("method", "stuck")
    assert time.monotonic() - began < 3
    assert tried.read_text() == "x"
    hung.forget("stuck")
    PluginManager.discover()
    assert tried.read_text() == "xx"
    (info / "RECORD").write_text("stuck.py,sha256=another,7\n")
    PluginManager.discover()
    assert tried.read_text() == "xxx"


def test_a_hook_that_hangs_is_stopped_too(install, hasty):
    install("stuck", HEAD + "import time\n@hookimpl\ndef ftcore_tuning_methods():\n    time.sleep(10)\n    yield\n")
    manager = PluginManager.discover()
    assert manager.find("method", "lora")
    assert "ftcore_tuning_methods hangs" in str(plugin(manager, "stuck:main").problem)


def test_an_import_that_takes_long_and_moves_is_waited_for(install, hasty, tmp_path: Path):
    for number in range(4):
        (tmp_path / f"slow_part_{number}.py").write_text("import time\ntime.sleep(0.09)\n")
    install("slow", "".join(f"import slow_part_{number}\n" for number in range(4)) + METHOD.format(name="slow-method"))
    assert PluginManager.discover().find("method", "slow-method")


def test_patience_puts_back_the_alarm_of_others(hasty):
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(patience.Stalled), patience.patience():
            time.sleep(10)
        time.sleep(0.3)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Other versions -------------------------------------------------------------------------------------------------------


def test_a_plugin_that_needs_a_newer_ftcore_is_not_imported(install):
    install("future", "raise SystemExit('imported')", needs="ftcore>=9")
    manager = PluginManager.discover()
    assert plugin(manager, "future:main").state == "incompatible"
    with pytest.raises(PluginError, match="it needs ftcore >=9, and this is 0") as error:
        manager.find("method", "future")
    assert error.value.fix == "pip install --upgrade ftcore"


@pytest.mark.parametrize(
    ("requirement", "is_met"),
    [
        ("ftcore", True),
        ("ftcore>=0.1", True),
        ("ftcore (>=0.0.9,<9)", True),
        ("ftcore[report]>=0.1", True),
        ("ftcore>=9 ; extra == 'test'", True),
        ("ftcore>=0.1.1.dev1", False),
        ("ftcore<0.1", False),
        ("ftcore>=", False),
    ],
)
def test_requirements_are_read_as_pip_reads_them(monkeypatch: pytest.MonkeyPatch, requirement: str, is_met: bool):
    monkeypatch.setattr("ftcore.__version__", "0.1.0")
    unmet.cache_clear()
    assert (unmet(requirement) is None) == is_met
    unmet.cache_clear()


# Names ----------------------------------------------------------------------------------------------------------------


def test_a_third_party_cannot_displace_a_built_in(install):
    install("acme", METHOD.format(name="lora"))
    manager = PluginManager.discover()
    assert manager.find("method", "lora").plugin.is_built_in
    assert manager.find("method", "acme/lora").plugin.distribution == "acme"
    assert any("write acme/lora" in line for line in manager.problems())


def test_a_name_offered_twice_is_an_error_only_when_it_is_chosen_bare(install):
    install("one", METHOD.format(name="twin"))
    install("two", METHOD.format(name="twin"))
    manager = PluginManager.discover()
    assert manager.find("method", "two/twin").plugin.distribution == "two"
    with pytest.raises(PluginError, match=r"2 plugins offer the tuning method 'twin'") as error:
        manager.find("method", "twin")
    assert set(error.value.more) == {"one/twin", "two/twin"}


def test_the_first_of_two_distributions_with_one_name_counts(install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install("acme-x", METHOD.format(name="first"))
    (tmp_path / "later").mkdir()
    distributions.install(tmp_path / "later", "acme_x", METHOD.format(name="second"), version="2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    found = [plugin.version for plugin in PluginManager.discover().plugins if plugin.is_called("Acme.X")]
    assert found == ["1.2"]


def test_a_name_of_another_kind_says_what_it_is_and_what_to_type():
    with pytest.raises(UsageError, match="sft is an alignment strategy, not a tuning method") as error:
        PluginManager.discover().find("method", "sft")
    assert error.value.fix == "--strategy sft"


def test_a_name_that_the_field_knows_says_what_it_is_though_nobody_offers_it(install):
    install("acme", METHOD.format(name="acme-method").replace("summary=", "relatives=('alchemy',), summary="))
    manager = PluginManager.discover()
    with pytest.raises(UsageError, match="alchemy is a tuning method, not an alignment strategy; no plugin") as error:
        manager.find("strategy", "alchemy")
    assert error.value.fix == "--method acme-method"
    with pytest.raises(UsageError, match="alchemy is a tuning method; no plugin"):
        manager.find("method", "alchemy")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("ipo", "--strategy dpo --strategy.loss ipo"),
        ("exo", "--strategy dpo --strategy.loss exo_pair"),
        ("apo-zero-unpaired", "--strategy kto --strategy.loss apo_zero_unpaired"),
        ("wpo", "--strategy dpo"),
        ("rlhf", "ftcore rlhf"),
    ],
)
def test_a_name_that_a_component_offers_otherwise_says_how_it_is_typed(name: str, fix: str):
    with pytest.raises(UsageError) as error:
        PluginManager.discover().find("strategy", name)
    assert error.value.fix == fix


def test_an_unknown_name_offers_the_nearest_and_lists_all():
    with pytest.raises(UsageError, match="did you mean 'qlora'") as error:
        PluginManager.discover().find("method", "qlor")
    assert "lora" in error.value.more[0]


# Allow and deny -------------------------------------------------------------------------------------------------------


def test_the_variable_allows_and_denies(install, monkeypatch: pytest.MonkeyPatch):
    install("acme-x", METHOD.format(name="acme-method"))
    install("other", METHOD.format(name="other-method"))
    monkeypatch.setenv("FTCORE_PLUGINS", "other")
    manager = PluginManager.discover()
    assert plugin(manager, "acme-x:main").state == "blocked"
    assert manager.find("method", "other-method")
    assert manager.find("method", "lora")
    monkeypatch.setenv("FTCORE_PLUGINS", "-Acme_X")
    manager = PluginManager.discover()
    assert plugin(manager, "other:main").state == "active"
    with pytest.raises(PluginError, match="acme-x:main is blocked: left out by FTCORE_PLUGINS"):
        manager.find("method", "acme-x")
    monkeypatch.setenv("FTCORE_PLUGINS", "none")
    states = {plugin.state for plugin in PluginManager.discover().plugins if not plugin.is_built_in}
    assert states == {"blocked"}


def test_every_list_must_allow_a_plugin(install, monkeypatch: pytest.MonkeyPatch):
    for name in ("one", "two", "three"):
        install(name, METHOD.format(name=f"{name}-method"))
    monkeypatch.setenv("FTCORE_PLUGINS", "one,two")
    manager = PluginManager.discover(allow=["two:main", "three"])
    third = {plugin.distribution: plugin.state for plugin in manager.plugins if plugin.name == "main"}
    assert third == {"one": "blocked", "two": "active", "three": "blocked"}
    assert "run file" in str(plugin(manager, "one:main").problem)


def test_a_blocked_plugin_is_not_imported(install):
    install("loud", "raise SystemExit('imported')")
    manager = PluginManager.discover(deny=["loud"])
    assert plugin(manager, "loud:main").state == "blocked"
    with pytest.raises(UsageError, match="there is no plugin 'laud' to leave out"):
        PluginManager.discover(deny=["laud"])


def test_the_table_of_a_run_file_holds_two_lists_of_names():
    assert read_table({"allow": "acme", "deny": ["a", "b"]}, None) == (["acme"], ["a", "b"])
    assert read_table(None, None) == (None, [])
    for wrong in ("acme", {"alow": []}, {"deny": 5}, {"deny": [5]}):
        with pytest.raises(UsageError, match="which to allow and which to deny"):
            read_table(wrong, "run.yaml:1:1")


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_file_is_a_plugin_when_it_is_named(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(METHOD.format(name="mine").replace("x:Y", "json:loads"))
    assert PluginManager.discover([str(path), str(path)]).find("method", "mine").plugin.key == "file:mine"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "mine.py").write_text(path.read_text())
    with pytest.raises(UsageError, match="two plugin files are called mine"):
        PluginManager.discover([str(path), str(tmp_path / "more" / "mine.py")])


def test_a_file_that_does_not_load_is_an_error_at_once_with_the_line(tmp_path: Path):
    path = tmp_path / "bad.py"
    path.write_text("\n\n1/0")
    with pytest.raises(PluginError, match="ZeroDivisionError") as error:
        PluginManager.discover([str(path)])
    assert error.value.where == f"{path}:3"
    with pytest.raises(UsageError, match="no such plugin file"):
        PluginManager.discover([str(tmp_path / "absent.py")])


OFFER = """from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    {}


class Norms: ...
def _nurmed(): ...
"""


@pytest.mark.parametrize(
    ("offer", "line", "problem", "fix"),
    [
        ("yield MethodSpec(name='n', sumary='s', factory=Ref('offering:Norms'))", 6,
         "MethodSpec has no field 'sumary' (did you mean 'summary'?)", "ftcore hooks ftcore_tuning_methods"),
        ("return MethodSpec(name='n', summary='s', factory=Ref('offering:Norms'))", 4,
         "ftcore_tuning_methods returns a MethodSpec; it should yield it", "yield MethodSpec(…)"),
        ("yield MethodSpec(name='n', summary='s', factory=Ref('offering:Norm'))", 4,
         "the factory of 'n' is not where its record says: the file has no 'Norm'", 'factory=Ref("offering:Norms")'),
        ("yield MethodSpec(name='n', summary='s', factory=Ref('norms_:Norms'))", 4,
         "there is no module 'norms_'", 'factory=Ref("offering:Norms")'),
        ("yield MethodSpec(name='n', summary='s', factory=Ref('offering:Nurms'))", 4,
         "the file has no 'Nurms'", 'factory=Ref("offering:Norms")'),
        ("MethodSpec(name='n', summary='s', factory=Ref('offering:Norms'))", 4,
         "ftcore_tuning_methods gave no record; yield it", "yield MethodSpec(…)"),
        ("yield from 2 * [MethodSpec(name='n', summary='s', factory=Ref('offering:Norms'))]", 4,
         "ftcore_tuning_methods gives 'n' twice", "give one another name"),
        ("yield 1 / 0", 6, "ftcore_tuning_methods raised ZeroDivisionError", "ftcore hooks ftcore_tuning_methods"),
    ],
)  # fmt: skip
def test_a_file_that_fails_in_its_hook_is_an_error_at_once_with_the_line(
    tmp_path: Path, offer: str, line: int, problem: str, fix: str
):
    path = tmp_path / "offering.py"
    path.write_text(OFFER.format(offer))
    with pytest.raises(PluginError) as error:
        PluginManager.discover([str(path)])
    assert problem in error.value.what
    assert error.value.where == f"{path}:{line}"
    assert error.value.fix == fix


def test_two_files_that_offer_one_name_are_told_apart_by_their_own(tmp_path: Path):
    files = [str(tmp_path / f"{name}_norms.py") for name in ("ours", "theirs")]
    for file in files:
        Path(file).write_text(METHOD.format(name="norms").replace("x:Y", "json:loads"))
    manager = PluginManager.discover(files)
    with pytest.raises(PluginError, match="2 plugins offer the tuning method 'norms'") as error:
        manager.find("method", "norms")
    assert error.value.fix == "--method ours_norms/norms"
    assert manager.find("method", "theirs_norms/norms").plugin.module == files[1]


# Asking ---------------------------------------------------------------------------------------------------------------


def test_an_observer_that_raises_is_left_out_and_the_others_hear(install, capsys: pytest.CaptureFixture[str]):
    from ftcore.events import StepDone
    from ftcore.run.announce import Announcer

    install("bad", HEAD + "@hookimpl\ndef ftcore_after_step(event): raise SystemExit(0)")
    install("good", HEAD + "heard = []\n@hookimpl\ndef ftcore_after_step(event): heard.append(event)")
    manager = PluginManager.discover()
    announcer = Announcer(manager, [])
    event = StepDone(1, 2, {"loss": 1.0})
    announcer.announce(event)
    announcer.announce(event)
    import good

    assert good.heard == [event, event]
    assert capsys.readouterr().err.count("bad:main") == 1


def test_the_backend_is_chosen_by_the_plugin_installed_last(install):
    install("first", HEAD + "@hookimpl\ndef ftcore_select_backend(available): return 'cpu'")
    manager = PluginManager.discover()
    assert manager.first("ftcore_select_backend", available={}) == "cpu"


def test_a_plugin_that_was_asked_unnamed_and_raises_is_left_out_with_a_warning(
    install, capsys: pytest.CaptureFixture[str]
):
    install("acme", METHOD.format(name="acme-method"))
    manager = PluginManager.discover()
    offer = manager.find("method", "acme-method")
    with manager.sparing(offer.plugin):
        Ref("acme:Nothing").load()
    assert manager.usable("method").count(offer) == 0
    assert "acme:Nothing does not load" in capsys.readouterr().err
    with pytest.raises(PluginError), manager.sparing(manager.find("method", "lora").plugin):
        Ref("acme:Nothing").load()


def test_a_reference_loads_what_it_names_and_says_what_is_wrong(install):
    assert Ref("json:loads").load()("[1]") == [1]
    with pytest.raises(PluginError, match=r"package\.module:Name"):
        Ref("json.loads")
    install("acme", "\nraise SystemExit(0)")
    with pytest.raises(PluginError, match=r"acme:Name does not load: SystemExit") as error:
        Ref("acme:Name").load()
    assert str(error.value.where).endswith("acme.py:2")
