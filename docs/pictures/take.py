"""Takes the pictures of the labelling page: python docs/pictures/take.py. It needs Chromium and playwright."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser import browser  # noqa: E402
from tests.plugins.label_server import labelling  # noqa: E402

PAIRS = [
    (
        "Explain to a child why the sky is blue.",
        "Sunlight looks white, but it is made of all the colours of the rainbow. When it comes through the air, tiny "
        "bits of air bounce the blue light around much more than the red. So blue light reaches your eyes from every "
        "side, and the whole sky looks blue.",
        "The sky is blue because of Rayleigh scattering, whose cross-section is proportional to the inverse fourth "
        "power of the wavelength.",
    ),
    (
        "Write a short thank-you note to a neighbour who watered my plants.",
        "Dear Ms Okafor,\n\nthank you for looking after my plants. They have never looked greener, and I could enjoy "
        "my trip without a worry. I would love to do the same for you.\n\nKind regards,\nJo",
        "Thanks for the plants.",
    ),
    ("What is the capital of Australia?", "Canberra.", "Sydney is the capital of Australia."),
]
ANSWERS = [
    "Chop the onion finely, fry it in butter until it is soft, and add the rice.",
    "You can make risotto.",
    "Warm the stock first. Fry a chopped onion in butter, stir in the rice for a minute, then add the stock ladle by "
    "ladle until the rice is creamy. Finish with cheese.",
]


def rows() -> dict[str, list[dict[str, Any]]]:
    pairs = [{"prompt": asked, "chosen": good, "rejected": poor} for asked, good, poor in PAIRS * 4]
    for number, pair in enumerate(pairs[3:], start=2):
        pair["prompt"] += f" ({number})"  # the same row is not judged twice
    return {
        "pairs": pairs,
        "answers": [{"prompt": "How do I make risotto?", "completion": ANSWERS[0]}],
        "rankings": [{"prompt": "How do I make risotto?", "completions": ANSWERS}],
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name, browser() as chromium:
        for task, given in rows().items():
            path = Path(name) / f"{task}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
            with labelling(Path(name), f"my-{task}", "--data", path) as address:
                take(chromium, address, task)


def take(chromium: Any, address: str, task: str) -> None:
    heights = {"pairs": 510, "answers": 650, "rankings": 680}
    page = entered(chromium, address, "Ada", viewport={"width": 1000, "height": heights[task]})
    if task == "answers":
        page.keyboard.press("e")
    if task == "rankings":
        page.keyboard.press("1")
    shoot(page, task)
    if task == "pairs":
        dark = entered(chromium, address, "Bob", viewport={"width": 400, "height": 800}, color_scheme="dark")
        shoot(dark, "pairs-narrow-dark")
        for judge, keys in ((page, "aabtabba"), (dark, "aabtab")):
            for key in keys:
                judge.keyboard.press(key)
                judge.wait_for_load_state()
                judge.wait_for_selector("html[data-ready]", state="attached")
        page.set_viewport_size({"width": 1000, "height": 780})
        page.click("text=Overview")
        shoot(page, "overview")


def entered(chromium: Any, address: str, name: str, **profile: Any) -> Any:
    page = chromium.new_context(**profile).new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/judge")
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def shoot(page: Any, name: str) -> None:
    page.screenshot(path=Path(__file__).with_name(f"label-{name}.png"))


if __name__ == "__main__":
    main()
