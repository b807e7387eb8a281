"""A project: one SQLite file with what is to be judged and what was. Whatever is answered is on disk before it is.

Several people, and several processes, may use one file at once. What a judgement means is not known here.
"""

from __future__ import annotations

import datetime
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.errors import DataError, UsageError
from ftcore_plugins.label.items import Answer, Item, messages, turns_from

APPLICATION, VERSION = 0x66744C62, 1  # "ftLb", written into the file, so that no other database is taken for one

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE items (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
  prompt TEXT NOT NULL, answers TEXT NOT NULL, tools TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE judges (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE);
CREATE TABLE judgements (
  id TEXT PRIMARY KEY, item INTEGER REFERENCES items, judge INTEGER NOT NULL REFERENCES judges,
  choice TEXT NOT NULL, detail TEXT NOT NULL, made TEXT NOT NULL, undone TEXT);
CREATE UNIQUE INDEX one_each ON judgements (judge, item) WHERE undone IS NULL;
CREATE INDEX of_judge ON judgements (judge) WHERE undone IS NULL;
CREATE INDEX of_item ON judgements (item) WHERE undone IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody said about an item; rows written by hand have none. `id` is drawn when the page is shown, so that
    one form is one judgement however often it is sent."""

    id: str
    item: int | None
    judge: int
    choice: str
    detail: dict[str, Any]
    made: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    id: int
    name: str
    judged: int


class Project:
    """An open project.

    >>> with Project.open(Path("labels/my-project.db")) as project:
    ...     project.judges()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA synchronous = FULL")  # a judgement that was answered survives a power cut

    @classmethod
    def create(cls, path: Path, task: str, each: int | None = None) -> Project:
        """A new project. `each` is how many judgements an item needs; None lets everybody judge everything."""
        path.parent.mkdir(parents=True, exist_ok=True)
        project = cls(path)
        facts = {"task": task, "each": str(each or 0), "seed": secrets.token_hex(8)}
        with project._writing() as db:
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        project._db.execute("PRAGMA journal_mode = WAL")  # from here on; the marks above stand in the file itself
        return project

    @classmethod
    def open(cls, path: Path) -> Project:
        """Raises UsageError when there is no such project, DataError for a file that is none."""
        if not path.is_file():
            raise missing(path)
        found = _marks(path)
        if found != (APPLICATION, VERSION):
            newer = found[0] == APPLICATION
            raise DataError(
                "the project was made by another version of ftcore" if newer else "this is no labelling project",
                where=str(path),
                fix="pip install --upgrade ftcore" if newer else "ftcore label list",
            )
        return cls(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(query, values).fetchone()

    # What it is about ------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> str:
        return str(self._one("SELECT value FROM facts WHERE name = ?", name)[0])

    def note(self, name: str, value: str) -> None:
        """Keep what another program needs to know of a project; `found` gives it back."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def found(self, name: str) -> str | None:
        found = self._one("SELECT value FROM facts WHERE name = ?", name)
        return str(found[0]) if found else None

    @property
    def task(self) -> str:
        return self.fact("task")

    def add(self, items: Iterable[Item]) -> tuple[int, int]:
        """How many items were new, and how many were there already. All are added or, if reading fails, none."""
        new = known = 0
        with self._writing() as db:
            for item in items:
                answers = [{"by": answer.by, "turns": messages(answer.turns)} for answer in item.answers]
                where = item.where.encode("utf-8", "backslashreplace").decode()  # as a file's name may need
                values = (item.key(), _json(messages(item.prompt)), _json(answers), _json(item.tools), where)
                columns = "key, prompt, answers, tools, source"
                added = db.execute(f"INSERT OR IGNORE INTO items ({columns}) VALUES (?, ?, ?, ?, ?)", values).rowcount  # noqa: S608
                new, known = new + added, known + 1 - added
        return new, known

    def size(self) -> int:
        return int(self._one("SELECT COUNT(*) FROM items")[0])

    def item(self, number: int) -> Item | None:
        found = self._one("SELECT prompt, answers, tools, source FROM items WHERE id = ?", number)
        return _item(*found) if found else None

    def items(self) -> Iterator[tuple[int, Item]]:
        for number, *columns in self._all("SELECT id, prompt, answers, tools, source FROM items ORDER BY id"):
            yield number, _item(*columns)

    # Judges ----------------------------------------------------------------------------------------------------------

    def judge_called(self, name: str) -> int:
        """The number of a judge, who is entered at the first time. Capitals make no difference."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO judges (name) VALUES (?)", (name,))
            return int(db.execute("SELECT id FROM judges WHERE name = ?", (name,)).fetchone()[0])

    def judge(self, number: int) -> Judge | None:
        count = "SELECT COUNT(*) FROM judgements WHERE judge = judges.id AND undone IS NULL"
        found = self._one(f"SELECT id, name, ({count}) FROM judges WHERE id = ?", number)  # noqa: S608
        return Judge(*found) if found else None

    def judges(self) -> list[Judge]:
        count = "SELECT COUNT(*) FROM judgements WHERE judge = judges.id AND undone IS NULL"
        return [Judge(*row) for row in self._all(f"SELECT id, name, ({count}) FROM judges ORDER BY id")]  # noqa: S608

    # Judging ---------------------------------------------------------------------------------------------------------

    def next_for(self, judge: int) -> int | None:
        """The item that somebody judges next; None when nothing is left for them.

        Where items are shared out, each judge begins elsewhere, or two at once would judge the same ones.
        """
        each, start = int(self.fact("each")), 0
        unjudged = (
            "SELECT id FROM items WHERE id >= ? AND NOT EXISTS "
            "(SELECT 1 FROM judgements WHERE judge = ? AND item = items.id AND undone IS NULL)"
        )
        values: list[int] = [judge]
        if each:
            start = int(self.size() * (judge * 0.618034 % 1))  # the golden ratio keeps any number of starts apart
            unjudged += (
                " AND (SELECT COUNT(*) FROM judgements"
                " WHERE item = items.id AND undone IS NULL AND choice <> 'skip') < ?"
            )
            values.append(each)
        query = f"{unjudged} ORDER BY id LIMIT 1"
        found = self._one(query, start, *values) or (self._one(query, 0, *values) if start else None)
        return int(found[0]) if found else None

    def store(self, judgement: Judgement) -> str:
        """`stored`; `repeated` when this very form was sent before; `taken` when the judge has judged the item
        already, on another page. Only the first changes anything."""
        values = (judgement.id, judgement.item, judgement.judge, judgement.choice, _json(judgement.detail), _now())
        try:
            with self._writing() as db:
                if db.execute("SELECT 1 FROM judgements WHERE id = ?", (judgement.id,)).fetchone():
                    return "repeated"
                db.execute("INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, NULL)", values)
        except sqlite3.IntegrityError:
            return "taken"
        return "stored"

    def last(self, judge: int) -> Judgement | None:
        """What somebody judged last and has not undone."""
        query = f"{_SELECT} WHERE judge = ? AND undone IS NULL ORDER BY judgements.rowid DESC LIMIT 1"
        found = self._one(query, judge)
        return _judgement(*found) if found else None

    def undo(self, judge: int, identity: str) -> Judgement | None:
        """Take a judgement back, once; it stays in the file as undone. None when there is no such judgement."""
        with self._writing() as db:
            found = db.execute(f"{_SELECT} WHERE id = ? AND judge = ? AND undone IS NULL", (identity, judge)).fetchone()
            if found is None:
                return None
            db.execute("UPDATE judgements SET undone = ? WHERE id = ?", (_now(), identity))
        return _judgement(*found)

    def judgements(self) -> list[Judgement]:
        """All that stand, item by item, the earliest first."""
        found = self._all(f"{_SELECT} WHERE undone IS NULL ORDER BY item, judgements.rowid")
        return [_judgement(*columns) for columns in found]


_SELECT = "SELECT id, item, judge, choice, detail, made FROM judgements"


def missing(path: Path) -> UsageError:
    """There is no such project; those in the same folder are named."""
    from ftcore.errors import closest

    names = sorted(other.stem for other in path.parent.glob("*.db")) if path.parent.is_dir() else []
    near = closest(path.stem, names)
    return UsageError(
        "there is no such project" + (f" (did you mean {near!r}?)" if near else ""),
        where=str(path),
        more=[f"projects in {path.parent}: {', '.join(names[:8])}"] if names and not near else [],
        fix=f"ftcore label {near}" if near else f"ftcore label {path.stem} --data FILE",
    )


def _marks(path: Path) -> tuple[int, int]:
    """What a database says that it is, read from its header: SQLite's file format has them at bytes 68 and 60."""
    with path.open("rb") as file:
        head = file.read(100)
    return (0, 0) if len(head) < 100 else (int.from_bytes(head[68:72]), int.from_bytes(head[60:64]))


def _item(prompt: str, answers: str, tools: str, source: str) -> Item:
    shown = tuple(Answer(turns_from(answer["turns"]), answer["by"]) for answer in json.loads(answers))
    return Item(turns_from(json.loads(prompt)), shown, source, tuple(json.loads(tools)))


def _judgement(identity: str, item: int | None, judge: int, choice: str, detail: str, made: str) -> Judgement:
    return Judgement(identity, item, judge, choice, json.loads(detail), made)


def _json(value: Any) -> str:
    """ASCII, since SQLite takes no lone surrogates, which broken rows may hold."""
    return json.dumps(value, default=str)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
