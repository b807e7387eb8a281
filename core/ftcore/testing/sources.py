"""The contract of dataset sources: rows stream, come in the same order each time, and can be found again.

    from ftcore.testing.sources import SourceContract

    class TestSquares(SourceContract):
        name = "squares"
        settings = {"count": 20}

A source is only read, never trained on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ftcore.protocols import DatasetSource
from ftcore.specs import SourceSpec
from ftcore.testing.contract import ReferredContract, left_out
from ftcore.types import BadRow, Row


class SourceContract(ReferredContract):
    """Inherit, give the source's `name` and `settings`, and let pytest collect the rest."""

    kind = "data"
    limit: ClassVar[int] = 200
    """At most so many rows are looked at."""
    breakable: ClassVar[bool] = True
    """False for a source that makes its rows itself, so that none can be broken."""
    broken: ClassVar[Mapping[str, Any] | None] = None
    """Settings under which at least one row cannot be read, and others can."""

    @classmethod
    def spec(cls) -> SourceSpec:
        spec = super().spec()
        assert isinstance(spec, SourceSpec)
        return spec

    @classmethod
    def build(cls) -> DatasetSource:
        source = super().build()
        assert isinstance(source, DatasetSource)
        return source

    @classmethod
    def read(cls) -> list[Row | BadRow]:
        return list(itertools.islice(cls.build().rows(), cls.limit))

    def test_rows_stream(self) -> None:
        rows = self.build().rows()
        assert isinstance(rows, Iterator), "rows() yields one row after the other; a list holds all of them in memory"
        assert next(rows, None) is not None, "the source holds no row"

    def test_what_comes_are_rows_that_can_be_found_again(self) -> None:
        rows = self.read()
        for row in rows:
            assert isinstance(row, (Row, BadRow)), f"{row!r} is neither a Row nor a BadRow"
            assert isinstance(row.where, str), "`where` is text, such as train.jsonl:17"
            assert row.where.strip(), "without `where` nobody finds a bad row again"
            if isinstance(row, Row):
                assert isinstance(row.values, Mapping)
                assert all(isinstance(column, str) for column in row.values), "columns have names"
        places = [row.where for row in rows]
        assert len(set(places)) == len(places), "two rows have the same `where`"

    def test_each_reading_gives_the_same_rows(self) -> None:
        """A run reads twice: to judge the rows, and to tokenise them. A resumed run reads again."""
        source = self.build()
        first = list(itertools.islice(source.rows(), self.limit))
        assert list(itertools.islice(source.rows(), self.limit)) == first, "rows() goes on instead of starting again"
        assert self.read() == first, "built anew, the source gives other rows"

    def test_the_fingerprint_stays_while_the_content_does(self) -> None:
        source = self.build()
        before = source.fingerprint()
        next(iter(source.rows()))
        assert isinstance(before, str), "a fingerprint is text"
        assert before, "a fingerprint says something"
        assert source.fingerprint() == before, "reading changes the fingerprint"
        assert self.build().fingerprint() == before, "built anew, the source has another fingerprint"

    def test_a_row_that_cannot_be_read_does_not_stop_the_others(self) -> None:
        if not self.breakable:
            return
        if self.broken is None:
            left_out("no settings `broken`, under which a row cannot be read")
        source: DatasetSource = self.choice(self.broken).build()
        rows = list(itertools.islice(source.rows(), self.limit))
        bad = [row for row in rows if isinstance(row, BadRow)]
        assert bad, "no row comes as a BadRow"
        assert len(bad) < len(rows), "the rows that can be read are lost with the others"
        assert all(row.reason.strip() for row in bad), "a bad row says what is wrong with it"
