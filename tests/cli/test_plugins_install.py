"""`ftcore plugins install` and `uninstall`, with the real pip in an environment of its own, and without the network."""

from __future__ import annotations

import io
import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ftcore.cli import pip
from ftcore.loading import identity
from tests import distributions
from tests.conftest import Result, Terminal
from tests.distributions import METHOD


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees everything installed here and takes what is installed there."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "outer.pth").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def there(environment: Path, tmp_path: Path):
    """Type a command line in that environment."""

    def type_(*arguments: object) -> Result:
        done = subprocess.run(
            [environment / "bin" / "python", "-m", "ftcore", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PIP_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return type_


def test_a_wheel_is_installed_used_and_uninstalled(there, tmp_path: Path):
    wheel = distributions.wheel(tmp_path, "acme-norms", METHOD.format(name="norms"))
    installed = there("plugins", "install", wheel, "--yes", "--json")
    assert installed.code == 0, installed.err
    assert installed.json["adds"] == [{"name": "acme-norms", "version": "1.2"}]
    assert installed.json["changes"] == []
    assert installed.json["installed"] is True
    [plugin] = installed.json["plugins"]
    assert (plugin["key"], plugin["state"], plugin["offers"]) == ("acme-norms:main", "active", ["method:norms"])
    gone = there("plugins", "uninstall", "acme_norms", "--yes")
    assert gone.code == 0, gone.err
    assert gone.out.endswith(f"ftcore plugins install {wheel}\n"), "the index may have another of that name"


def test_what_ftcore_runs_on_keeps_its_version(there, tmp_path: Path):
    wheel = distributions.wheel(tmp_path, "acme-future", METHOD.format(name="future"), needs="click<1")
    refused = there("plugins", "install", wheel, "--yes")
    assert refused.code == 7
    assert "pip does not install it" in refused.err
    assert "  acme-future 1.2 depends on click<1\n" in refused.err
    assert "--allow-changes" in refused.err


def test_uninstalling_is_for_installed_plugins_only(ftcore: Terminal):
    refused = ftcore("plugins", "uninstall", "lora")
    assert refused.code == 2
    assert "no installed distribution has a plugin 'lora'" in refused.err
    assert "--no-plugin NAME leaves it out" in refused.err


def test_a_path_that_is_none_is_not_left_to_pip(ftcore: Terminal):
    for spec in ("./absent", "absent-1.0-py3-none-any.whl"):
        refused = ftcore("plugins", "install", spec)
        assert refused.code == 2
        assert f"{spec}: there is no such file or folder" in refused.err


def test_a_file_is_named_and_not_installed(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "norms.py").touch()
    refused = ftcore("plugins", "install", "norms.py", "--yes")
    assert refused.code == 2
    assert "  try: ftcore run --plugin norms.py" in refused.err


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[pip.Change]:
    """What pip would say, to be filled in; pip changes nothing here."""
    changes: list[pip.Change] = []
    monkeypatch.setattr(pip, "plan_installation", lambda *_: changes)
    monkeypatch.setattr(pip, "carry_out", lambda *_: None)
    return changes


class Keyboard(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_nothing_happens_without_leave(ftcore: Terminal, planned: list, monkeypatch: pytest.MonkeyPatch):
    planned.append(pip.Change("acme", "1.0"))
    unasked = ftcore("plugins", "install", "acme", "--allow-changes")
    assert unasked.code == 2
    assert "  acme 1.0\n" in unasked.out
    assert "  try: ftcore plugins install acme --allow-changes --yes\n" in unasked.err
    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    answered = ftcore("plugins", "install", "acme")
    assert answered.code == 0
    assert answered.out.endswith("Nothing was installed.\n")


def test_json_without_leave_is_refused_before_pip_is_asked(ftcore: Terminal):
    for words in (("install", "acme-nowhere"), ("uninstall", "acme-nowhere")):
        refused = ftcore("plugins", *words, "--json")
        assert refused.code == 2
        assert f"  try: ftcore plugins {' '.join(words)} --json --yes\n" in refused.err


def test_a_plugin_that_does_not_work_ends_with_7_and_says_how_to_get_rid_of_it(
    ftcore: Terminal, planned: list, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """What is offered to be uninstalled is what came just now, and not what an earlier command has installed."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def install(name: str, code: str) -> Result:
        distributions.install(tmp_path, name, code)
        planned[:] = [pip.Change(name, "1.2")]
        return ftcore("plugins", "install", name, "--yes")

    installed = install("acme-exits", "import os; os._exit(3)")
    assert installed.code == 7
    assert "acme-exits: it is installed, and ftcore does not start with it" in installed.err
    assert "-P -m pip uninstall acme-exits\n" in installed.err
    installed = install("acme-broken", "raise OSError('no')")
    assert installed.code == 7, "acme-exits ends every command, and is not heard here"
    assert "acme-broken:main 1.2 is broken: OSError: no" in installed.out
    assert "  try: ftcore plugins uninstall acme-broken" in installed.out
    planned.clear()
    again = ftcore("plugins", "install", "acme-broken", "--yes")
    assert again.code == 7
    assert "acme-broken is installed already" in again.out
    assert "  try: ftcore plugins check acme-broken\n" in again.out


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        (None, "ftcore plugins list"),
        (pip.Change("click", "9.0", "8.0"), "ftcore plugins list"),
        (pip.Change("acme", "1.0"), f"{sys.executable} -P -m pip uninstall acme"),
    ],
)
def test_what_was_here_before_is_not_offered_to_be_uninstalled(ftcore: Terminal, planned: list, change, fix):
    planned += [change] if change else []
    installed = ftcore("plugins", "install", "click", "--yes")
    assert installed.code == 7
    assert "it brings no plugin" in installed.err.replace("it is installed, and", "it")
    assert installed.err.endswith(f"  try: {fix}\n")


@pytest.mark.parametrize(
    ("direct", "again", "origin"),
    [
        (None, "acme==1.2", "index"),
        ({"url": "file:///a%20b/acme", "dir_info": {}}, "'/a b/acme'", "local"),
        ({"url": "file:///a/acme", "dir_info": {"editable": True}}, "/a/acme --editable", "local"),
        ({"url": "https://x.org/acme-1.2-py3-none-any.whl"}, *["https://x.org/acme-1.2-py3-none-any.whl"] * 2),
        (
            {"url": "https://x.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "f0"}},
            *["git+https://x.org/a.git@f0"] * 2,
        ),
    ],
)
def test_what_came_from_elsewhere_is_not_looked_for_on_the_index(tmp_path: Path, direct, again, origin):
    info = distributions.install(tmp_path, "acme", "")
    if direct:
        (info / "direct_url.json").write_text(json.dumps(direct))
    assert identity.as_before(info, "acme", "1.2") == again
    assert identity.origin(info) == origin


def test_what_pip_does_not_touch_is_not_said_to_be_gone(ftcore: Terminal, tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    distributions.install(tmp_path, "acme-elsewhere", METHOD.format(name="norms"))
    left = ftcore("plugins", "uninstall", "acme-elsewhere", "--yes")
    assert left.code == 7
    assert f"{tmp_path}: pip leaves acme-elsewhere where it is" in left.err


def test_changes_of_what_decides_the_numbers_are_warned_of(ftcore: Terminal, planned: list):
    """pip's report is given here: a real one needs another torch to choose from."""
    planned += [pip.Change("acme", "1.0"), pip.Change("torch", "9.9", "2.13.0"), pip.Change("six", "2", "1")]
    shown = ftcore("plugins", "install", "acme", "--dry-run")
    assert shown.code == 0
    assert "  acme 1.0\n" in shown.out
    assert "  six 2  (now 1)\n" in shown.out
    assert shown.out.count("warning: ") == 1
    assert "warning: torch goes from 2.13.0 to 9.9" in shown.out
    record = json.loads(ftcore("plugins", "install", "acme", "--dry-run", "--json").out)
    assert record["changes"][0] == {"name": "torch", "from": "2.13.0", "to": "9.9"}


def test_held_are_ftcore_and_its_own_dependencies():
    held = dict(pip.held())
    assert {"ftcore", "torch", "transformers", "peft", "trl", "click"} <= held.keys()
    assert "pytest" not in held, "extras are not"
