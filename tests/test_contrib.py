"""The distributions in contrib/ use only what any third party may. `make contrib` builds, installs and tests them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.conftest import ROOT

PUBLIC = {
    "ftcore",
    "ftcore.errors",
    "ftcore.events",
    "ftcore.parameters",
    "ftcore.protocols",
    "ftcore.settings",
    "ftcore.types",
}
FOR_ANNOTATIONS = {"ftcore.run.plan", "ftcore.run.session"}
"""What hooks and factories are given; nobody needs to import it but to name its type."""


def test_only_public_modules_are_imported():
    sources = sorted(ROOT.glob("contrib/*/src/**/*.py"))
    assert sources
    for source in sources:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        only_named = {id(node) for test in _type_checking(tree) for node in ast.walk(test)}
        for node, module in _imports(tree):
            allowed = PUBLIC | FOR_ANNOTATIONS if id(node) in only_named else PUBLIC
            assert not module.startswith("ftcore.") or module in allowed, f"{source.relative_to(ROOT)}: {module}"
            assert not module.startswith("ftcore_plugins"), f"{source.relative_to(ROOT)}: {module}"


def test_each_has_what_a_distribution_needs():
    for folder in sorted(path for path in (ROOT / "contrib").iterdir() if path.is_dir()):
        for name in ("pyproject.toml", "README.md", "LICENSE", "src", "tests"):
            assert (folder / name).exists(), f"{folder.name} lacks {name}"


def _type_checking(tree: ast.AST) -> Iterator[ast.If]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield node


def _imports(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node, node.module or ""
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
