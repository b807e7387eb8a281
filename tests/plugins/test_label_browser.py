"""The labelling page in a real Chromium, by keyboard: what people see, press and get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import browser
from tests.conftest import Terminal, write_rows
from tests.plugins.label_server import labelling

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


class Judge:
    """Somebody at the keyboard, in a browser profile of their own. Anything that the browser complains of is kept."""

    def __init__(self, chromium: Browser, address: str, name: str, **profile: Any) -> None:
        self.complaints: list[str] = []
        self.page: Page = chromium.new_context(**profile).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.goto(address)
        assert "token" not in self.page.url, "it stays neither in sight nor in the history"
        self.page.keyboard.type(name)  # the field has the focus
        self.settled()
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/judge")

    def settled(self) -> None:
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def press(self, *keys: str) -> None:
        """Press keys on a page that is ready for them."""
        self.settled()
        for key in keys:
            self.page.keyboard.press(key)

    def counts(self, text: str) -> None:
        self.page.wait_for_function("text => document.querySelector('#count')?.textContent === text", arg=text)

    def question(self) -> str:
        return self.page.inner_text(".question .text")

    def side_of(self, text: str) -> str:
        return "AB"[self.page.locator(".side .text").all_inner_texts().index(text)]

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def leave(self) -> None:
        assert self.complaints == []
        self.page.context.close()


KEYS = {"A": ("a", "1", "ArrowLeft", "A"), "B": ("b", "2", "ArrowRight", "B")}


def test_twenty_pairs_by_keyboard_undo_reload_a_second_judge_and_a_plan(
    chromium: Browser, ftcore: Terminal, tmp_path: Path, tiny: Path
):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    sides = [(f"good {n}", f"poor {n}")[:: 1 if n % 2 else -1] for n in range(20)]  # the file is wrong in every other
    rows = [{"prompt": f"question {n} {hostile}", "chosen": a, "rejected": b} for n, (a, b) in enumerate(sides)]
    with labelling(tmp_path, "mine", "--data", write_rows(tmp_path / "rows.jsonl", rows)) as address:
        ada = Judge(chromium, address, "Ada")
        for n in range(20):
            ada.counts(f"{n} of 20")
            assert ada.question() == f"question {n} {hostile}"
            ada.press(KEYS[ada.side_of(f"good {n}")][n % 4])
        ada.page.wait_for_selector("text=Nothing is left for you to judge")

        ada.press("u")
        ada.counts("19 of 20")
        ada.page.reload()
        assert ada.question().startswith("question 19")
        ada.press("s", "s")  # a key pressed twice in haste is one verdict
        ada.counts("20 of 20")
        ada.press("u")
        ada.counts("19 of 20")
        ada.press("b" if ada.side_of("good 19") == "B" else "a")
        ada.counts("20 of 20")

        bob = Judge(chromium, address, "Bob", viewport={"width": 400, "height": 800})
        assert bob.width() <= 400
        assert bob.page.locator("kbd").first.is_visible()
        for n in range(4):
            bob.counts(f"{n} of 20")
            bob.press("t" if n == 3 else bob.side_of(f"good {n}").lower())
        bob.counts("4 of 20")
        bob.page.click("text=Overview")
        assert "24 judgements" in bob.page.inner_text("main")
        assert bob.page.inner_text("#agreement") == "0.60"  # 3 of 4 alike; chance alone gives 3 of 8
        assert bob.width() <= 400
        ada.leave()
        bob.leave()

    assert ftcore("label", "export", "mine", "--out", "out.jsonl").code == 0
    exported = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["chosen"][0]["content"] for row in exported] == [f"good {n}" for n in range(20) if n != 3]
    plan = ftcore("plan", "--model", tiny, "--method", "lora", "--strategy", "dpo", "--data", "labels:mine")
    assert plan.code == 0, plan.err


def test_a_double_click_judges_one_item(chromium: Browser, tmp_path: Path):
    rows = [{"prompt": f"question {n}", "chosen": "good", "rejected": "poor"} for n in range(3)]
    with labelling(tmp_path, "mine", "--data", write_rows(tmp_path / "rows.jsonl", rows)) as address:
        ada = Judge(chromium, address, "Ada")
        ada.settled()
        box = ada.page.locator("text=Both bad").bounding_box()
        assert box
        for _ in range(4):
            ada.page.mouse.click(box["x"] + 5, box["y"] + 5)
        ada.counts("1 of 3")
        ada.leave()


def test_answers_rankings_and_rows_by_keyboard(chromium: Browser, ftcore: Terminal, tmp_path: Path):
    answers = write_rows(tmp_path / "a.jsonl", [{"prompt": f"q{n}", "completion": f"answer {n}"} for n in range(3)])
    with labelling(tmp_path, "answers", "--data", answers) as address:
        ada = Judge(chromium, address, "Ada")
        ada.press("g")
        ada.counts("1 of 3")
        ada.press("b")
        ada.counts("2 of 3")
        ada.press("e", "Control+End", "!", "Control+Enter")
        ada.counts("3 of 3")
        ada.leave()
    completions = [{"prompt": "q", "completions": ["x", "y", "z"]}]
    with labelling(tmp_path, "ranks", "--data", write_rows(tmp_path / "c.jsonl", completions)) as address:
        ada = Judge(chromium, address, "Ada")
        shown = ada.page.locator(".side .text").all_inner_texts()
        ada.press("3", "0", "2", "3", "1", "Enter")
        ada.counts("1 of 1")
        ada.leave()
    with labelling(tmp_path, "rows", "--task", "rows") as address:
        ada = Judge(chromium, address, "Ada")
        ada.page.wait_for_function("document.activeElement.matches('textarea, input')")
        for text in ("Say hi", "", "Hi!"):
            ada.page.keyboard.type(text)
            ada.press("Control+Enter" if text == "Hi!" else "Tab")
        ada.counts("1 row written")
        ada.leave()
    made = {}
    for name in ("answers", "ranks", "rows"):
        ftcore("label", "export", name, "--raw", "--out", f"{name}.out")
        made[name] = [json.loads(line) for line in (tmp_path / f"{name}.out").read_text().splitlines()]
    assert [each["choice"] for each in made["answers"]] == ["good", "bad", "edited"]
    assert made["answers"][2]["detail"] == {"text": "answer 2!"}
    places = dict(zip("xyz", made["ranks"][0]["detail"]["places"], strict=True))
    assert places == {shown[1]: 1, shown[2]: 2, shown[0]: 3}
    assert made["rows"][0]["detail"] == {"instruction": "Say hi", "input": "", "output": "Hi!"}
