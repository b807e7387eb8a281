"""A labelling project with pairs, and somebody at its page without a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import httpx2 as httpx
from starlette.testclient import TestClient

from ftcore.types import Turn
from ftcore_plugins.label.app import application
from ftcore_plugins.label.items import Answer, Item
from ftcore_plugins.label.project import Judgement, Project
from ftcore_plugins.label.security import Access

SITE = "http://127.0.0.1:8000"


def item(prompt: str, *answers: str, by: Sequence[str] = ()) -> Item:
    writers = [*by, *[""] * len(answers)]
    said = tuple(Answer((Turn("assistant", text),), writer) for text, writer in zip(answers, writers, strict=False))
    return Item((Turn("user", prompt),), said, f"rows.jsonl:{prompt}")


def pairs(count: int) -> list[Item]:
    return [item(f"question {n}", f"first {n}", f"second {n}", by=("red", "blue")) for n in range(count)]


def project(folder: Path, task: str = "pairs", items: Sequence[Item] = (), each: int | None = None) -> Project:
    made = Project.create(folder / "labels" / "mine.db", task, each)
    made.add(items)
    return made


def judged_project(path: Path) -> None:
    """Twelve pairs that Ada has judged, all alike."""
    with Project.create(path, "pairs") as mine:
        mine.add(pairs(12))
        judge = mine.judge_called("Ada")
        for number in range(1, 13):
            mine.store(Judgement(f"{number:032x}", number, judge, "first", {}))


class Page:
    """What the page shows to one judge, and the forms on it."""

    def __init__(self, project: Project, name: str = "Ada", access: Access | None = None) -> None:
        access = access or Access()
        client = TestClient(application(project, "mine", access), base_url=SITE, headers={"origin": SITE})
        self._enter(client, f"/?token={access.token}", name)

    @classmethod
    def at(cls, address: str, name: str) -> Page:
        """The page of a server that runs in a process of its own."""
        site, _, way = address.rpartition("/")
        page = cls.__new__(cls)
        client = httpx.Client(base_url=site, headers={"origin": site}, follow_redirects=True, timeout=60)
        page._enter(client, f"/{way}", name)
        return page

    def _enter(self, client: httpx.Client, way: str, name: str) -> None:
        self.client = client
        client.get(way)
        self.html = client.post("/enter", data={"name": name}).text

    def field(self, name: str) -> str:
        """The first hidden field of that name outside of the form that undoes."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.html.partition('<form id="undo"')[0])
        assert found, self.html
        return found[1]

    def form(self, **values: str) -> dict[str, str]:
        fields = {"id": self.field("id")} | ({"item": self.field("item")} if 'name="item"' in self.html else {})
        return fields | values

    def judge(self, **values: str) -> Any:
        return self.send("/judge", self.form(**values))

    def send(self, path: str, form: dict[str, str]) -> Any:
        answer = self.client.post(path, data=form)
        self.html = answer.text
        return answer

    def undo(self) -> Any:
        found = re.search(r'<form id="undo"[^>]*><input type="hidden" name="id" value="([^"]*)"', self.html)
        return self.send("/undo", {"id": found[1] if found else ""})

    def get(self, path: str = "/judge") -> str:
        self.html = self.client.get(path).text
        return self.html

    def texts(self) -> list[str]:
        """The prompt and the answers, as they are shown."""
        return [
            unescape(text) for text in re.findall(r'<div class="text" dir="auto">(.*?)</div>', self.html, re.DOTALL)
        ]

    def count(self) -> str:
        found = re.search(r'id="count">([^<]*)<', self.html)
        assert found, self.html
        return found[1]
