"""The reader of the documentation notices what it should, or the tests of the pages would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Result
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.reader import compare

CAME = Result(0, "one\ntwo 2.5 %\n\nthree\n", "")


def shown(text: str, directive: str = "") -> Block:
    return Block(ROOT / "page.md", 1, "text", None, directive, "bash", text.split("\n"))


@pytest.mark.parametrize(
    "text", ["one\ntwo 2.5 %\n\nthree", "one\n…\nthree", "…\nthree", "one\n…", "o…\nt… %\n\nthree"]
)
def test_what_came_out_may_be_shown(text: str):
    compare(shown(text), CAME)


@pytest.mark.parametrize("text", ["one\nthree", "two 2.5 %\n…", "one\ntwo 2.5 %", "…\nfour", "three\n…\none\n…"])
def test_what_did_not_come_out_may_not(text: str):
    with pytest.raises(AssertionError, match=r"did not come|more came"):
        compare(shown(text), CAME)


def test_numbers_may_vary_and_words_may_not():
    compare(shown("one\ntwo 1,000.25 %\n…", "numbers vary"), CAME)
    with pytest.raises(AssertionError):
        compare(shown("one\ntoo 1,000.25 %\n…", "numbers vary"), CAME)


def test_blocks_know_their_title_their_directive_and_what_they_follow(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text.\n\n<!-- test: exit 2 -->\n```bash\nftcore plan \\\n  --data x.csv  # why\n```\n\n```text\nout\n```\n\n"
        'More.\n\n```csv title="x.csv"\na,b\n```\n',
        encoding="utf-8",
    )
    typed, out, file = blocks(page)
    assert (typed.directive, list(typed.commands())) == ("exit 2", [["ftcore", "plan", "--data", "x.csv"]])
    assert (out.follows, out.directive, out.text) == ("bash", "", "out\n")
    assert (file.title, file.follows) == ("x.csv", "")
