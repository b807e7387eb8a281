"""Code that lies in the working folder, as a downloaded data set may bring it, is never run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "plugins").rglob("*.py"))]
CANARY = "open('CANARY', 'w').close()\n"


def _words(tree: ast.AST) -> list[list[str]]:
    """What stands behind `sys.executable` in every list or call, as far as it is written out there."""
    found = []
    for node in ast.walk(tree):
        for parts in [
            list(getattr(node, "elts", [])),
            list(getattr(node, "args", []) if isinstance(node, ast.Call) else []),
        ]:
            texts = [ast.unparse(part) for part in parts]
            if "sys.executable" in texts:
                found.append(texts[texts.index("sys.executable") + 1 :])
    return found


def test_every_python_is_started_without_the_working_folder():
    found = {path: words for path in SOURCES if (words := _words(ast.parse(path.read_text(encoding="utf-8"))))}
    assert len(found) >= 5, "the search for sys.executable finds nothing any more"
    careless = [path for path, lines in found.items() if any(not words or words[0] != "'-P'" for words in lines)]
    assert careless == []


def test_every_python_that_is_printed_to_be_typed_leaves_the_working_folder_out():
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    assert [path for path, text in texts.items() if "python -m " in text.replace("`python -m ftcore`", "")] == []


@pytest.fixture
def full_of_code(tmp_path: Path) -> Path:
    for name in ("pip", "ftcore_plugins", "torch", "sitecustomize", "conftest", "json"):
        (tmp_path / f"{name}.py").write_text(CANARY, encoding="utf-8")
    return tmp_path


def installed_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as it is installed: `python -m ftcore` would put the folder on the path by itself."""
    command = Path(sys.executable).with_name("ftcore")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    environment |= {"PIP_RETRIES": "0", "PIP_NO_INDEX": "1", "FTCORE_CACHE": str(folder / "cache")}
    return subprocess.run([command, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_pip_in_the_working_folder_is_not_pip(full_of_code: Path):
    done = installed_command(full_of_code, "plugins", "install", "--dry-run", "six")
    assert done.returncode in (0, 7), done.stderr  # 7: pip finds nothing without an index; six may be here already
    assert not (full_of_code / "CANARY").exists()


def test_a_pip_in_the_working_folder_does_not_fetch_the_demo_model(full_of_code: Path):
    (full_of_code / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 12, encoding="utf-8")
    done = installed_command(full_of_code, "run", "--data", "rows.jsonl", "--out", "out")
    assert done.returncode == 5, done.stderr
    assert "the demo's model could not be fetched" in done.stderr
    assert not (full_of_code / "CANARY").exists()
