"""The labelling page, without a browser: what people say is stored once, and never lost."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import pytest

from ftcore_plugins.label.project import Project
from ftcore_plugins.label.security import Access
from tests.plugins.label_page import Page, item, pairs, project


def choices(project: Project) -> list[str]:
    return [each.choice for each in project.judgements()]


def letter_of(page: Page, text: str) -> str:
    return "AB"[page.texts().index(text) - 1]


def test_a_verdict_is_stored_in_the_order_of_the_file_whatever_order_was_shown(tmp_path: Path):
    with project(tmp_path, items=pairs(8)) as mine:
        page = Page(mine)
        letters = []
        for n in range(8):
            letters.append(letter_of(page, f"first {n}"))
            page.judge(choice=letters[-1])
        assert choices(mine) == ["first"] * 8
        assert set(letters) == {"A", "B"}
        assert "Nothing is left" in page.html


def test_the_order_is_the_judges_own_and_stays(tmp_path: Path):
    with project(tmp_path, items=pairs(8)) as mine:
        ada, bob = Page(mine, "Ada"), Page(mine, "Bob")
        orders = {name: [] for name in ("Ada", "again", "Bob")}
        for n in range(1, 9):
            for name, page in (("Ada", ada), ("again", ada), ("Bob", bob)):
                page.get(f"/judge?item={n}")
                orders[name].append(page.texts()[1])
        assert orders["Ada"] == orders["again"] != orders["Bob"]


def test_a_form_that_comes_twice_is_one_judgement(tmp_path: Path):
    with project(tmp_path, items=pairs(3)) as mine:
        page = Page(mine)
        form = page.form(choice="tie")
        page.send("/judge", form)
        page.send("/judge", form | {"choice": "A"})
        assert choices(mine) == ["tie"]
        assert page.count() == "1 of 3"


def test_an_item_judged_on_another_page_is_not_judged_twice(tmp_path: Path):
    with project(tmp_path, items=pairs(3)) as mine:
        page = Page(mine)
        stale = page.form(choice="bad")
        page.get()
        page.judge(choice="tie")
        page.send("/judge", stale)
        assert choices(mine) == ["tie"]
        assert "You had judged that item already" in page.html


def test_undo_goes_back_one_by_one_and_a_second_click_undoes_no_more(tmp_path: Path):
    with project(tmp_path, items=pairs(3)) as mine:
        page = Page(mine)
        page.judge(choice="tie")
        page.judge(choice="bad")
        last = mine.last(1)
        assert last
        page.undo()
        assert page.texts()[0] == "question 1"
        page.send("/undo", {"id": last.id})
        assert "nothing to undo" in page.html
        assert choices(mine) == ["tie"]
        page.judge(choice="skip")
        assert choices(mine) == ["tie", "skip"]
        assert page.texts()[0] == "question 2"


def test_a_judge_cannot_undo_what_another_said(tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        Page(mine, "Ada").judge(choice="tie")
        said = mine.last(1)
        assert said
        Page(mine, "Bob").send("/undo", {"id": said.id})
        assert choices(mine) == ["tie"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"choice": "C"}, "choose one of the buttons"),
        ({"choice": "tie", "id": "x"}, "The form was incomplete"),
        ({"choice": "tie", "item": "99"}, "There is no such item"),
    ],
)
def test_a_form_that_makes_no_sense_stores_nothing(tmp_path: Path, form: dict[str, str], said: str):
    with project(tmp_path, items=pairs(2)) as mine:
        page = Page(mine)
        answer = page.judge(**form)
        assert answer.status_code == 422
        assert said in answer.text
        assert choices(mine) == []


def test_an_answer_is_edited_as_it_was_typed(tmp_path: Path):
    text = "line one\n  line two\nsoft\xadhyphen & <b>"
    with project(tmp_path, "answers", [item("q", text), item("nobody answered yet")]) as mine:
        page = Page(mine)
        assert "<textarea" in page.html
        assert f'dir="auto">\n{text.replace("&", "&amp;").replace("<b>", "&lt;b&gt;")}</textarea>' in page.html
        assert page.judge(choice="edited", text=text.replace("\n", "\r\n")).status_code == 422
        page.judge(choice="edited", text="better\r\nnow")
        assert page.judge(choice="good").status_code == 422, "there is no answer to call good"
        page.judge(choice="edited", text="an answer")
        assert [each.detail for each in mine.judgements()] == [{"text": "better\nnow"}, {"text": "an answer"}]


def test_a_ranking_needs_a_place_for_each_and_keeps_what_was_chosen(tmp_path: Path):
    with project(tmp_path, "rankings", [item("q", "x", "y", "z")]) as mine:
        page = Page(mine)
        shown = page.texts()[1:]
        page.judge(choice="ranked", **{"place-0": "2", "place-1": "", "place-2": "1"})
        assert "give every answer a place" in page.html
        assert page.html.count(" selected") == 2
        page.judge(choice="ranked", **{"place-0": "3", "place-1": "3", "place-2": "1"})
        places = dict(zip("xyz", mine.judgements()[0].detail["places"], strict=True))
        assert places == {shown[0]: 2, shown[1]: 2, shown[2]: 1}


def test_rows_are_written_by_hand_and_undo_brings_the_words_back(tmp_path: Path):
    with project(tmp_path, "rows") as mine:
        page = Page(mine)
        assert page.judge(instruction="Say hi", input="", output=" ").status_code == 422
        assert "Say hi" in page.html
        page.judge(instruction="Say hi", input="", output="Hi!")
        assert page.count() == "1 row written"
        page.undo()
        assert "Hi!" in page.html
        assert page.count() == "0 rows written"
        page.judge(instruction="Say hi", input="loudly", output="HI!")
        assert [each.detail["output"] for each in mine.judgements()] == ["HI!"]


def test_a_name_is_one_judge_whatever_its_capitals_and_nobody_is_nameless(tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        Page(mine, "Ada").judge(choice="tie")
        page = Page(mine, "  ada ")
        assert page.count() == "1 of 2"
        for name in (" ", "x" * 41):
            assert page.client.post("/enter", data={"name": name}).status_code == 422
        assert [judge.name for judge in mine.judges()] == ["Ada"]


def test_two_judges_at_once_lose_nothing(tmp_path: Path):
    """Each with a connection of their own to the file, as two servers have, and each form sent twice."""
    count = 20
    project(tmp_path, items=pairs(count)).close()
    path, failures = tmp_path / "labels" / "mine.db", []

    def judge(name: str) -> None:
        try:
            with Project.open(path) as mine:
                page = Page(mine, name)
                for _ in range(count):
                    form = page.form(choice=letter_of(page, page.texts()[0].replace("question", "first")))
                    page.send("/judge", form)
                    page.send("/judge", form)
        except Exception as error:
            failures.append(error)

    judges = [threading.Thread(target=judge, args=(name,)) for name in ("Ada", "Bob")]
    for thread in judges:
        thread.start()
    for thread in judges:
        thread.join()
    assert not failures
    with Project.open(path) as mine:
        assert choices(mine) == ["first"] * 2 * count
        assert {judge.name: judge.judged for judge in mine.judges()} == {"Ada": count, "Bob": count}


def test_two_judges_on_one_server_lose_nothing(tmp_path: Path):
    with project(tmp_path, items=pairs(15)) as mine:
        access = Access()
        pages = [Page(mine, name, access) for name in ("Ada", "Bob")]

        def judge(page: Page) -> None:
            for _ in range(15):
                page.judge(choice="bad")

        threads = [threading.Thread(target=judge, args=(page,)) for page in pages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [judge.judged for judge in mine.judges()] == [15, 15]


def test_items_that_need_one_judgement_each_are_shared_out(tmp_path: Path):
    """But for the last ones, which both may be looking at."""
    with project(tmp_path, items=pairs(20), each=1) as mine:
        pages = [Page(mine, name) for name in ("Ada", "Bob")]
        for _ in range(8):
            for page in pages:
                page.judge(choice="tie")
        assert len({each.item for each in mine.judgements()}) == 16
        while 'name="item"' in pages[0].html:
            pages[0].judge(choice="tie")
        assert len({each.item for each in mine.judgements()}) == 20
        assert "Nothing is left" in pages[1].get()


def test_a_judgement_is_on_disk_when_it_is_answered(tmp_path: Path):
    """A second reader sees it while the server's connection is still open, and so would one after a crash."""
    with project(tmp_path, items=pairs(2)) as mine:
        Page(mine).judge(choice="tie")
        with Project.open(mine.path) as reader:
            assert choices(reader) == ["tie"]
            assert reader._one("PRAGMA journal_mode")[0] == "wal"
            assert reader._one("PRAGMA synchronous")[0] == 2, "FULL: a power cut loses nothing either"


def test_ten_thousand_items_stay_quick(tmp_path: Path):
    """A judgement with the page that follows takes less than 100 ms at the server, early on and near the end."""
    with project(tmp_path, items=pairs(10_000)) as mine:
        page = Page(mine)
        columns = "id, item, judge, choice, detail, made"
        with mine._writing() as db:
            rows = [(f"{n:032x}", n, 1, "tie", "{}", "") for n in range(30, 9_900)]
            db.executemany(f"INSERT INTO judgements ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)
        seconds = []
        for _ in range(60):
            form = page.form(choice="A")
            began = time.perf_counter()
            page.send("/judge", form)
            seconds.append(time.perf_counter() - began)
        assert page.count() == "9,930 of 10,000"
        print(f"median {1000 * statistics.median(seconds):.1f} ms, largest {1000 * max(seconds):.1f} ms")
        assert statistics.median(seconds) < 0.1
