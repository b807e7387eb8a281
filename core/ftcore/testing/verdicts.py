"""Runs the contracts of named components with pytest, in a process of its own, and says which promises are kept.

It imports neither pytest nor a contract itself, so that a command may ask whether pytest is there.
"""

from __future__ import annotations

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
from ftcore.manager import Offer

MODULE = "from ftcore.testing.offered import contract\n\nTestOffered = contract({kind!r}, {name!r}, {files!r})\n"


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise in plain words, and why it is broken or was left out."""

    words: str
    why: str


@dataclass(slots=True)
class Verdict:
    """What came of one component's contract."""

    kind: str
    offer: Offer
    kept: list[str] = field(default_factory=list)
    broken: list[Promise] = field(default_factory=list)
    left_out: list[Promise] = field(default_factory=list)

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
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", folder / "pytest.ini",
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
            verdict.broken.append(Promise(words, _reason(message, child.text or "")))
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
    raised = [line.removeprefix("E").strip() for line in text.splitlines() if line.startswith("E  ")]
    first = next(iter(message.splitlines()), "")
    if first.startswith(("collection failure", "failed on setup", "failed on teardown")) and raised:
        first = raised[-1]
    return re.sub(r"^(AssertionError|Failed): ", "", first) or "it failed"
