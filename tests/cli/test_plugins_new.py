"""`ftcore plugins new`: what it writes builds, installs, passes its own tests and runs; bad names are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ftcore.scaffold import BLUEPRINTS
from tests.conftest import Terminal, echo_rows, write_rows

PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Workshop:
    """A folder with a generated package of each kind, and a folder into which all of them are installed."""

    folder: Path
    site: Path

    def python(self, *arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.site), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Every kind, built into a wheel and installed without an index. pip is called once for all of them."""
    from ftcore.cli.main import main

    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert [main(["plugins", "new", f"acme-{kind}", "--kind", kind]) for kind in BLUEPRINTS] == [0] * 10
    made = Workshop(folder, folder / "site")
    packages = [f"./acme-{kind}" for kind in BLUEPRINTS]
    made.python(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "wheels", *packages)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    made.python(*PIP, "install", "--no-deps", "--no-index", "--target", made.site, *wheels)
    return made


def test_every_kind_passes_its_own_tests_when_it_is_installed(workshop: Workshop):
    tests = [f"acme-{kind}/tests" for kind in BLUEPRINTS]
    said = workshop.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests)
    counts = said.strip().splitlines()[-1]
    assert " passed" in counts
    assert "failed" not in counts
    assert "skipped" not in counts, said


def test_every_kind_is_listed_once_it_is_installed(workshop: Workshop):
    said = workshop.python("-m", "ftcore", "plugins", "list")
    for kind, blueprint in BLUEPRINTS.items():
        assert f"{blueprint.key}:acme-{kind}" in said
    assert "problem" not in said
    hint = workshop.python(
        "-c", "from ftcore.testing.offered import contract as c; print(c('method', 'acme-method').reload)"
    )
    assert hint.startswith("<function reload"), "FTCORE_CHECK does not reach the contract"


def test_a_run_trains_with_the_method_and_the_others(workshop: Workshop, tiny: Path):
    rows = write_rows(workshop.folder / "rows.jsonl", echo_rows(12))
    components = ("method", "strategy", "backend", "exporter")
    chosen = [word for name in components for word in (f"--{name}", f"acme-{name}")]
    small = ["--train.steps", 2, "--train.batch_size", 2, "--evaluate.generate", 1, "--evaluate.max_new_tokens", 4]
    workshop.python(
        *("-m", "ftcore", "run", "--model", tiny, "--data", rows, "--out", "run", *chosen, *small),
        *("--evaluators", "acme-evaluator", "--reporters", "acme-reporter"),
    )
    assert (workshop.folder / "run" / "acme-reporter.csv").read_text().count("\n") == 3
    assert "mean_words" in (workshop.folder / "run" / "report.json").read_text()


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
