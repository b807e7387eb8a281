"""The pages as an application: who are you, judge this, take it back, how far are we.

Every page is a plain form, so that it works without the script; the script brings the keys. A form carries the id of
the judgement that it will become, drawn when the page was made.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ftcore_plugins.html.templates import template
from ftcore_plugins.label.agreement import agreement
from ftcore_plugins.label.decisions import USUAL
from ftcore_plugins.label.items import Item, order
from ftcore_plugins.label.project import Judge, Judgement, Project
from ftcore_plugins.label.security import Access, Guard, form_of
from ftcore_plugins.label.verdicts import LETTERS, verdict

SAID = {
    "taken": "You had judged that item already, on another page. Undo goes back to it.",
    "gone": "There was nothing to undo.",
}
"""What the page says after a redirect; anything else in the address is not shown."""

STRATEGIES = {"preferences": "dpo", "feedback": "kto", "answers": "sft"}

Values = Mapping[str, str]


@cache
def page(name: str) -> Any:
    return template("ftcore_plugins.label", f"pages/{name}.html.j2")


def application(project: Project, name: str, access: Access) -> Starlette:
    """The application for one project, which people come to know as `name`."""
    pages = Pages(project, name)

    def for_judges(handle: Callable[[Judge, Values], Response]) -> Callable[[Request], Any]:
        """A page for those who have entered and said their name. It reads the database, so it has a thread."""

        async def answer(request: Request) -> Response:
            session = access.unseal(request.cookies.get(access.cookie, ""))
            if session is None:
                return _html("refused", 403)
            values = request.query_params if request.method == "GET" else await form_of(request)
            if values is None:
                return _html("refused", 413)
            judge = await run_in_threadpool(pages.judge, session["judge"])
            if judge is None:
                return RedirectResponse("/", 303)
            return await run_in_threadpool(handle, judge, values)

        return answer

    async def door(request: Request) -> Response:
        """The first page. It is shown, not redirected to: on the way from another program a strict cookie is not sent
        along with a redirect."""
        session = access.unseal(request.cookies.get(access.cookie, ""))
        token = request.query_params.get("token")
        if session is None and not (token and access.admits(token)):
            return _html("refused", 403)
        if session is not None and session["judge"] is not None and token is None:
            return RedirectResponse("/judge", 303)
        shown = await run_in_threadpool(pages.door, (session or {}).get("judge"))
        return shown if session else _with_cookie(shown, access, None)

    async def enter(request: Request) -> Response:
        if access.unseal(request.cookies.get(access.cookie, "")) is None:
            return _html("refused", 403)
        typed = " ".join(((await form_of(request)) or {}).get("name", "").split())
        if not 0 < len(typed) <= 40:
            return await run_in_threadpool(pages.door, None, "A name has 1 to 40 characters.")
        judge = await run_in_threadpool(project.judge_called, typed)
        return _with_cookie(RedirectResponse("/judge", 303), access, judge)

    routes = [
        Route("/", door),
        Route("/enter", enter, methods=["POST"]),
        Route("/judge", for_judges(pages.show)),
        Route("/judge", for_judges(pages.store), methods=["POST"]),
        Route("/undo", for_judges(pages.undo), methods=["POST"]),
        Route("/overview", for_judges(pages.overview)),
        Route("/page.css", _static("text/css", _style())),
        Route("/page.js", _static("text/javascript", _file("page.js"))),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard)])


class Pages:
    """What each page shows and does. Nothing here tells a judge who wrote an answer."""

    def __init__(self, project: Project, name: str) -> None:
        self.project, self.name = project, name
        self.task, self.seed = project.task, project.fact("seed")

    def judge(self, number: int | None) -> Judge | None:
        return None if number is None else self.project.judge(number)

    def door(self, number: int | None, problem: str = "") -> Response:
        judges = self.project.judges()
        return self._page("door", self.judge(number), judges=judges, problem=problem, status=422 if problem else 200)

    def show(self, judge: Judge, values: Values, problem: str = "", status: int = 200) -> Response:
        """The item that was asked for, if it is there, or the next one."""
        if self.task == "rows":
            return self._page("rows", judge, values=values, problem=problem, status=status)
        asked = values.get("item", "")
        number = int(asked) if re.fullmatch(r"\d{1,12}", asked) else self.project.next_for(judge.id)
        item = self.project.item(number) if number is not None else None
        if number is None or item is None:
            return self._page("done", judge)
        shown = order(self.seed, judge.id, number, len(item.answers))
        answers = [(LETTERS[place], item.answers[answer].turns) for place, answer in enumerate(shown)]
        text = values.get("text", item.answers[0].text if item.answers else "")
        return self._page(
            self.task, judge, number=number, item=item, answers=answers, text=as_typed(text), values=values,
            problem=problem, status=status, said=SAID.get(values.get("said", ""), ""),
        )  # fmt: skip

    def store(self, judge: Judge, form: Values) -> Response:
        """One judgement, whose id makes a second arrival of the same form harmless."""
        identity, asked = form.get("id", ""), form.get("item", "")
        if not re.fullmatch(r"[0-9a-f]{32}", identity):
            return self.show(judge, {}, "The form was incomplete; nothing was stored.", 422)
        number = int(asked) if re.fullmatch(r"\d{1,12}", asked) and self.task != "rows" else None
        item = self.project.item(number) if number is not None else None
        if item is None and self.task != "rows":
            return self.show(judge, {}, "There is no such item; nothing was stored.", 422)
        try:
            choice, detail = verdict(self.task, item, self._shown(judge, number, item), form)
        except ValueError as error:
            return self.show(judge, form, f"Not stored: {error}.", 422)
        outcome = self.project.store(Judgement(identity, number, judge.id, choice, detail))
        return RedirectResponse("/judge?said=taken" if outcome == "taken" else "/judge", 303)

    def undo(self, judge: Judge, form: Values) -> Response:
        undone = self.project.undo(judge.id, form.get("id", ""))
        if undone is None:
            return RedirectResponse("/judge?said=gone", 303)
        if undone.item is None:
            now = self.project.judge(judge.id) or judge
            return self.show(now, undone.detail)  # what was written comes back into the form
        return RedirectResponse(f"/judge?item={undone.item}", 303)

    def overview(self, judge: Judge, _: Values) -> Response:
        judgements = self.project.judgements()
        gives = USUAL[self.task]
        return self._page(
            "overview", judge, judges=self.project.judges(), found=agreement(self.task, judgements),
            judged=len({each.item for each in judgements if each.item is not None}), judgements=len(judgements),
            strategy=STRATEGIES[gives],
        )  # fmt: skip

    def _shown(self, judge: Judge, number: int | None, item: Item | None) -> list[int]:
        return [] if item is None or number is None else order(self.seed, judge.id, number, len(item.answers))

    def _page(self, name: str, judge: Judge | None, status: int = 200, **values: Any) -> Response:
        shared = {
            "name": self.name, "task": self.task, "judge": judge, "size": self.project.size(),
            "last": self.project.last(judge.id) if judge else None, "fresh": secrets.token_hex(16), "typed": as_typed,
        }  # fmt: skip
        return HTMLResponse(page(name).render({"said": "", "problem": ""} | shared | values), status)


def as_typed(text: str) -> Markup:
    """Text for a box in which it is edited: escaped, and nothing else changed. A box swallows its first line end."""
    return Markup("\n") + escape(text.encode("utf-8", "replace").decode())


def _html(name: str, status: int) -> Response:
    return HTMLResponse(page(name).render(name="", judge=None, said="", problem="", last=None, size=0), status)


def _with_cookie(response: Response, access: Access, judge: int | None) -> Response:
    response.set_cookie(access.cookie, access.seal(judge), httponly=True, samesite="strict", path="/")
    return response


def _static(kind: str, text: str) -> Callable[[Request], Any]:
    async def answer(_: Request) -> Response:
        return Response(text, media_type=kind)

    return answer


def _file(name: str) -> str:
    return (files("ftcore_plugins.label") / "pages" / name).read_text("utf-8")


def _style() -> str:
    """The look of all pages of ftcore, and what only these have."""
    return (files("ftcore_plugins.html") / "page.css").read_text("utf-8") + _file("page.css")
