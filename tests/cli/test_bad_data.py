"""Rows and files that are wrong: named with their place, and with what would mend them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.refusals import DATA, RESOURCE, USAGE, Try, refused
from tests.conftest import echo_rows, write_rows


def test_a_missing_file_offers_its_neighbour(attempt: Try):
    refused(attempt(data="rosw.jsonl"), DATA, "there is no such file (did you mean 'rows.jsonl'?)", "--data rows.jsonl")
    refused(attempt("--data", "absent.csv"), DATA, "absent.csv: there is no such file")
    unlike = attempt("--data", "nofile.jsonl")
    refused(unlike, DATA, "nofile.jsonl: there is no such file", "--data FILE")
    assert "did you mean" not in unlike.err


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_an_empty_file_is_refused(attempt: Try, tmp_path: Path, text: str):
    (tmp_path / "e.jsonl").write_text(text)
    refused(attempt(data="e.jsonl"), DATA, "e.jsonl: the file", "--data FILE")


def test_unknown_columns_are_listed_with_the_mapping_that_would_do(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "c.jsonl", [{"id": n, "utterance": f"say {n}", "intent": f"{n}!"} for n in range(20)])
    result = attempt(data="c.jsonl")
    refused(result, DATA, "no format recognises the columns 'id', 'utterance', 'intent'")
    flags = result.err.splitlines()[-1].removeprefix("  try: ").split()
    assert flags == ["--data.columns", "prompt=utterance", "--data.columns", "completion=intent"]
    assert attempt(*flags, data="c.jsonl").code == 0


def test_columns_of_which_nothing_can_be_guessed(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "c.jsonl", [{"foo": 1, "bar": 2}] * 5)
    refused(attempt(data="c.jsonl"), DATA, "no format recognises the columns 'foo', 'bar'")
    mapped = attempt("--data.columns", "prompt=fooo", "--data.columns", "completion=bar", data="c.jsonl")
    refused(mapped, DATA, "there is no column 'fooo'")


def test_a_mapping_that_is_not_complete_says_what_it_leaves_out(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "p.jsonl", [{"prompt": "Hi", "chosen": "Hello.", "rejected": "What?"}] * 8)
    result = attempt("--data.columns", "completion=chosen", data="p.jsonl")
    refused(result, DATA, "no format recognises the columns 'completion'", "it leaves out 'prompt', 'rejected'")
    whole = ("--data.columns", "prompt=prompt", "--data.columns", "completion=chosen")
    assert attempt(*whole, data="p.jsonl").code == 0


def test_answers_that_are_null_are_named_row_by_row(attempt: Try, tmp_path: Path):
    rows: list[dict[str, Any]] = [*echo_rows(24)]
    for index in (3, 9, 10):
        rows[index] = {**rows[index], "completion": None}
    write_rows(tmp_path / "n.jsonl", rows)
    refused(
        attempt(data="n.jsonl"), DATA, "error: n.jsonl:4: completion is null", "  n.jsonl:10:", "  n.jsonl:11:",
        "--data.bad_rows drop",
    )  # fmt: skip


def test_bad_rows_that_may_be_dropped_are_accounted_for(attempt: Try, tmp_path: Path):
    rows: list[dict[str, Any]] = [*echo_rows(22), {"prompt": "a", "completion": None}, {"prompt": "", "completion": ""}]
    write_rows(tmp_path / "n.jsonl", rows)
    assert attempt("--data.bad_rows", "drop", "--out", "run", data="n.jsonl").code == 0
    account = json.loads((tmp_path / "run" / "data.json").read_text())
    assert account["read"] == 24
    assert account["dropped"] == {"bad row": 2}
    assert account["read"] == account["trained"] + account["heldout"] + 2
    quarantined = [json.loads(line) for line in (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()]
    assert [row["where"] for row in quarantined] == ["n.jsonl:23", "n.jsonl:24"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_marks_and_line_ends_of_other_systems_change_nothing(attempt: Try, tmp_path: Path, encoding: str, newline: str):
    rows = [{**row, "completion": f"caf\u00e9 {row['completion']}"} for row in echo_rows(12)]
    text = newline.join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "odd.jsonl").write_bytes(text.encode(encoding))
    assert attempt("--out", "run", data="odd.jsonl").code == 0
    [source] = json.loads((tmp_path / "run" / "data.json").read_text())["sources"]
    write_rows(tmp_path / "plain.jsonl", rows)
    assert attempt("--out", "plain", data="plain.jsonl").code == 0
    [plain] = json.loads((tmp_path / "plain" / "data.json").read_text())["sources"]
    assert {**source, "source": None} == {**plain, "source": None}


def test_latin_1_is_named_with_the_setting_that_reads_it(attempt: Try, tmp_path: Path):
    rows = [*echo_rows(5), {"prompt": "a", "completion": "café"}]
    (tmp_path / "l.jsonl").write_bytes("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode("latin-1"))
    refused(attempt(data="l.jsonl"), DATA, "l.jsonl:6", "not UTF-8 (byte 0xe9)", "--data.encoding latin-1")
    assert attempt("--data.encoding", "latin-1", data="l.jsonl").code == 0


def test_utf_16_without_its_mark_is_named(attempt: Try, tmp_path: Path):
    text = "\n".join(json.dumps(row) for row in echo_rows(12))
    (tmp_path / "u.jsonl").write_bytes(text.encode("utf-16-le"))
    refused(attempt(data="u.jsonl"), DATA, "looks like UTF-16", "try: --data.encoding utf-16-le")
    assert attempt("--data.encoding", "utf-16-le", data="u.jsonl").code == 0


def test_a_line_that_is_no_json_has_its_line_and_column(attempt: Try, tmp_path: Path):
    lines = [json.dumps(row) for row in echo_rows(1200)]
    lines[1016] = lines[1016].replace('": "', '" "', 1)
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    result = attempt(data="b.jsonl")
    refused(result, DATA, "error: b.jsonl:1017:", "broken JSON")
    column = int(result.err.split("b.jsonl:1017:")[1].split(":")[0])
    assert 1 <= column <= len(lines[1016])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "a", "prompt": "b", "completion": "c"}', "the key 'prompt' is there twice"),
        ('{"prompt": "a", "completion": NaN}', "NaN is not JSON"),
        ('{"prompt": "a", "completion": "\\ud800"}', "half of a surrogate pair"),
        ('{"prompt": "a", "completion": "b"} {}', "there is more on the line after the row"),
    ],
)
def test_json_that_can_be_read_in_two_ways_is_not_read(attempt: Try, tmp_path: Path, line: str, words: str):
    (tmp_path / "j.jsonl").write_text(f"{line}\n" * 3)
    refused(attempt(data="j.jsonl"), DATA, "no row could be read", "j.jsonl:2", words)
    good = "\n".join(json.dumps(row) for row in echo_rows(5))
    (tmp_path / "j.jsonl").write_text(f"{good}\n{line}\n")
    refused(attempt(data="j.jsonl"), DATA, "j.jsonl:6", words, "--data.bad_rows drop")


def test_a_mapped_place_that_some_rows_lack_names_those_rows(attempt: Try, tmp_path: Path):
    rows: list[dict[str, Any]] = [{"q": f"a{n}", "a": {"text": "b"}} for n in range(6)]
    write_rows(tmp_path / "m.jsonl", [*rows, {"q": "c", "a": None}])
    mapping = ["--data.columns", "prompt=q", "--data.columns", "completion=a.text"]
    refused(attempt(*mapping, data="m.jsonl"), DATA, "m.jsonl:7: 'a' is null in this row, so there is no 'a.text'")
    assert attempt(*mapping, "--data.bad_rows", "drop", data="m.jsonl").code == 0


def test_a_row_longer_than_the_limit_is_cut_counted_and_the_run_goes_on(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "long.jsonl", [*echo_rows(11), {"prompt": "a", "completion": "y" * 600}])
    result = attempt("--reporters", "console", "--out", "run", data="long.jsonl")
    assert result.code == 0
    assert "1 of 12 rows exceed 256 tokens; their end, and so the token that ends a turn, is cut off" in result.err
    assert "try: --train.max_length 6" in result.err
    assert json.loads((tmp_path / "run" / "data.json").read_text())["sources"][0]["cut"] == 1


def test_a_row_whose_prompt_fills_the_limit_is_dropped_with_its_reason(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "p.jsonl", [*echo_rows(11), {"prompt": "x" * 600, "completion": "y"}])
    assert attempt("--out", "run", data="p.jsonl").code == 0
    assert json.loads((tmp_path / "run" / "data.json").read_text())["dropped"] == {"nothing to learn": 1}
    [row] = map(json.loads, (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines())
    assert row["where"] == "p.jsonl:12"
    assert "the prompt alone fills train.max_length 256" in row["reason"]


def test_a_source_that_teaches_nothing_is_refused(attempt: Try, tmp_path: Path):
    result = attempt("--train.max_length", 4, "--out", "run")
    refused(result, DATA, "nothing would be learned from this source", "try: --train.max_length 31")
    assert not (tmp_path / "run").exists()
    write_rows(tmp_path / "m.jsonl", [{"messages": [{"role": "user", "content": "a"}]}] * 5)
    refused(attempt(data="m.jsonl"), DATA, "m.jsonl:1: the conversation has no assistant turn")


def test_pairs_without_a_prompt_are_refused_with_how_to_name_it(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "p.jsonl", [{"ask": f"say {n}", "chosen": f"{n}", "rejected": f"not {n}"} for n in range(8)])
    result = attempt("--strategy", "dpo", "--out", "run", data="p.jsonl")
    refused(result, DATA, "no pair shares a prompt", "try: --data.columns prompt=COLUMN")


PAIR = "--data.columns prompt=prompt --data.columns chosen={} --data.columns rejected={}"
SEEN = "the columns {} were not used"


@pytest.mark.parametrize(
    ("strategy", "row", "said", "fix"),
    [
        ("dpo", ["question", "answer_a", "answer_b", "preferred"], SEEN.format("'answer_a', 'answer_b', 'preferred'"),
         PAIR.format("COLUMN", "COLUMN").replace("=prompt", "=question")),
        ("dpo", ["id", "prompt", "win", "lose"], SEEN.format("'win', 'lose'"), PAIR.format("COLUMN", "COLUMN")),
        ("dpo", ["prompt"], "but these rows are prompt examples", "ftcore list strategies"),
        ("dpo", ["prompt", "chosen"], "'rejected' is missing", "add what is missing to the rows, or --data ANOTHER"),
        ("dpo", ["prompt", "chosen", "bad"], "'rejected' is missing", PAIR.format("chosen", "COLUMN")),
        ("kto", ["prompt", "answer", "verdict"], SEEN.format("'verdict'"),
         "--data.columns prompt=prompt --data.columns completion=COLUMN --data.columns label=COLUMN"),
        ("kto", ["prompt", "completion", "label"], SEEN.format("'label'"), "--data.format feedback"),
        ("sft", ["prompt", "reply"], SEEN.format("'reply'"),
         "--data.columns prompt=prompt --data.columns completion=COLUMN"),
    ],
)  # fmt: skip
def test_columns_of_other_names_are_offered_a_mapping(
    attempt: Try, tmp_path: Path, strategy: str, row: list[str], said: str, fix: str
):
    write_rows(tmp_path / "c.jsonl", [{name: f"{name} {n}" for name in row} for n in range(8)])
    refused(attempt("--strategy", strategy, "--out", "run", data="c.jsonl"), DATA, said, f"try: {fix}")


def test_a_mapping_of_a_half_is_offered_the_other_half(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "c.jsonl", [{"prompt": f"say {n}", "win": "yes", "lose": "no"} for n in range(8)])
    line = ("--strategy", "dpo", "--data.columns", "prompt=prompt", "--data.columns")
    refused(attempt(*line, "chosen=win", data="c.jsonl"), DATA, "'rejected' is missing", PAIR.format("win", "COLUMN"))


def test_pairs_that_are_all_equal_have_nothing_to_preview(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "e.jsonl", [{"prompt": f"say {n}", "chosen": "a", "rejected": "a"} for n in range(8)])
    result = attempt("--strategy", "dpo", "--out", "run", data="e.jsonl")
    refused(result, DATA, "both sides are equal", "try: mend the rows, or --data ANOTHER")


def test_rewards_that_compare_with_an_answer_need_one(attempt: Try, tmp_path: Path):
    write_rows(tmp_path / "p.jsonl", [{"prompt": f"say {n}"} for n in range(8)])
    line = ("--strategy", "grpo", "--rewards", "exact")
    refused(
        attempt(*line, "--out", "run", data="p.jsonl"),
        USAGE,
        "the rewards exact compare with the right answer",
        "reference=COLUMN",
    )


def test_a_format_that_does_not_fit_is_refused_with_a_way_back(attempt: Try):
    words = ["no usable row of the format 'messages'", "rows.jsonl:1:", "try: --data.format auto"]
    refused(attempt("--data.format", "messages"), DATA, *words)
    refused(
        attempt("--data.format", "mesages"), USAGE, "there is no dataset format 'mesages' (did you mean 'messages'?)"
    )


def test_a_source_on_the_hub_needs_the_hub(attempt: Try, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    refused(attempt(data="hub:acme/rows"), RESOURCE, "the hub cannot be reached", "--data rows")
