"""The source `files`: which files are read, how their text is decoded, and what is said about those that cannot be."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ftcore.errors import DataError, PolicyError, UsageError
from ftcore.settings import validate
from ftcore.types import BadRow, Row
from ftcore_plugins.files.config import FilesConfig
from ftcore_plugins.files.names import is_data_path
from tests.plugins.files_help import read, source, values, write

LINE = '{"a": "é"}\n'


def refusal(path, **settings):
    with pytest.raises(DataError) as caught:
        read(path, **settings)
    assert len(caught.value.lines()) <= 6
    return caught.value


# Which files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL", "a.jsonl.gz", "a.json.gz", "a.csv.gz", "a.txt.gz"])
def test_the_kind_comes_from_the_suffix(tmp_path, name):
    texts = {"csv": "a\né\n", "txt": "é\n", "json": '[{"a": "é"}]'}
    kind = name.lower().removesuffix(".gz").rpartition(".")[2]
    content = texts.get(kind, LINE).encode()
    path = write(tmp_path, name, gzip.compress(content) if name.endswith("gz") else content)
    assert values(path) == [{"text" if kind == "txt" else "a": "é"}]


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_rows_keep_their_types(tmp_path, packed):
    rows = [{"a": "x", "b": [1, 2]}, {"a": None, "b": []}] * 300
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    if packed:
        path = write(tmp_path, "b.parquet.gz", gzip.compress(path.read_bytes()))
    assert values(path) == rows
    assert read(path)[-1].where == f"{path.name}:600"


def test_parquet_text_that_is_not_utf8_costs_one_row(tmp_path):
    column = pa.StringArray.from_buffers(3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xe9c"))
    pq.write_table(pa.table({"t": column}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [
        Row({"t": "a"}, "a.parquet:1"),
        BadRow("a.parquet:2", "not UTF-8 (byte 0xe9)"),
        Row({"t": "c"}, "a.parquet:3"),
    ]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    assert "the Parquet file is damaged" in refusal(write(tmp_path, "a.parquet", b"PAR1 nothing more")).what


def test_a_folder_is_read_in_order_without_what_is_no_data(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "sub/c.jsonl", "README.txt", ".hidden.jsonl", "notes.md", ".git/d.jsonl"):
        write(tmp_path, name, json.dumps({"from": name}) + "\n")
    assert [row["from"] for row in values(tmp_path)] == ["a.jsonl", "b.jsonl", "sub/c.jsonl"]


def test_patterns_and_lists_name_each_file_once(tmp_path):
    for name in ("x1.jsonl", "x2.jsonl", "y.jsonl", "x3.md"):
        write(tmp_path, name, json.dumps({"from": name}) + "\n")
    paths = [str(tmp_path / "y.jsonl"), str(tmp_path / "x*"), str(tmp_path / "x1.jsonl")]
    assert [row["from"] for row in values(paths)] == ["y.jsonl", "x1.jsonl", "x2.jsonl"]


def test_files_of_the_same_name_have_different_places(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path, f"{folder}/train.jsonl", LINE)
    assert len({row.where for row in read(tmp_path)}) == 2


def test_a_file_with_brackets_in_its_name_is_itself(tmp_path):
    assert values(write(tmp_path, "a[1].jsonl", LINE)) == [{"a": "é"}]


def test_missing_files_are_reported_when_rows_is_called_and_not_before(tmp_path):
    write(tmp_path, "train.jsonl", LINE)
    missing = source(tmp_path / "Trian.jsonl")
    with pytest.raises(DataError) as caught:
        missing.rows()
    assert caught.value.what == "there is no such file (did you mean 'train.jsonl'?)"
    assert caught.value.fix == f"--data {tmp_path / 'train.jsonl'}"


def test_a_missing_folder_a_pattern_without_a_match_and_an_empty_folder(tmp_path):
    assert refusal(tmp_path / "no" / "a.jsonl").what == "there is no such file, nor its folder"
    assert refusal(tmp_path / "*.jsonl").what == "no file matches the pattern"
    write(tmp_path, "deep/notes.md", "x")
    error = refusal(tmp_path)
    assert error.what.startswith("the folder holds no data file")
    assert error.more == ("in it: deep/notes.md",)


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("a.yaml", "the suffix '.yaml' is not known", "mv "),
        ("rows", "the name has no suffix", "mv "),
        ("a.jsonl.zst", "files packed as .zst are not read, only .gz", "unzstd "),
        ("a.zip", "files packed as .zip are not read, only .gz", "unzip "),
        ("a.tar.gz", "files packed as .tar are not read, only .gz", "tar xf "),
    ],
)
def test_unknown_kinds_and_packings_are_refused(tmp_path, name, what, fix):
    error = refusal(write(tmp_path, name, "x"))
    assert error.what.startswith(what)
    assert error.fix.startswith(fix)


def test_unknown_suffixes_are_answered_with_the_known_ones(tmp_path):
    assert ".json, .jsonl, .ndjson, .csv, .tsv, .parquet, .txt" in refusal(write(tmp_path, "a.doc", "x")).more[0]


def test_pickles_are_refused_for_safety(tmp_path):
    with pytest.raises(PolicyError, match="pickles are not read"):
        read(write(tmp_path, "a.pkl", b"x"))


def test_a_folder_of_arrow_files_comes_with_the_command_that_converts_it(tmp_path):
    write(tmp_path, "data-00000.arrow", b"x")
    assert "load_from_disk" in refusal(tmp_path).fix


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "this is a git-LFS pointer"),
        ("<!DOCTYPE html><html>", "this is a web page"),
        ("", "the file is empty"),
        ("\n \n\n", "the file holds no rows"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_files_without_data_are_refused(tmp_path, name, content, what):
    assert refusal(write(tmp_path, name, content)).what.startswith(what)


def test_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress(LINE.encode() * 5000)
    assert "damaged or cut off" in refusal(write(tmp_path, "a.jsonl.gz", whole[:-20])).what
    assert refusal(write(tmp_path, "b.jsonl.gz", LINE)).what == "the file is called .gz but is not gzipped"


def test_the_fingerprint_follows_names_and_contents(tmp_path):
    path = write(tmp_path, "a.jsonl", LINE)
    first = source(path).fingerprint()
    assert first == source(path).fingerprint()
    assert first.startswith("sha256:")
    write(tmp_path, "a.jsonl", LINE.replace("é", "e"))
    second = source(path).fingerprint()
    path.rename(tmp_path / "b.jsonl")
    assert len({first, second, source(tmp_path / "b.jsonl").fingerprint()}) == 3


# Text -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.jsonl", '{"a": "é"}\n\n{"a": "b"}\n', [{"a": "é"}, {"a": "b"}]),
        ("a.json", '[{"a": "é"},\n{"a": "b"}]\n', [{"a": "é"}, {"a": "b"}]),
        ("a.csv", 'a,c\né,"x"\nb,y\n', [{"a": "é", "c": "x"}, {"a": "b", "c": "y"}]),
        ("a.tsv", "a\tc\né\tx\nb\ty\n", [{"a": "é", "c": "x"}, {"a": "b", "c": "y"}]),
        ("a.txt", "é\n\nb\n", [{"text": "é"}, {"text": "b"}]),
    ],
)
def test_marks_and_line_ends_do_not_matter(tmp_path, name, text, wanted, newline, encoding):
    assert values(write(tmp_path, name, text.replace("\n", newline).encode(encoding))) == wanted


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.jsonl", b'{"a": "x"}\n{"a": "\xe9"}\n{"a": "y"}\n', "a.jsonl:2"),
        ("a.json", b'[{"a": "x"},\n{"a": "\xe9"},\n{"a": "y"}]', "a.json:2"),
        ("a.csv", b"a,b\nx,1\n\xe9,2\ny,3\n", "a.csv:3"),
        ("a.tsv", b"a\tb\nx\t1\n\xe9\t2\ny\t3\n", "a.tsv:3"),
        ("a.txt", b"x\ncaf\xe9\ny\n", "a.txt:2:4"),
    ],
)
def test_latin_1_costs_its_row_and_comes_with_the_fix(tmp_path, name, content, where):
    path = write(tmp_path, name, content)
    first, bad, last = read(path)
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert bad == BadRow(where, "not UTF-8 (byte 0xe9); if it is Latin-1: --data.encoding latin-1")
    assert "é" in str(values(path, encoding="latin-1")[1])


@pytest.mark.parametrize(("name", "codec"), [("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")])
def test_utf_16_without_a_mark_is_recognised(tmp_path, name, codec):
    path = write(tmp_path, "a.jsonl", ('{"a": "text"}\n' * 9).encode(codec))
    assert refusal(path).fix == f"--data.encoding {name}"
    assert len(values(path, encoding=codec)) == 9


def test_a_wrong_encoding_is_refused(tmp_path):
    assert "the file is not ascii" in refusal(write(tmp_path, "a.txt", "café"), encoding="ascii").what


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", '{"a":"x"}\n{"a":"\0"}\n'), ("a.csv", "a,b\nx,y\n\0,z\n"), ("a.txt", "x\n\0\n"), ("a.tsv", "a\n\0\n")],
)
def test_nul_bytes_cost_their_row(tmp_path, name, content):
    bad = read(write(tmp_path, name, content))[-1]
    assert isinstance(bad, BadRow)
    assert bad.reason == "a NUL byte in the text"


# The front ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "claimed"),
    [("missing.jsonl", True), ("data/*.csv", True), ("a.jsonl.gz", True), ("a.zip", True), (".", True),
     ("owner/name", False), ("demo", False), ("imdb", False)],
)  # fmt: skip
def test_bare_references_are_claimed_by_their_form(text, claimed):
    assert is_data_path(text) == claimed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "a.txt", "encoding": "utf-9"}, "there is no encoding 'utf-9'"),
        ({"path": "a.txt", "encoding": "base64"}, "does not encode text"),
        ({"path": ""}, "name a file"),
        ({"path": "a.txt", "fild": "x"}, "did you mean 'data.field'"),
    ],
)
def test_settings_are_checked_without_looking_at_the_disk(settings, message):
    with pytest.raises(UsageError, match=message):
        validate(FilesConfig, settings, "data")


def test_reading_imports_neither_torch_nor_pandas_nor_datasets(tmp_path):
    write(tmp_path, "a.jsonl", LINE)
    write(tmp_path, "b.csv", "a,b\n1,2\n")
    code = (
        "import sys; from ftcore_plugins.files.source import Files;"
        "from ftcore_plugins.files.config import FilesConfig;"
        f"assert len(list(Files(FilesConfig(path={str(tmp_path)!r})).rows())) == 2;"
        "import ftcore_plugins.hub.data, ftcore_plugins.formats.messages;"
        "print(sorted({'torch', 'pandas', 'datasets', 'pyarrow', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
