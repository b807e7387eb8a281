"""`ftcore plugins new`: what it says, and the names that it refuses. What it writes is built and used elsewhere, in
`test_installed.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Terminal


def test_it_says_what_to_do_next(ftcore: Terminal, tmp_path: Path):
    said = ftcore("plugins", "new", "ftcore-norms", "--kind", "method", "--json")
    assert said.code == 0, said.err
    assert said.json["name"] == "norms"
    assert said.json["next"][-1] == "ftcore run --method norms"
    written = {path.relative_to(tmp_path / "ftcore-norms").as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(said.json["files"])
    assert {"pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml"} < written


@pytest.mark.parametrize(("version", "asked"), [("0.9.1", ">=0.9,<0.10"), ("3.7.2", ">=3.7,<4")])
def test_a_version_of_ftcore_that_breaks_nothing_is_asked_for(
    ftcore: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, asked: str
):
    import ftcore as package

    monkeypatch.setattr(package, "__version__", version)
    ftcore("plugins", "new", "acme-norms", "--kind", "method")
    assert f'dependencies = ["ftcore{asked}"]' in (tmp_path / "acme-norms" / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("name", "kind", "what", "fix"),
    [
        ("Acme_Norms", "method", "lower case", "ftcore plugins new acme-norms --kind method"),
        ("2fast", "reward", "lower case", "ftcore plugins new my-2fast --kind reward"),
        ("class", "method", "word of the language", "ftcore plugins new ftcore-class --kind method"),
        ("json", "format", "a module json is there", "ftcore plugins new my-json --kind format"),
        ("torch", "backend", "a module torch is there", "ftcore plugins new my-torch --kind backend"),
        ("ftcore-lora", "method", "ftcore:lora offers", "ftcore plugins new my-lora --kind method"),
        ("acme", "", "say what it offers", "ftcore plugins new acme --kind method"),
        ("acme", "methd", "did you mean 'method'", "ftcore plugins new acme --kind method"),
        ("taken", "source", "the folder is there", "ftcore plugins new my-taken --kind source"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(ftcore: Terminal, tmp_path: Path, name, kind, what, fix):
    (tmp_path / "taken").mkdir()
    said = ftcore("plugins", "new", name, "--kind", kind)
    assert said.code == 2
    assert what in said.err
    assert f"try: {fix}" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
