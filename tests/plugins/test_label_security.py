"""Other sites, other users and hostile rows get nothing out of the labelling page, and nothing in."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

import pytest

from ftcore_plugins.label.app import application
from ftcore_plugins.label.security import HEADERS, LARGEST, Access
from tests.conftest import Terminal, write_rows
from tests.plugins.label_page import SITE, Page, TestClient, item, pairs, project
from tests.plugins.label_server import labelling

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7919*7919}}\u202e\x1b[2J\ud800"


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(project(tmp_path, items=pairs(3)))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "[::1", "0.0.0.0"])
def test_a_foreign_host_is_refused(page: Page, host: str):
    for answer in (page.client.get("/judge", headers={"host": host}), page.client.get("/", headers={"host": host})):
        assert answer.status_code == 403
        assert "question" not in answer.text


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_served_under_each_of_its_names(page: Page, host: str):
    assert page.client.get("/page.css", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:9"])
def test_a_form_of_another_origin_is_refused(page: Page, origin: str):
    answer = page.client.post("/judge", data=page.form(choice="tie"), headers={"origin": origin})
    assert answer.status_code == 403
    assert page.get().count("0 of 3") == 1


def test_a_form_without_an_origin_and_other_methods_are_refused(page: Page):
    del page.client.headers["origin"]
    assert page.client.post("/judge", data=page.form(choice="tie")).status_code == 403
    assert page.client.put("/judge").status_code == 403
    page.client.headers["origin"] = SITE
    crossed = page.client.post("/judge", data=page.form(choice="tie"), headers={"sec-fetch-site": "cross-site"})
    assert crossed.status_code == 403


def test_without_the_token_nothing_is_shown(tmp_path: Path):
    with project(tmp_path, items=pairs(2)) as mine:
        access = Access()
        client = TestClient(application(mine, "mine", access), base_url=SITE, headers={"origin": SITE})
        for path in ("/", "/judge", "/overview", "/?token=", "/?token=wrong"):
            answer = client.get(path)
            assert answer.status_code == 403
            assert "mine" not in answer.text
        assert client.post("/enter", data={"name": "Eve"}).status_code == 403
        assert client.post("/judge", data={"id": "0" * 32, "item": "1", "choice": "tie"}).status_code == 403
        client.cookies.set(access.cookie, Access().seal(1))
        assert client.get("/judge").status_code == 403, "a cookie of another start"
        client.cookies.set(access.cookie, access.seal(1)[:-1])
        assert client.get("/judge").status_code == 403
        assert not mine.judges()


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_cannot_be_forged(tmp_path: Path):
    with project(tmp_path) as mine:
        access = Access(4711)
        client = TestClient(application(mine, "mine", access), base_url=SITE)
        cookie = client.get("/", params={"token": access.token}).headers["set-cookie"]
        assert cookie.startswith("ftcore-label-4711=")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
    said, _, signature = access.seal(1).rpartition(".")
    other = access.seal(2).rpartition(".")[0]
    assert access.unseal(f"{said}.{signature}") == {"judge": 1}
    assert access.unseal(f"{other}.{signature}") is None


def test_a_token_for_a_browsers_command_line_works_once():
    access = Access()
    token = access.once()
    assert access.admits(token)
    assert not access.admits(token)
    assert access.admits(access.token) is access.admits(access.token) is True


def test_every_answer_carries_the_headers(page: Page):
    paths = ["/", "/judge", "/overview", "/page.css", "/page.js", "/nothing"]
    answers = [page.client.get(path) for path in paths]
    answers += [page.client.get("/", headers={"host": "evil.example"}), page.judge(choice="tie")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "server" not in answer.headers
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("task", ["pairs", "answers", "rankings"])
def test_a_hostile_row_stays_text(tmp_path: Path, task: str):
    answers = [HOSTILE] if task == "answers" else [HOSTILE, "harmless"]
    with project(tmp_path, task, [item(HOSTILE, *answers)]) as mine:
        page = Page(mine, "<script>alert(2)</script>")
        for html in (page.html, page.get("/overview"), page.get("/")):
            assert re.findall(r"<script[^>]*>", html) == ['<script src="/page.js" defer>']
            assert "<img" not in html
            assert not re.search(r"<[^>]*\son\w+\s*=", html)
            assert not re.search(r"<[^>]*\sstyle\s*=", html), "the policy would not apply it"
            assert "62710561" not in html, "no template is filled in"
        assert "&lt;script&gt;alert(1)" in page.get("/judge?item=1")
        shown = page.html if task != "answers" else re.sub(r"(?s)<textarea.*?</textarea>", "", page.html)
        assert "\\u202e" in shown
        assert "\u202e" not in shown
        assert "\x1b" not in shown


def test_a_form_that_is_too_large_is_refused_before_it_is_read(page: Page):
    assert page.client.post("/judge", data=page.form(text="x" * LARGEST)).status_code == 413
    assert page.client.post("/judge", content=b"\xff").status_code == 413


def test_nobody_learns_from_the_page_who_wrote_an_answer(page: Page):
    html = page.get() + page.get("/overview")
    assert not re.search(r"\b(red|blue|chosen|rejected)\b", html)


def test_the_server_listens_here_alone_and_ends_at_ctrl_c(tmp_path: Path, shell: Terminal):
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    with labelling(tmp_path, "mine", "--data", rows) as address:
        port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", address).groups()
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().status == 200
        taken = shell("label", "mine", "--port", port)
        assert (taken.code, "try: --port 0" in taken.err) == (2, True)
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["mine.db"], "the write-ahead log is folded in"
