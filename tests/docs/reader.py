"""A reader who types what a page says, top to bottom, in an empty folder, and compares what comes out.

Fast, the reader has a tiny random model instead of the demo's and little patience: FAST is added to commands that do
not say it themselves. Outputs that only the demo's model gives are compared by the tests marked `real`.
"""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Result, Terminal
from tests.docs.pages import DOCS, ROOT, Block, blocks

FAST = {
    "run": {"--model": "TINY", "--train.steps": "2", "--evaluate.generate": "1"},
    "plan": {"--model": "TINY"},
    "data": {"--model": "TINY"},
    "init": {"--model": "TINY"},
    "compare": {"--model": "TINY", "--train.steps": "2", "--evaluate.generate": "1"},
    "rlhf": {"--model": "TINY"},
}

SHELL = ("cat", "ls", "head")

NOT_RUN = {
    "ftcore run --method qlora": "run by the demo test",
    "ftcore compare --methods lora,adapter,full": "How-to: compare methods",
    "ftcore rlhf": "takes a quarter of an hour",
    "ftcore plugins check --plugin norms.py": "Tutorial: your first method plugin",
    "ftcore resume runs/first": "README lists commands; there is nothing to resume here. How-to: continue",
    "python benchmarks/methods.py OUT --data alpaca_llms_from_scratch_800.json --steps 8": "takes minutes",
    "python benchmarks/methods.py OUT --data gsm8k_train_head2000.jsonl --steps 5": "takes minutes",
    "ftcore compare --methods lora,qlora,adapter,ia3,prompt-tuning,prefix-tuning,ln-tuning,freeze,full --data "
    "alpaca_llms_from_scratch_800.json --train.steps 20 --train.max_length 512 --evaluate.holdout 32 "
    "--evaluate.generate 0 --out runs/bake-off": "takes a quarter of an hour",
    "ftcore compare --methods vera,adalora,oft,boft,loha,lokr,hra,fourierft,randlora,c3a,miss,vblora,shira,road,delora,"
    "gralora,hira,p-tuning,adaption-prompt,lisa --data alpaca_llms_from_scratch_800.json --train.steps 10 "
    "--train.batch_size 4 --train.max_length 192 --evaluate.holdout 12 --evaluate.generate 0 --out runs/rest": "takes "
    "a quarter of an hour",
    "ftcore run --strategy dpo --method lora --data alpaca_style_pairs_800.json --evaluate.holdout 64 "
    "--train.batch_size 4 --train.micro_batch_size 1 --train.steps 60 --train.learning_rate 5e-4": "takes minutes",
    "python benchmarks/learning_rates.py OUT --data alpaca_llms_from_scratch_800.json --steps 10 --most 3 --methods "
    "ia3,adapter": "takes minutes",
    "source .venv/bin/activate": "the test has an environment",
    "python3 -m venv .venv": "the test has an environment",
    ".venv/bin/pip install -c constraints.txt -e .[report]": "the test has an environment",
}
"""Commands that are not typed, and why."""

INTERRUPT = """\
import os, signal
from ftcore import hookimpl

@hookimpl
def ftcore_after_step(event):
    if event.step == 2:
        os.kill(os.getpid(), signal.SIGINT)
"""


