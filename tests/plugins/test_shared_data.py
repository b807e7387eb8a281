"""Files as they are found in the wild: each is read with the format that is expected, or with a mapping that works.

The tables below say what is expected of every file, so that a change of mind about one shows here.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ftcore.columns import apply, as_flag, suggest
from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.formats import ftcore_dataset_formats
from tests.plugins.files_help import read, source

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
FOLDERS = ("sft", "pretrain", "prompts", "nlp")
SPECS = sorted(ftcore_dataset_formats(), key=lambda spec: -spec.priority)
PEEK = 50

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real data is not there")

RECOGNISED = {
    "nlp/sst2_train_5000.txt": "text",
    "nlp/trec_train.txt": "text",
    "pretrain/c4_demo_200.jsonl": "text",
    "sft/alpaca_en_demo_700.json": "alpaca",
    "sft/alpaca_llms_from_scratch_800.json": "alpaca",
    "sft/codegen_instruct_1200.json": "alpaca",
    "sft/dolly_800.jsonl": "alpaca",
    "sft/identity_template_91.json": "alpaca",
    "sft/messages_typed_content_500.jsonl": "messages",
    "sft/prompt_completion_superbowl_train.jsonl": "prompt-completion",
    "sft/sharegpt_dummy_conversation_500.json": "sharegpt",
    "sft/sharegpt_toolcall_200.json": "sharegpt",
    "sft/t0_prompt_completion/common_gen_Given_concepts_type_1.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/commonsense_qa_question_answering.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/cosmos_qa_no_prompt_text.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/qasc_is_correct_1.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/quartz_read_passage_below_choose.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/rotten_tomatoes_Reviewer_Enjoyment_Yes_No.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/trec_what_category_best_describe.jsonl": "prompt-completion",
    "sft/t0_prompt_completion/wiki_qa_Is_This_True_.jsonl": "prompt-completion",
    "sft/text_wikisql_train_1000.jsonl": "text",
    "sft/text_wikisql_valid_100.jsonl": "text",
}
"""The format that knows the columns as they are."""

MAPPED = {
    "nlp/banking77_train_4000.csv": "prompt=text completion=category",
    "nlp/boolq_train_700.json": "prompt=sentence completion=label",
    "nlp/cb_train.json": "prompt=sentence completion=label",
    "nlp/cola_in_domain_train_4000.tsv": "prompt=4 completion=2",
    "nlp/copa_train.json": "prompt=sentence completion=label",
    "nlp/sms_spam_4000.tsv": "prompt=2 completion=1",
    "nlp/sst2_dev.parquet": "prompt=sentence completion=label",
    "prompts/oasst_prompt_lottery_250.jsonl": "text=value",
    "prompts/vicuna_questions_80.jsonl": "prompt=turns.0 completion=category",
    "sft/flan_cot/creak_train_head2500.tsv": "prompt=1 completion=2",
    "sft/flan_cot/strategyqa_train.tsv": "prompt=1 completion=2",
    "sft/oasst_trees_60.jsonl": "prompt=prompt.text completion=prompt.replies.0.text",
    "sft/persona_chat_multiturn_500.csv": "'text=Best Generated Conversation'",
    "sft/self_instruct_seed_tasks_175.jsonl": (
        "instruction=instruction input=instances.0.input output=instances.0.output"
    ),
}
"""The mapping that is suggested where no format knows the columns."""

NEEDS_FIELD = {"nlp/clinc150_small_train_val.json": ("train", "prompt=1 completion=2")}
"""The field that is proposed, and the mapping that is suggested for the rows in it."""

BAD_ROWS = {
    "nlp/trec_train.txt": BadRow(
        "trec_train.txt:66:53", "not UTF-8 (byte 0xf0); if it is Latin-1: --data.encoding latin-1"
    ),
}
"""Files with one row that cannot be read."""

JUDGING = ("alpaca_style_pairs_800.json", "dpo_en_demo_200.json", "hh_format_from_dpo_demo_200.jsonl",
           "hh_rlhf_handpicked_57.jsonl", "kto_en_demo_200.json")  # fmt: skip
"""Rows that compare or judge answers."""


def recognise(row):
    found = ((spec.name, spec.factory.load()()) for spec in SPECS)
    return next(((name, format_) for name, format_ in found if format_.recognises(row)), (None, None))


def flags(mapping):
    return as_flag(mapping).replace("--data.columns ", "")


def share_of_examples(format_, rows, mapping=None):
    """What part of the rows become examples; the others must give a reason in words."""
    made, reasons = 0, set()
    for row in rows:
        if isinstance(row, BadRow):
            continue
        try:
            format_.example(apply(mapping, row.values) if mapping else row.values)
            made += 1
        except ValueError as error:
            reasons.add(str(error))
    assert "" not in reasons
    return made / len(rows)


def test_something_is_expected_of_every_file():
    files = {path.relative_to(DATA).as_posix() for name in FOLDERS for path in (DATA / name).rglob("*.*")}
    assert files == {*RECOGNISED, *MAPPED, *NEEDS_FIELD}


@pytest.mark.parametrize(("name", "expected"), RECOGNISED.items())
def test_the_format_is_recognised(name, expected):
    rows = read(DATA / name)
    assert [row for row in rows if isinstance(row, BadRow)] == ([BAD_ROWS[name]] if name in BAD_ROWS else [])
    found, format_ = recognise(rows[0].values)
    assert found == expected
    assert share_of_examples(format_, rows) >= 0.95


@pytest.mark.parametrize(("name", "expected"), MAPPED.items())
def test_a_mapping_that_works_is_suggested(name, expected):
    check_mapping(read(DATA / name), expected)


def check_mapping(rows, expected):
    assert recognise(rows[0].values) == (None, None)
    assert all(isinstance(row, Row) for row in rows)
    mapping = suggest([row.values for row in rows[:PEEK]])
    assert flags(mapping) == expected
    name, format_ = recognise(apply(mapping, rows[0].values))
    assert name == ("text" if "text" in mapping else "alpaca" if "instruction" in mapping else "prompt-completion")
    assert share_of_examples(format_, rows, mapping) >= 0.95


@pytest.mark.parametrize(("name", "field", "expected"), [(name, *wanted) for name, wanted in NEEDS_FIELD.items()])
def test_a_field_is_proposed_and_its_rows_then_read(name, field, expected):
    with pytest.raises(DataError, match="the file is an object, not a list of rows") as caught:
        read(DATA / name)
    assert caught.value.fix == f"--data.field {field}"
    check_mapping(read(DATA / name, field=field), expected)


@pytest.mark.parametrize("name", JUDGING)
def test_rows_that_compare_or_judge_are_left_to_others(name):
    rows = list(itertools.islice(source(DATA / "preference" / name).rows(), PEEK))
    assert recognise(rows[0].values) == (None, None)
    assert suggest([row.values for row in rows]) == {}
