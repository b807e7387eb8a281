"""`ftcore plugins install` and `uninstall`, with the real pip in an environment of its own, and without the network."""

from __future__ import annotations

import json
import os
import site
import subprocess
import venv
from pathlib import Path

import pytest

from ftcore.cli import pip
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


def test_a_wheel_is_shown_installed_used_and_uninstalled(there, tmp_path: Path):
    wheel = distributions.wheel(tmp_path, "acme-norms", METHOD.format(name="norms"))
    unasked = there("plugins", "install", wheel)
    assert unasked.code == 2
    assert "  acme-norms 1.2\n" in unasked.out
    assert f"  try: ftcore plugins install {wheel} --yes" in unasked.err
    installed = there("plugins", "install", wheel, "--yes", "--json")
    assert installed.code == 0, installed.err
    assert installed.json["adds"] == [{"name": "acme-norms", "version": "1.2"}]
    assert installed.json["changes"] == []
    assert installed.json["installed"] is True
    [plugin] = installed.json["plugins"]
    assert (plugin["key"], plugin["state"], plugin["offers"]) == ("acme-norms:main", "active", ["method:norms"])
    gone = there("plugins", "uninstall", "acme_norms", "--yes")
    assert gone.code == 0, gone.err
    assert "ftcore plugins install acme-norms==1.2" in gone.out


def test_a_plugin_that_does_not_work_ends_with_7_and_says_how_to_get_rid_of_it(there, tmp_path: Path):
    wheel = distributions.wheel(tmp_path, "acme-broken", "import os; raise OSError('no')")
    installed = there("plugins", "install", wheel, "--yes")
    assert installed.code == 7
    assert "acme-broken:main 1.2 is broken: OSError: no" in installed.out
    assert "  try: ftcore plugins uninstall acme-broken" in installed.out


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


def test_changes_of_what_decides_the_numbers_are_warned_of(
    ftcore: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """pip's report is given here: a real one needs another torch to choose from."""
    changes = [pip.Change("acme", "1.0"), pip.Change("torch", "9.9", "2.13.0"), pip.Change("six", "2", "1")]
    monkeypatch.setattr(pip, "plan_installation", lambda *_: changes)
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
