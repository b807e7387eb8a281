"""The contract of dataset formats: rows become the declared kind of example, or are refused with a reason.

    from ftcore.testing.formats import FormatContract

    class TestFaq(FormatContract):
        name = "faq"
        rows = [{"faq": "How long?", "reply": "Two days."}]
        bad_rows = [{"faq": "How long?", "reply": ""}]

Without rows only the front and the record can be looked at.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ftcore.errors import DataError
from ftcore.protocols import DatasetFormat
from ftcore.run.store import dump_example, load_example
from ftcore.specs import FormatSpec
from ftcore.testing.contract import Contract, left_out
from ftcore.types import ChatExample, Example, TextExample

ODD: Sequence[Any] = (None, "", 7, [], {}, [1, None], {"role": None})
"""What stands in a column where something else is expected."""


class FormatContract(Contract):
    """Inherit, give the format's `name`, `rows` that it reads and `bad_rows` that have its columns and no example."""

    kind = "format"
    rows: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Rows that the format reads."""
    bad_rows: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Rows with its columns that hold no example, so that it must refuse them."""

    @classmethod
    def spec(cls) -> FormatSpec:
        spec = super().spec()
        assert isinstance(spec, FormatSpec)
        return spec

    @classmethod
    def build(cls) -> DatasetFormat:
        built = super().build()
        assert isinstance(built, DatasetFormat)
        return built

    def given(self) -> Sequence[Mapping[str, Any]]:
        return self.rows or left_out("no `rows` that the format reads")

    def test_it_recognises_its_rows_and_no_others(self) -> None:
        built = self.build()
        assert built.recognises({"xyzzy": 1}) is None, "it recognises rows that have none of its columns"
        for row in self.given():
            reason = built.recognises(row)
            assert isinstance(reason, str), f"not recognised: {row}"
            assert reason.strip(), "why the format fits is shown to the user"

    def test_a_row_becomes_the_declared_kind_of_example(self) -> None:
        built, kind = self.build(), self.spec().example
        for row in self.given():
            example = built.example(row)
            assert example.kind == kind, f"declared as {kind}, it gives a {example.kind} example"
            if isinstance(example, ChatExample):
                assert any(turn.is_trained for turn in example.turns), f"nothing is to be learned of {row}"

    def test_reading_a_row_leaves_it_as_it_was(self) -> None:
        built = self.build()
        for row in self.given():
            before = copy.deepcopy(dict(row))
            first = built.example(row)
            assert dict(row) == before, "the row was changed"
            assert built.example(row) == first, "read again, the row is another example"

    def test_an_example_survives_being_written(self) -> None:
        """Examples are kept on disk as JSON while a run goes on."""
        built = self.build()
        for row in self.given():
            example = built.example(row)
            assert load_example(dump_example(example)) == example

    def test_a_bad_row_is_refused_with_a_reason(self) -> None:
        built = self.build()
        for row in self.bad_rows or left_out("no `bad_rows` that hold no example"):
            refusal = _refusal(built, row)
            assert refusal, f"it finds an example in {row}"
            assert type(refusal) is ValueError, f"{type(refusal).__name__} is no reason in plain words"
            assert len(str(refusal).splitlines()) == 1, "a reason is one line of text"

    def test_odd_values_are_refused_or_become_text(self) -> None:
        """A column may hold nothing, a number or a list where text is expected; none of them may end the run."""
        built = self.build()
        for row in self.given():
            for column, value in itertools.product(row, ODD):
                odd = {**row, column: value}
                assert isinstance(built.recognises(odd), (str, type(None)))
                if _refusal(built, odd) is None:
                    assert _is_text(built.example(odd)), f"it makes an example without text of {odd}"


def _refusal(built: DatasetFormat, row: Mapping[str, Any]) -> ValueError | DataError | None:
    try:
        built.example(row)
    except (ValueError, DataError) as error:
        return error
    return None


def _is_text(example: Example) -> bool:
    if isinstance(example, TextExample):
        return isinstance(example.text, str)
    turns = example.turns if isinstance(example, ChatExample) else example.prompt
    return all(isinstance(turn.content, str) for turn in turns)
