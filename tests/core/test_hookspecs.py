"""The examples in the docstrings of hooks declare the same facts as plugins of that name which keep their promises."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ftcore.manager import PluginManager, hook_functions

ROOT = Path(__file__).parents[2]
BIAS = (ROOT / "tests" / "contracts" / "bias.py").read_text()
[BREVITY] = re.findall(
    r'```python title="brevity.py"\n(.*?)```', (ROOT / "docs/plugins/evaluators.md").read_text(), re.S
)


def example(hook: str) -> str:
    """The plugin in a hook's docstring."""
    code = "@hookimpl" + (inspect.getdoc(hook_functions()[hook]) or "").partition("@hookimpl")[2]
    return f"from ftcore import *\nfrom ftcore.types import *\n\n{inspect.cleandoc('    ' + code)}\n"


@pytest.mark.parametrize(
    ("kind", "name", "hook", "tested"),
    [("method", "bias", "ftcore_tuning_methods", BIAS), ("evaluators", "brevity", "ftcore_evaluators", BREVITY)],
)
def test_an_example_declares_what_a_tested_plugin_does(tmp_path: Path, kind: str, name: str, hook: str, tested: str):
    specs = []
    for text in (example(hook), tested):
        file = tmp_path / "declares.py"
        file.write_text(re.sub(r'Ref\("[\w.]+:\w+', 'Ref("json:loads', text))
        specs.append(PluginManager.discover([str(file)]).find(kind, name).spec)
    shown, real = specs
    assert shown == replace(real, summary=shown.summary, defaults=shown.defaults)
