"""The formats: which rows they recognise, what they make of them, and what they say about rows that hold no example."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ftcore.types import ChatExample, TextExample, Turn
from ftcore_plugins.formats import ftcore_dataset_formats

SPECS = sorted(ftcore_dataset_formats(), key=lambda spec: -spec.priority)
FORMATS = {spec.name: spec.factory.load()() for spec in SPECS}


def recognised(row):
    for spec in SPECS:
        reason = FORMATS[spec.name].recognises(row)
        if reason:
            return spec.name, reason
    return None


def chat(*turns, tools=()):
    return ChatExample(tuple(Turn(*turn) for turn in turns), tools)


def said(role, content, **more):
    return {"role": role, "content": content, **more}


HELLO = [said("user", "Hi"), said("assistant", "Hello")]
SHARE = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
PAIR = chat(("user", "Hi"), ("assistant", "Hello"))
TOOL = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    ("row", "name", "reason", "example"),
    [
        ({"messages": HELLO}, "messages", "column messages with role and content", PAIR),
        ({"prompt": "Hi", "messages": HELLO, "id": 1}, "messages", "column messages with role and content", PAIR),
        ({"conversations": HELLO}, "messages", "column conversations with role and content", PAIR),
        ({"conversations": SHARE}, "sharegpt", "column conversations with from and value", PAIR),
        ({"conversation": SHARE}, "sharegpt", "column conversation with from and value", PAIR),
        ({"instruction": "Hi", "output": "Hello"}, "alpaca", "columns instruction and output", PAIR),
        ({"instruction": "Hi", "input": "", "output": "Hello"},
         "alpaca", "columns instruction, input and output", PAIR),
        ({"instruction": "Hi", "input": None, "answer": "Hello"},
         "alpaca", "columns instruction, input and answer", PAIR),
        (
            {"instruction": "Say", "context": "it", "response": "x", "category": "c"},
            "alpaca", "columns instruction, context and response", chat(("user", "Say\n\nit"), ("assistant", "x")),
        ),
        ({"prompt": "Hi", "completion": "Hello"}, "prompt-completion", "columns prompt and completion", PAIR),
        ({"question": "Hi", "answer": "Hello"}, "prompt-completion", "columns question and answer", PAIR),
        ({"query": "Hi", "response": "Hello"}, "prompt-completion", "columns query and response", PAIR),
        ({"prompt": HELLO[:1], "completion": HELLO[1:]}, "prompt-completion", "columns prompt and completion", PAIR),
        ({"prompt": HELLO[:1], "completion": "Hello"}, "prompt-completion", "columns prompt and completion", PAIR),
        ({"text": "Once"}, "text", "column text", TextExample("Once")),
        ({"content": "Once", "url": "u", "id": 3}, "text", "column content", TextExample("Once")),
        ({"text": ["Once", "upon"]}, "text", "column text", TextExample("Once\n\nupon")),
    ],
)  # fmt: skip
def test_rows_are_recognised_and_become_examples(row, name, reason, example):
    assert recognised(row) == (name, reason)
    assert FORMATS[name].example(row) == example


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"chosen": "b", "rejected": "c"},
        {"instruction": "a", "input": "", "output": "b", "chosen": "b", "rejected": "c"},
        {"conversations": SHARE, "chosen": SHARE[1], "rejected": SHARE[1]},
        {"messages": HELLO, "label": True},
        {"prompt": "a", "completion": "b", "label": False},
        {"text": "a", "chosen": "b"},
        {"prompt": HELLO},
        {"prompt": "a"},
        {"messages": [{"speaker": "A", "said": "b"}]},
        {"messages": []},
        {"text": "a film", "label": 1},
        {"text": "a film", "category": "x"},
        {"text": {"a": 1}},
        {"question": "why?", "context": "because", "answer": "so"},
        {"question": "why?", "answer": {"text": "so"}},
        {"Question": "why?", "Answer": "so"},
        {"sentence": "a", "label": 1},
        {"id": 1},
        {},
    ],
)
def test_other_rows_are_not_recognised_by_accident(row):
    assert recognised(row) is None


# Conversations --------------------------------------------------------------------------------------------------------


def messages(*items, **columns):
    return FORMATS["messages"].example({"messages": list(items), **columns})


def test_roles_have_one_name_each():
    example = messages(
        said("developer", "Be kind"), said("human", "a"), said("AI", "b"), said("function", "c"), said("bot", "d")
    )
    assert [turn.role for turn in example.turns] == ["system", "user", "assistant", "tool", "assistant"]


def test_typed_parts_are_joined():
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "value": "lo"}, "!"]
    assert messages(said("user", "Hi"), said("assistant", parts)).turns[1].content == "Hello!"


def test_weights_decide_what_is_learned():
    turns = messages(
        said("user", "a", loss_weight=1.0), said("assistant", "b", weight=0), said("user", "c", loss_weight=0.0),
        said("assistant", "d", loss_weight=0.5), said("user", "e"), said("assistant", "f"),
    ).turns  # fmt: skip
    assert [turn.trained for turn in turns] == [None, False, False, True, None, None]
    assert [turn.is_trained for turn in turns] == [False, False, False, True, False, True]


def test_turns_after_the_last_answer_are_dropped():
    assert messages(*HELLO, said("user", "Bye"), said("tool", "")) == PAIR


def test_a_system_column_comes_first_unless_the_conversation_has_its_own():
    assert messages(*HELLO, system="Be kind").turns[0] == Turn("system", "Be kind")
    assert messages(said("system", "Mine"), *HELLO, system="Be kind").turns[0] == Turn("system", "Mine")
    assert messages(said("system", ""), *HELLO, system=None) == PAIR
    row = {"conversations": SHARE, "system": "Be kind"}
    assert FORMATS["sharegpt"].example(row).turns[0] == Turn("system", "Be kind")


@pytest.mark.parametrize("tools", [[TOOL], json.dumps([TOOL])])
def test_tools_are_a_list_or_its_json(tools):
    assert messages(*HELLO, tools=tools).tools == (TOOL,)
    assert FORMATS["sharegpt"].example({"conversations": SHARE, "tools": tools}).tools == (TOOL,)
    assert messages(*HELLO, tools="").tools == ()


def test_tool_calls_become_the_text_of_the_turn():
    calls = [{"function": {"name": "add", "arguments": "{}"}}]
    turn = messages(said("user", "1+1?"), said("assistant", None, tool_calls=calls), said("tool", "2")).turns[1]
    assert json.loads(turn.content) == calls


def test_sharegpt_knows_tool_talk():
    talk = [("human", "1+1?"), ("function_call", '{"name": "add"}'), ("observation", "2"), ("gpt", "It is 2.")]
    row = {"conversations": [{"from": who, "value": what} for who, what in talk]}
    turns = FORMATS["sharegpt"].example(row).turns
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert [turn.is_trained for turn in turns] == [False, True, False, True]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "messages is empty"),
        ([said("user", "Hi")], "the conversation has no assistant turn"),
        ([said("user", "Hi"), said("asistant", "Hello")],
         "message 2 has the unknown role 'asistant' \\(did you mean 'assistant'\\?\\)"),
        ([said("user", "Hi"), said("assistant", None)], "message 2 \\(assistant\\) is null"),
        ([said("user", "Hi"), said("assistant", " ")], "message 2 \\(assistant\\) is empty"),
        ([said("user", ""), said("assistant", "x")], "message 1 \\(user\\) is empty"),
        ([said("user", 7), said("assistant", "x")], "message 1 \\(user\\) is int, not text"),
        ([{"content": "Hi"}], "message 1 has no role"),
        ([said(3, "Hi")], "the role of message 1 is not text: 3"),
        (["Hi"], "message 1 is not an object with role and content"),
        ([said("user", "Hi"), said("assistant", "x", weight=0)], "no turn is to be learned: all weights are 0"),
        ([said("user", "Hi"), said("assistant", "x", weight=-1)], "the weight of message 2 is -1, not a number from 0"),
        ([said("user", "Hi"), said("assistant", "x", weight="a lot")], "the weight of message 2 is 'a lot'"),
        ([said("user", [{"type": "image_url"}]), said("assistant", "x")],
         "message 1 \\(user\\) has a part of type 'image_url'; only text can be learned"),
        ([said("user", [{"type": "text"}]), said("assistant", "x")], "has a text part without text"),
    ],
)  # fmt: skip
def test_conversations_that_hold_no_example(items, reason):
    with pytest.raises(ValueError, match=reason):
        messages(*items)


@pytest.mark.parametrize(
    ("tools", "reason"),
    [("[{", "tools is not valid JSON"), ('{"a": 1}', "an object, not a list"), (["x"], "tool 1 is not")],
)
def test_tools_that_are_none(tools, reason):
    with pytest.raises(ValueError, match=reason):
        messages(*HELLO, tools=tools)


# Pairs and text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "text"), [(4, "4"), (4.0, "4"), (4.5, "4.5"), (True, "true"), (0, "0")])
def test_numeric_answers_are_written_as_text(answer, text):
    assert FORMATS["prompt-completion"].example({"prompt": "2+2?", "completion": answer}).turns[1].content == text


def test_answers_within_a_prompt_are_shown_and_not_learned():
    prompt = [said("user", "a"), said("assistant", "b"), said("user", "c")]
    turns = FORMATS["prompt-completion"].example({"prompt": prompt, "completion": "d"}).turns
    assert [turn.is_trained for turn in turns] == [False, False, False, True]


def test_alpaca_takes_a_system_column_and_a_history():
    row = {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]}
    assert FORMATS["alpaca"].example(row) == chat(
        ("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")
    )


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("alpaca", {"instruction": "a", "output": None}, "output is null"),
        ("alpaca", {"instruction": "a", "output": "\n"}, "output is empty"),
        ("alpaca", {"instruction": "", "output": "b"}, "instruction is empty"),
        ("alpaca", {"instruction": "a", "output": ["b"]}, "output is a list, not text"),
        ("alpaca", {"instruction": "a", "input": {"b": 1}, "output": "c"}, "input is an object, not text"),
        ("alpaca", {"output": "b", "x": 1}, "this row has no column 'instruction'; it has 'output', 'x'"),
        ("alpaca", {"instruction": "a"}, "no column 'output' or 'response' or 'answer' or 'completion'"),
        ("alpaca", {"instruction": "a", "output": "b", "history": ["x"]}, "entry 1 of history is not a pair"),
        ("prompt-completion", {"prompt": "a", "completion": None}, "completion is null"),
        ("prompt-completion", {"prompt": "a", "completion": float("nan")}, "completion is nan, not a number"),
        ("prompt-completion", {"prompt": None, "completion": "a"}, "prompt is null"),
        ("prompt-completion", {"completion": "a"}, "no column 'prompt' or 'question' or 'query'"),
        ("prompt-completion", {"prompt": "a", "completion": HELLO[:1]}, "no assistant turn"),
        ("sharegpt", {"conversations": [{"from": "human", "value": "x"}]}, "no assistant turn"),
        ("sharegpt", {"conversations": None}, "conversations is empty"),
        ("sharegpt", {"conversations": "hello"}, "conversations is not valid JSON"),
        ("messages", {"x": 1}, "this row has no column 'messages'"),
        ("text", {"text": " "}, "text is empty"),
        ("text", {"text": None}, "text is null"),
        ("text", {"text": ["a", 0, None]}, "part 3 of text is null"),
        ("text", {}, "this row has no column 'text' or 'content'; it has none"),
    ],
)
def test_rows_that_hold_no_example(name, row, reason):
    with pytest.raises(ValueError, match=reason):
        FORMATS[name].example(row)


def test_formats_import_nothing_heavy():
    code = (
        "import sys; from ftcore_plugins.formats import ftcore_dataset_formats as f;"
        "[s.factory.load()() for s in f()];"
        "print(sorted({'torch', 'pydantic', 'transformers', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_decimals_dates_and_times_are_text_as_they_are_written():
    import datetime
    from decimal import Decimal

    from ftcore_plugins.formats.prompt_completion import PromptCompletion

    cells = {
        Decimal("3.50"): "3.50",
        Decimal("1E+3"): "1000",
        datetime.date(2026, 1, 2): "2026-01-02",
        datetime.datetime(2026, 1, 2, 3, 4): "2026-01-02 03:04:00",
        datetime.time(3, 4): "03:04:00",
    }
    for cell, text in cells.items():
        row = {"prompt": "how much?", "completion": cell}
        made = PromptCompletion()
        assert made.recognises(row)
        assert made.example(row).turns[-1].content == text
