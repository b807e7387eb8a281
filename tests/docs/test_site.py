"""The site holds together: links, navigation, and references that are read off the code."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ftcore.specs import KINDS
from tests.conftest import Terminal
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, links
from tests.docs.reader import write


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_parts_are_current(generate: ModuleType):
    assert not generate.stale(), "type: python docs/generate.py"


def test_every_part_is_on_a_page(generate: ModuleType):
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in generate.PARTS if f"<!-- generated: {name} -->" not in text] == []


def test_a_stale_page_is_noticed(generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("<!-- generated: roles -->\nold\n<!-- end of generated -->\n", encoding="utf-8")
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.run(["--check"]) == 1
    assert generate.run([]) == 0
    assert "prompter" in page.read_text(encoding="utf-8")
    assert generate.run(["--check"]) == 0


def test_every_hook_has_a_page_with_its_signature_and_an_example_that_is_run(ftcore: Terminal):
    index = (DOCS / "plugins" / "hooks.md").read_text(encoding="utf-8")
    for hook in ftcore("hooks", "--json").json:
        name = f"{hook['name'].removeprefix('ftcore_').replace('_', '-')}.md"
        assert f"[{hook['name']}]({name})" in index
        found = blocks(DOCS / "plugins" / name)
        assert f"def {hook['name']}{hook['signature']}: ...\n" in found[0].text
        assert any(f"def {hook['name']}(" in block.text for block in found if block.title)
        assert any(block.language == "bash" for block in found)


def test_what_the_pages_offer_keeps_its_promises(ftcore: Terminal, tmp_path: Path):
    """All components of the pages at once, but for those of policy, which have a say in the runs of the others."""
    found = [block for page in PAGES if page.parent.name == "plugins" for block in blocks(page) if block.title]
    files = [block for block in found if re.search(r"def ftcore_\w+s\(\):", block.text)]
    for block in files:
        write(block, tmp_path)
    options = [word for block in files for word in ("--plugin", block.title or "")]
    components = ftcore("plugins", "check", "--json", *options).json["components"]
    assert len(components) == len(KINDS)
    assert {one["name"]: one for one in components if one["result"] != "passed"} == {}


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "index.md"], ids=lambda page: page.name)
def test_the_first_pages_name_all_that_is_built_in(page: Path, generate: ModuleType):
    text = page.read_text(encoding="utf-8")
    for kind in ("strategy", "rewards", "backend"):
        assert [name for name in generate.offered(kind) if f"`{name}`" not in text] == []
    assert page.name == "README.md" or f"{len(generate.offered('method'))} in all" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_navigation_holds_every_page():
    def pages(nav: object) -> set[str]:
        if isinstance(nav, str):
            return {nav}
        items = nav.values() if isinstance(nav, dict) else nav
        return set().union(*(pages(item) for item in items))  # type: ignore[attr-defined]

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert pages(nav) == {page.relative_to(DOCS).as_posix() for page in PAGES if page.is_relative_to(DOCS)}


def test_the_site_builds(tmp_path: Path):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    html = "".join(page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html"))
    assert "<p><code>bash" not in html, "a fence was not understood"
