"""Runs the contracts of named components with pytest, in a process of its own, and says which promises are kept.

It imports neither pytest nor a contract itself, so that a command may ask whether pytest is there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ftcore.errors import PluginError
from ftcore.manager import Offer, Plugin

MODULE = "from ftcore.testing.offered import contract\n\nTestOffered = contract({kind!r}, {name!r}, {files!r})\n"


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise in plain words, why it is broken or was left out, and the line of the plugin where it breaks."""

    words: str
    why: str
    where: str | None = None


@dataclass(slots=True)
class Verdict:
    """What came of one component's contract."""

    kind: str
    offer: Offer
    kept: list[str] = field(default_factory=list)
    broken: list[Promise] = field(default_factory=list)
    left_out: list[Promise] = field(default_factory=list)

    def causes(self) -> dict[tuple[str | None, str], list[str]]:
        """What breaks promises, each cause once: by its line and its words, the promises."""
        found: dict[tuple[str | None, str], list[str]] = {}
        for promise in self.broken:
            found.setdefault((promise.where, promise.why), []).append(promise.words)
        return found

    @property
    def result(self) -> str:
        """`failed`, `passed`, or `passed in part` where a promise could not be looked at."""
        if self.broken:
            return "failed"
        return "passed in part" if self.left_out else "passed"


def judge(components: Sequence[tuple[str, Offer]], plugin_files: Sequence[str] = ()) -> list[Verdict]:
    """The verdict on each component, given as its kind and its offer.

    Each has a test module of its own, so that one whose plugin breaks on import takes no other along. Raises
    PluginError when pytest itself ends without a result.
    """
    verdicts = [Verdict(kind, offer) for kind, offer in components]
    with tempfile.TemporaryDirectory(prefix="ftcore-check-") as name:
        folder = Path(name)
        files = tuple(str(Path(file).absolute()) for file in plugin_files)
        for number, verdict in enumerate(verdicts):
            text = MODULE.format(kind=verdict.kind, name=verdict.offer.qualified, files=files)
            (folder / f"test_{number}.py").write_text(text, encoding="utf-8")
        for case in _cases(folder):
            # `test_0.TestOffered`, or the module's own name where it could not be imported
            module = re.search(r"test_(\d+)", f"{case.get('classname')} {case.get('name')}")
            assert module is not None
            _add(case, verdicts[int(module[1])])
    return verdicts


def _cases(folder: Path) -> Iterator[ElementTree.Element]:
    """Each test's result as pytest writes it for other programs (JUnit's XML)."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    results = folder / "results.xml"
    # -P, and a configuration of its own: nothing is read from the working directory.
    command = [sys.executable, "-P", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
               "-c", folder / "pytest.ini",
               "--rootdir", folder, "--confcutdir", folder, f"--junitxml={results}", folder]  # fmt: skip
    env = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        list(map(str, command)),
        env={**env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if not results.is_file():
        said = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise PluginError("pytest ended without a result", value=f"exit code {done.returncode}", more=said)
    yield from ElementTree.parse(results).iter("testcase")  # noqa: S314  pytest wrote it just now


def _add(case: ElementTree.Element, verdict: Verdict) -> None:
    words = in_words(case.get("name", ""))
    for child in case:
        message = child.get("message", "")
        if child.tag == "skipped":
            verdict.left_out.append(Promise(words, message.removeprefix("left out: ")))
            return
        if child.tag in ("failure", "error"):
            text = child.text or ""
            verdict.broken.append(Promise(words, _reason(message, text), _line(verdict.offer.plugin, text)))
            return
    verdict.kept.append(words)


def in_words(name: str) -> str:
    """`test_rows_stream[False]` as `rows stream (False)`."""
    plain, bracket, parameters = name.rpartition(".")[2].removeprefix("test_").partition("[")
    if plain.isdigit():
        return "it can be tested"
    return plain.replace("_", " ") + (f" ({parameters.removesuffix(']')})" if bracket else "")


def _reason(message: str, text: str) -> str:
    """The line of a failure that says what is wrong, without the words of the test that found it."""
    raised = re.findall(r"^E +([\w.]+: .*)", text, re.M)  # without the places that errors of ftcore bring along
    first = next(iter(message.splitlines()), "")
    if first.startswith(("collection failure", "failed on setup", "failed on teardown")) and raised:
        first = raised[-1]
    return re.sub(r"^(AssertionError|Failed|ftcore\.errors\.\w+): ", "", first) or "it failed"


def _line(plugin: Plugin, text: str) -> str | None:
    """`file:line`, the innermost of a traceback that is the plugin's own."""
    own = _own_files(plugin)
    places = re.findall(r"^(?:E +)?(\S.*?\.py):(\d+)(?:: in |$)", text, re.M)
    found = [f"{path}:{line}" for path, line in places if own and Path(path).resolve().is_relative_to(own)]
    return found[-1] if found else None


def _own_files(plugin: Plugin) -> Path | None:
    """A plugin's package, or the one file that it is."""
    if plugin.is_file:
        return Path(plugin.module).resolve()
    found = importlib.util.find_spec(plugin.module.partition(":")[0].partition(".")[0])
    if found is None or found.origin is None:
        return None
    origin = Path(found.origin).resolve()
    return origin.parent if found.submodule_search_locations else origin
