"""What the documentation tells people to type works, and gives what it shows."""

from __future__ import annotations

import ast
import io
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import Terminal
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.reader import NOT_RUN, Reader
from tests.plugins.label_page import judged_project

REAL = {
    "docs/tutorial/first-run.md": "it shows what the demo's model does",
}
"""Pages that the tests marked `real` type exactly as written, and why. Fast, their outputs are not compared."""

GIVEN = {"README.md": ("mine.csv", "my-model"), "docs/how-to/label.md": ("labels/my-project.db",)}
"""What a page takes for granted: the reader's own data and model, and what people judged on the page."""

TYPED = [page for page in PAGES if any(block.language == "bash" for block in blocks(page))]


@pytest.fixture(autouse=True)
def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody types one message and leaves; and the plugin files of one page are unknown to the next."""
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n\n"))
    before = set(sys.modules)
    yield
    for module in set(sys.modules) - before:
        if module.startswith("ftcore_file_"):
            del sys.modules[module]
            sys.modules.pop(module.removeprefix("ftcore_file_"), None)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def give(page: Path, folder: Path, tiny: Path) -> None:
    if name(page) == "docs/how-to/label.md":
        judged_project(folder / "labels" / "my-project.db")
    if name(page) == "README.md":
        shutil.copytree(tiny, folder / "my-model")
        rows = "".join(f"{n} plus {n}?,{2 * n}\n" for n in range(12))
        (folder / "mine.csv").write_text(f"question,answer\n{rows}", encoding="utf-8")


@pytest.mark.parametrize("page", TYPED, ids=name)
def test_a_page_can_be_typed(page: Path, ftcore: Terminal, tmp_path: Path, tiny: Path):
    give(page, tmp_path, tiny)
    Reader(ftcore, tmp_path, tiny, compares=name(page) not in REAL).read(page)


@pytest.mark.real
@pytest.mark.parametrize("page", [page for page in TYPED if name(page) in REAL], ids=name)
def test_a_page_can_be_typed_with_the_real_model(page: Path, ftcore: Terminal, tmp_path: Path, tiny: Path):
    give(page, tmp_path, tiny)
    Reader(ftcore, tmp_path, None, compares=True).read(page)


def test_every_listed_command_that_is_not_run_stands_on_a_page():
    typed = {" ".join(words) for page in TYPED for b in blocks(page) if b.language == "bash" for words in b.commands()}
    assert set(NOT_RUN) <= typed
    assert set(REAL) | set(GIVEN) <= {name(page) for page in TYPED}


def of(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.where)
def test_python_compiles(block: Block):
    ast.parse(textwrap.dedent(block.text), filename=block.where)


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.where)
def test_run_files_have_known_keys(block: Block):
    from ftcore.run.choose import KEYS

    assert set(yaml.safe_load(block.text)) <= {*KEYS, "stages"}


def test_blocks_say_what_they_are():
    known = {"bash", "text", "python", "yaml", "csv", "json", "tsv", "toml", ""}
    assert {block.language for page in PAGES for block in blocks(page)} <= known
