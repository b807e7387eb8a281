"""Every built-in dataset format keeps the contract of dataset formats."""

# ruff: noqa: RUF012 - rows are read, never changed

from ftcore.testing.formats import FormatContract

ASKED = {"role": "user", "content": "2 + 2?"}
ANSWERED = {"role": "assistant", "content": "4"}


class TestMessages(FormatContract):
    name = "messages"
    rows = [
        {"messages": [ASKED, ANSWERED]},
        {"messages": [{"role": "system", "content": "Be brief."}, ASKED, ANSWERED]},
    ]
    bad_rows = [{"messages": []}, {"messages": "2 + 2?"}, {"messages": [ASKED]}]


class TestShareGpt(FormatContract):
    name = "sharegpt"
    rows = [{"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]}]
    bad_rows = [{"conversations": []}, {"conversations": [{"from": "human", "value": "2 + 2?"}]}]


class TestAlpaca(FormatContract):
    name = "alpaca"
    rows = [{"instruction": "Add.", "input": "2 and 2", "output": "4"}, {"instruction": "Add 2 and 2.", "output": "4"}]
    bad_rows = [{"instruction": "Add.", "output": ""}, {"instruction": None, "output": "4"}]


class TestPromptCompletion(FormatContract):
    name = "prompt-completion"
    rows = [{"prompt": "2 + 2?", "completion": "4"}, {"question": "2 + 2?", "answer": "4"}]
    bad_rows = [{"prompt": "2 + 2?", "completion": "  "}, {"prompt": None, "completion": "4"}]


class TestText(FormatContract):
    name = "text"
    rows = [{"text": "Two and two make four."}, {"content": "Two and two make four."}]
    bad_rows = [{"text": ""}, {"text": None}]


class TestPreference(FormatContract):
    name = "preference"
    rows = [
        {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"},
        {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, {"role": "assistant", "content": "5"}]},
    ]
    bad_rows = [{"prompt": "2 + 2?", "chosen": "4", "rejected": ""}, {"prompt": None, "chosen": None, "rejected": "5"}]


class TestFeedback(FormatContract):
    name = "feedback"
    rows = [{"prompt": "2 + 2?", "completion": "4", "label": True}, {"messages": [ASKED, ANSWERED], "label": False}]
    bad_rows = [{"prompt": "2 + 2?", "completion": "", "label": True}, {"prompt": "?", "completion": "4", "label": "?"}]


class TestPrompt(FormatContract):
    name = "prompt"
    rows = [{"prompt": "2 + 2?"}, {"prompt": [ASKED]}]
    bad_rows = [{"prompt": ""}, {"prompt": None}]