@dataclass
class Reader:
    """Types into `ftcore`, in `folder`. `tiny` None means that commands are typed exactly as written."""

    ftcore: Terminal
    folder: Path
    tiny: Path | None
    compares: bool
    _result: Result | None = None

    def read(self, page: Path) -> None:
        for block in blocks(page):
            if block.language == "bash":
                self._type(block)
            elif block.title:
                write(block, self.folder)
            elif block.directive.startswith(("at the end of ", "in ")):
                change(block, self.folder)
            elif block.language == "text" and block.follows == "bash" and self.compares and self._result:
                compare(block, self._result)

    def _type(self, block: Block) -> None:
        self._result = None
        if block.directive.startswith("not run: "):
            return
        wanted = int(block.directive.removeprefix("exit ")) if block.directive.startswith("exit ") else 0
        wanted = 130 if block.directive == "interrupt" else wanted
        for words in block.commands():
            if " ".join(words) in NOT_RUN:
                continue
            result = self._one(words, block)
            said = f"{block.where}: {' '.join(words)}\n{result.out}\n{result.err}"
            assert result.code == wanted, f"ended with {result.code}, not {wanted}\n{said}"
            self._result = result

    def _one(self, words: Sequence[str], block: Block) -> Result:
        if words[0] == "ftcore":
            return self._ftcore(words[1:], block.directive == "interrupt")
        if words[0] == "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            return Result(0 if set(words[1:]) <= set(targets) else 2, "", "there is no such target")
        if words[:2] == ["python", "-c"]:
            exec(words[2], {})
            return Result(0, "", "")
        if words[0] == "python":
            runpy.run_path(str(self.folder / words[1]), run_name="__main__")
            return Result(0, "", "")
        assert words[0] in SHELL, f"{block.where}: {words[0]} is neither ftcore nor listed"
        return self._process(words)

    def _process(self, words: Sequence[str]) -> Result:
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def _ftcore(self, words: Sequence[str], interrupt: bool) -> Result:
        target, words = _redirected(words)
        more = list(self._additions(words)) if self.tiny else []
        plugin = self.folder / "press_ctrl_c.py"
        if interrupt:
            plugin.write_text(INTERRUPT, encoding="utf-8")
            more += ["--train.steps", "4", "--plugin", str(plugin)]
        result = self.ftcore(*words, *more)
        unseen = f" --plugin {plugin}"  # the reader pressed a key
        result = Result(result.code, result.out.replace(unseen, ""), result.err.replace(unseen, ""))
        if target:
            (self.folder / target).write_text(result.out, encoding="utf-8")
        return result

    def _additions(self, words: Sequence[str]) -> Iterable[str]:
        command = next((word for word in words if not word.startswith("-") and not word.endswith(".py")), "")
        if command == "compare" and "--methods" not in words:
            return  # finished runs are compared: there is nothing to choose
        if command == "rlhf" and not any(word.endswith(".yaml") for word in words):
            return  # it goes on as it was begun
        for option, value in FAST.get(command, {}).items():
            if option not in words:
                yield from (option, str(self.tiny) if value == "TINY" else value)


def write(block: Block, folder: Path) -> None:
    """A file that a page shows, under its title."""
    assert block.title
    path = folder / block.title
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def change(block: Block, folder: Path) -> None:
    """A file of the page as somebody leaves it who does what the block shows."""
    added = re.fullmatch(r"at the end of (\S+)", block.directive)
    changed = re.fullmatch(r"in (\S+), (\S+) becomes (\S+)", block.directive)
    assert added or changed, block.where
    path = folder / (added or changed)[1]  # type: ignore[index]
    text = path.read_text(encoding="utf-8")
    if added:
        text += "\n" + block.text
    elif changed:
        text = text.replace(changed[2], changed[3])
        assert all(line.strip() in text for line in block.lines), f"{block.where}: the change gives something else"
    path.write_text(text, encoding="utf-8")


def _redirected(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    if len(words) > 2 and words[-2] == ">":
        return words[-1], words[:-2]
    return None, words


def compare_with_the_tutorial(result: Result) -> None:
    """What `ftcore run --method qlora` showed is what the tutorial says that it shows."""
    found = [block for block in blocks(DOCS / "tutorial" / "first-run.md") if "shown by the demo" in block.directive]
    assert found
    for block in found:
        compare(block, Result(result.code, "", result.err))


def compare(block: Block, result: Result) -> None:
    """Every line shown came out, in this order. `…` stands for anything within a line; alone, for any lines.

    The last line shown is the last that came out, unless `…` follows.
    """
    came = [line.rstrip() for line in (result.out + result.err).rstrip().splitlines()]
    at, may_skip = 0, False
    for number, line in enumerate(block.lines, start=block.line + 1):
        if line.strip() == "…":
            may_skip = True
            continue
        pattern = ".*".join(map(re.escape, line.rstrip().split("…")))
        if "numbers vary" in block.directive:
            pattern = re.sub(r"\d[\d,]*(\\\.\d+)?", r"[\\d.,e−-]+", pattern)
        ahead = [i for i in range(at, len(came)) if re.fullmatch(pattern, came[i])]
        there = bool(ahead) and (may_skip or ahead[0] == at)
        assert there, f"{block.page.name}:{number}: {line!r} did not come next in\n" + "\n".join(came)
        at, may_skip = ahead[0] + 1, False
    assert may_skip or at == len(came), f"{block.where}: more came out than is shown\n" + "\n".join(came)
