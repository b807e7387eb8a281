"""CSV and TSV files: headers told from rows, quotes, cells that are missing, and files larger than memory."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.files.delimited import csv_records, tsv_records
from ftcore_plugins.files.find import Found
from tests.plugins.files_help import read, source, values, write

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def table(cells, width=3):
    return st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6)


def found(tmp_path_factory, name):
    return Found(tmp_path_factory.getbasetemp() / name, name.rpartition(".")[2], name)


@settings(max_examples=300)
@given(rows=table(CELLS), how=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]))
@example(rows=[["a\r\nb", 'say "x"', ","]], how=(csv.QUOTE_MINIMAL, "\r\n"))
def test_what_csv_writes_reads_back(tmp_path_factory, rows, how):
    quoting, end = how
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end).writerows(rows)
    text.seek(0)
    assert [record.cells for record in csv_records(text, found(tmp_path_factory, "a.csv"), ",")] == rows


PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"'), max_size=12)


@settings(max_examples=200)
@given(rows=table(PLAIN.filter(lambda text: text == text.strip())))
def test_plain_tab_separated_text_reads_back(tmp_path_factory, rows):
    text = io.StringIO("".join("\t".join(row) + "\n" for row in rows), newline="")
    assert [record.cells for record in tsv_records(text, found(tmp_path_factory, "a.tsv"))] == rows


# Header or not --------------------------------------------------------------------------------------------------------

LONG = "one two three four five six seven"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("text,label\nx,y\n", ["text", "label"]),
        ("text,label\nx,label\n", ["text", "label"]),
        (" text , label \nx,y\n", ["text", "label"]),
        ("user 1 personas,Best Generated Conversation\nx,y\n", ["user 1 personas", "Best Generated Conversation"]),
        (",text,label\n0,x,y\n1,x,y\n", ["index", "text", "label"]),
        ("text;label\nx;y\n", ["text", "label"]),
        ("text\nonly\n", ["text"]),
        ("x,,y\nx,z,y\n", ["1", "2", "3"]),
        ("x,x\nx,z\n", ["1", "2"]),
        ("x,3\ny,4\n", ["1", "2"]),
        ("x,1.5e3\ny,4\n", ["1", "2"]),
        (f"ham,{LONG}\nspam,b\n", ["1", "2"]),
        (f"ham,{'x' * 65}\nspam,b\n", ["1", "2"]),
        ("ham,short\nspam,b\nham,c\n", ["1", "2"]),
    ],
)
def test_a_header_is_told_from_a_first_row(tmp_path, content, names):
    rows = values(write(tmp_path, "a.csv", content))
    assert list(rows[0]) == names
    assert len(rows) == content.count("\n") - (names[0] != "1")


def test_the_user_knows_better(tmp_path):
    path = write(tmp_path, "a.csv", "x,3\ny,4\n")
    assert values(path, header="yes") == [{"x": "y", "3": "4"}]
    assert values(path, header="no") == [{"1": "x", "2": "3"}, {"1": "y", "2": "4"}]
    with pytest.raises(DataError, match="two columns are called 'a'"):
        read(write(tmp_path, "b.csv", "a,a\n1,2\n"), header="yes")
    with pytest.raises(DataError, match="has no name"):
        read(write(tmp_path, "c.csv", "a,\n1,2\n"), header="yes")


def test_a_header_alone_is_no_row(tmp_path):
    with pytest.raises(DataError, match="holds no rows"):
        read(write(tmp_path, "a.csv", "text,label\n"))


def test_a_first_row_that_cannot_be_read_is_not_passed_over(tmp_path):
    with pytest.raises(DataError, match="not UTF-8"):
        read(write(tmp_path, "a.csv", b"caf\xe9,label\nx,y\nz,w\n"))


# Rows -----------------------------------------------------------------------------------------------------------------


def test_line_ends_in_cells_count_for_the_places_of_what_follows(tmp_path):
    rows = read(write(tmp_path, "a.csv", 'a,b\n"one\n\ntwo","x ""y"""\n\nlast,1\n'))
    assert rows == [Row({"a": "one\n\ntwo", "b": 'x "y"'}, "a.csv:2"), Row({"a": "last", "b": "1"}, "a.csv:6")]


@pytest.mark.parametrize(("name", "sign"), [("a.csv", ","), ("a.tsv", "\t")])
def test_too_many_and_too_few_cells(tmp_path, name, sign):
    content = "a,b,c\n1,2,3\n1,2\n1,2,3,4\n1\n".replace(",", sign)
    assert read(write(tmp_path, name, content))[1:] == [
        BadRow(f"{name}:3", "2 cells, but the header has 3"),
        BadRow(f"{name}:4", "4 cells, but the header has 3"),
        BadRow(f"{name}:5", "1 cell, but the header has 3"),
    ]
    assert read(write(tmp_path, name, "x,1\ny\n".replace(",", sign)))[1].reason == "1 cell, but the first row has 2"


def test_text_after_a_closing_quote_costs_its_row(tmp_path):
    good, bad, last = read(write(tmp_path, "a.csv", 'a,b\n"x",1\n"x"y,1\n"z",2\n'))
    assert bad.where == "a.csv:3"
    assert bad.reason.startswith("text follows a closing quote")
    assert (good.values["a"], last.values["a"]) == ("x", "z")


def test_a_quote_that_is_never_closed(tmp_path):
    with pytest.raises(DataError, match="never closed") as caught:
        read(write(tmp_path, "a.csv", 'a,b\nx,1\n"y,2\nz,3\n'))
    assert caught.value.where == "a.csv:3"
    bad = read(write(tmp_path, "b.csv", 'a,b\nx,1\n"y,2'))[-1]
    assert bad == BadRow("b.csv:3", "a quote that is opened in this row is never closed")


def test_a_cell_may_be_large(tmp_path):
    assert len(values(write(tmp_path, "a.csv", f"a,b\n{'x' * 1_000_000},1\n"))[0]["a"]) == 1_000_000


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('"A brand." Is it true?\tyes\n"Open\tno\n', [['"A brand." Is it true?', "yes"], ['"Open', "no"]]),
        ('a\tb\n"quoted"\t"say ""hi"""\n', [["quoted", 'say "hi"']]),
        ('a\tb\n"line one\nline two"\tx\ny\tz\n', [["line one\nline two", "x"], ["y", "z"]]),
        ('a\tb\nx\t"line one\nline two"\ny\tz\n', [["x", "line one\nline two"], ["y", "z"]]),
        ('a\tb\nx\t"open\ny\tz\n', [["x", '"open'], ["y", "z"]]),
        ("a\tb\nliteral \\n stays\tx\n", [["literal \\n stays", "x"]]),
    ],
)  # fmt: skip
def test_quotes_in_tab_separated_files_are_text_unless_they_wrap_a_cell(tmp_path, content, rows):
    assert [list(row.values()) for row in values(write(tmp_path, "a.tsv", content))] == rows


def test_an_open_quote_in_a_tab_separated_file_swallows_no_row_unsaid(tmp_path):
    first, bad, last = read(write(tmp_path, "a.tsv", 'a\tb\nx\ty\n"open\nz\tw\nlast\t1\n'))
    assert bad == BadRow("a.tsv:3", "a quote that is opened in this row is never closed")
    assert (first.values["a"], last.values["a"]) == ("x", "last")


def test_a_table_is_never_held_whole(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as text:
        csv.writer(text).writerows([["text", "label"], *([f"{'x' * 100} {n}", "label"] for n in range(60_000))])
    tracemalloc.start()
    count = sum(1 for _ in source(path).rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 2e6
