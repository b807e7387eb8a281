"""Whole sessions at the terminal, on a tiny model: what a user types, in the order in which it is typed."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import distributions
from tests.conftest import Terminal, echo_rows, write_rows

FAST = [
    "--backend", "cpu", "--backend.precision", "fp32", "--train.steps", "3", "--train.batch_size", "4",
    "--train.max_length", "256", "--evaluate.generate", "2", "--evaluate.max_new_tokens", "4",
]  # fmt: skip


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "when" not in line]


def adapter(run: Path) -> str:
    return hashlib.sha256((run / "model" / "adapter_model.safetensors").read_bytes()).hexdigest()


def test_from_the_list_of_methods_to_a_merged_model(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "lora" in ftcore("list", "methods").out
    assert "--method.rank" in ftcore("explain", "lora").out
    written = ftcore("init", "mine.yaml", "--model", tiny, "--data", rows, *FAST)
    assert written.code == 0, written.err
    assert written.out == "wrote mine.yaml; look at it, then: ftcore plan mine.yaml\n"
    planned = ftcore("plan", "mine.yaml")
    assert "format prompt-completion" in planned.out
    done = ftcore("run", "mine.yaml", "--out", "run")
    assert done.code == 0, done.err
    assert "result" in done.err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"run.yaml", "lock.json", "plan.json", "data.json", "metrics.jsonl", "checkpoints", "model",
                     "report.html", "report.json", "quarantine.jsonl"}  # fmt: skip
    assert "rows.arrow" not in names
    answer = ftcore("chat", "run", "--prompt", "say a1", "--max-new-tokens", 3)
    assert answer.code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("say b2\n\n"))
    talk = ftcore("chat", "run", "--system", "be brief", "--max-new-tokens", 3, "--temperature", "0.7")
    assert talk.code == 0
    assert talk.out.count("you> ") == 2
    merged = ftcore("merge", "run")
    assert merged.code == 0, merged.err
    assert (tmp_path / "run" / "merged" / "config.json").is_file()
    again = ftcore("report", "run")
    assert again.code == 0
    assert "loss" in again.err
    finished = ftcore("resume", "run")
    assert finished.code == 0
    assert "the run is finished already" in finished.err


def test_a_run_file_written_by_init_says_what_the_line_said_and_nothing_else(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path
):
    line = [
        "--model",
        tiny,
        "--data",
        rows,
        "--method",
        "qlora",
        "--method.rank",
        4,
        "--evaluate.generate",
        7,
        *FAST[:4],
    ]
    assert ftcore("init", "mine.yaml", *line).code == 0
    from_file = ftcore("plan", "mine.yaml", "--json").json["plan"]
    assert from_file == ftcore("plan", *line, "--json").json["plan"]
    text = (tmp_path / "mine.yaml").read_text()
    assert "  rank: 4\n" in text
    assert "  # alpha: " in text


def test_a_plan_says_whose_word_each_value_of_training_is(ftcore: Terminal, tiny: Path, rows: Path):
    line = ("plan", "--model", tiny, "--data", rows, "--method", "full", "--train.epochs", 2)
    shown = ftcore(*line).out
    assert "learning rate  5e-05 (from method full), cosine (from ftcore)\n" in shown
    assert "by default     batch_size 8, warmup 0.05, " in shown
    origins = ftcore(*line, "--json").json["origins"]
    assert (origins["train.learning_rate"], origins["train.batch_size"]) == ("method full", "ftcore")
    assert "train.epochs" not in origins


def test_the_output_of_plan_is_a_run_file(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path):
    line = [
        "--model",
        tiny,
        "--data",
        rows,
        "--method.rank",
        4,
        "--evaluators",
        "loss",
        "--reporters",
        "metrics",
        *FAST,
    ]
    (tmp_path / "planned.yaml").write_text(ftcore("plan", *line, "--yaml").out)
    assert ftcore("plan", "planned.yaml", "--yaml").out == ftcore("plan", *line, "--yaml").out
    assert ftcore("run", "planned.yaml", "--out", "from-plan").code == 0
    assert ftcore("run", *line, "--out", "from-line").code == 0
    assert losses(tmp_path / "from-plan") == losses(tmp_path / "from-line")
    assert adapter(tmp_path / "from-plan") == adapter(tmp_path / "from-line")


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_saved_run_file_repeats_the_run_to_the_last_bit(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path, method: str
):
    line = ["--model", tiny, "--data", rows, "--method", method, "--method.dropout", "0.1", *FAST]
    assert ftcore("run", *line, "--out", "first").code == 0
    assert ftcore("run", "first/run.yaml", "--out", "second").code == 0
    assert len(losses(tmp_path / "first")) == 3
    assert losses(tmp_path / "first") == losses(tmp_path / "second")
    assert adapter(tmp_path / "first") == adapter(tmp_path / "second")
    assert (tmp_path / "first" / "run.yaml").read_text() == (tmp_path / "second" / "run.yaml").read_text()
    other = ftcore("run", "first/run.yaml", "--train.seed", 7, "--out", "third")
    assert other.code == 0
    assert losses(tmp_path / "third") != losses(tmp_path / "first")


def test_a_flag_wins_over_the_run_file_wherever_it_stands(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "run.yaml").write_text("method: {name: lora, rank: 4, dropout: 0.1}\ntrain: {epochs: 2}\n")
    for line in (["--method.rank", 8, "run.yaml"], ["run.yaml", "--method.rank", 8], ["run.yaml", "--method.rank=8"]):
        plan = ftcore("plan", *line, "--json").json["plan"]
        assert (plan["method"]["rank"], plan["method"]["dropout"], plan["train"]["epochs"]) == (8, 0.1, 2)
    # Naming the same component keeps its settings, naming another drops them.
    assert ftcore("plan", "run.yaml", "--method", "lora", "--json").json["plan"]["method"]["rank"] == 4
    assert ftcore("plan", "run.yaml", "--method", "qlora", "--json").json["plan"]["method"]["rank"] == 16


def test_several_sources_are_weighed_and_accounted_for_one_by_one(ftcore: Terminal, tiny: Path, tmp_path: Path):
    write_rows(tmp_path / "a.jsonl", echo_rows(20))
    write_rows(tmp_path / "b.jsonl", [{"instruction": f"do {n}", "output": f"done {n}"} for n in range(10)])
    (tmp_path / "two.yaml").write_text(
        f"model: {tiny}\ndata:\n- {{name: files, path: a.jsonl, limit: 12}}\n"
        "- {name: files, path: b.jsonl, weight: 3}\nevaluate: {holdout: 4}\n"
    )
    done = ftcore("run", "two.yaml", *FAST, "--out", "run", "--evaluators", "none")
    assert done.code == 0, done.err
    first, second = json.loads((tmp_path / "run" / "data.json").read_text())["sources"]
    assert (first["source"], first["format"], first["read"]) == ("files:a.jsonl", "prompt-completion", 12)
    assert (second["source"], second["format"], second["read"]) == ("files:b.jsonl", "alpaca", 10)
    assert first["heldout"] + second["heldout"] == 4
    assert second["repeated"] == 2 * second["trained"]
    lock = json.loads((tmp_path / "run" / "lock.json").read_text())
    assert len(lock["data"]) == len(set(lock["data"])) == 2


def test_every_command_that_speaks_json_speaks_it(ftcore: Terminal, tiny: Path, rows: Path):
    line = ["--model", tiny, "--data", rows, *FAST]
    run = ftcore("run", *line, "--out", "run", "--json")
    assert run.json["folder"] == "run"
    assert run.json["artifact"]["verified"] is True
    assert run.json["training"]["steps"] == 3
    assert ftcore("plan", *line, "--json").json["precision"]["weights"] == "float32"
    assert set(ftcore("list", "--json").json) >= {"methods", "strategies", "backends"}
    assert {record["name"] for record in ftcore("list", "methods", "--json").json} >= {"full", "lora", "qlora"}
    assert ftcore("explain", "lora", "--json").json[0]["settings"]
    assert ftcore("hooks", "--json").json[0]["name"].startswith("ftcore_")
    assert ftcore("hooks", "ftcore_after_step", "--json").json["signature"] == "(event: StepDone) -> None"
    assert ftcore("plugins", "list", "--json").json["problems"] == []
    assert ftcore("doctor", "--json").json["packages"]["torch"]
    assert ftcore("report", "run", "--json").json["data"]["read"] == 24
    assert ftcore("merge", "run", "--json").json["largest_difference"] <= 1e-3
    assert ftcore("data", "preview", *line[:4], "--json").json["account"]["read"] == 24
    assert ftcore("schema").json["title"] == "A run of ftcore"


def test_listings_for_people_name_what_there_is(ftcore: Terminal):
    everything = ftcore("list").out
    assert all(word in everything for word in ("methods", "strategies", "sources", "which parameters train?"))
    assert "ftcore_after_step" in ftcore("hooks").out
    hook = ftcore("hooks", "ftcore_tuning_methods").out
    assert hook.startswith("ftcore_tuning_methods() -> Iterable[MethodSpec]")
    assert "implemented by: " in hook
    assert "ftcore:lora" in hook
    assert re.search(r"^mergeable +bool +True$", hook, re.M)
    assert "  merge(self, model: nn.Module) -> PreTrainedModel" in hook
    assert "metrics  Mapping[str, float]" in ftcore("hooks", "ftcore_after_step").out
    parts = ftcore("hooks", "ftcore_evaluators", "--json").json
    assert [record["name"] for record in parts["records"]] == ["EvaluatorSpec", "Evaluation"]
    assert parts["protocols"][0]["methods"][0]["signature"] == "(self, session: Session) -> Evaluation"
    doctor = ftcore("doctor").out
    assert "All plugins work." in doctor
    assert "cpu" in doctor
    for line in (["list", "metods"], ["explain", "lroa"], ["hooks", "ftcore_after_stepp"]):
        result = ftcore(*line)
        assert result.code == 2
        assert "did you mean" in result.err


def test_a_plugin_that_is_broken_is_named_and_the_rest_works(
    ftcore: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = "from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_methods():\n    raise ValueError('not today')\n"
    distributions.install(tmp_path / "site", "grumpy", text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    for line in (["plugins", "list"], ["doctor"]):
        listed = ftcore(*line)
        assert listed.code == 0
        assert "ftcore_tuning_methods raised ValueError: not today" in listed.out
        assert "All plugins work." not in listed.out
    without = ftcore("list", "methods", "--no-plugin", "lora", "--json").json
    assert "lora" not in {record["name"] for record in without}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_back(ftcore: Terminal, shell: str):
    script = ftcore("completion", shell)
    assert script.code == 0
    assert f"_FTCORE_COMPLETE={shell}_complete" in script.out


def test_completion_knows_commands_options_and_names(shell: Terminal):
    def complete(words: str) -> set[str]:
        env = {"_FTCORE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        return {line.partition(",")[2] for line in shell(env=env).out.splitlines()}

    assert {"run", "resume", "report"} <= complete("ftcore r")
    assert {"lora", "qlora"} <= complete("ftcore run --method ")


def test_a_listing_into_a_pipe_that_closes_early_ends_quietly():
    line = f"{shlex.quote(sys.executable)} -m ftcore schema | head -c 20"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("{")
    assert done.stderr == ""


# The schema -----------------------------------------------------------------------------------------------------------


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """The part of JSON Schema that run files need; an unknown word in a schema is an error here."""
    known = {
        "$schema", "$defs", "title", "description", "default", "type", "properties", "required", "additionalProperties",
        "items", "anyOf", "const", "enum", "minimum", "exclusiveMinimum", "exclusiveMaximum", "maximum", "minLength",
        "minItems",
    }  # fmt: skip
    assert not schema.keys() - known, schema.keys() - known
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    if "anyOf" in schema:
        return any(valid(value, one, root) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if "type" in schema and (
        not isinstance(value, kinds[schema["type"]]) or (value is True and schema["type"] != "boolean")
    ):
        return False
    if isinstance(value, dict):
        extra = schema.get("additionalProperties", True)
        fields = schema.get("properties", {})
        return all(key in value for key in schema.get("required", [])) and all(
            valid(item, fields[key], root)
            if key in fields
            else extra
            if isinstance(extra, bool)
            else valid(item, extra, root)
            for key, item in value.items()
        )
    if isinstance(value, list):
        return all(valid(item, schema.get("items", {}), root) for item in value)
    if isinstance(value, (int, float)):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value) and schema.get(
            "exclusiveMinimum", value - 1
        ) < value < schema.get("exclusiveMaximum", value + 1)
    return True


def test_the_schema_accepts_what_runs_and_rejects_what_does_not(ftcore: Terminal, rows: Path):
    import yaml

    schema = ftcore("schema").json
    for line in ([], ["--data", rows, "--method", "full"], ["--method", "qlora", "--evaluators", "none"]):
        run_file = yaml.safe_load(ftcore("plan", *line, "--yaml").out)
        assert valid(run_file, schema, schema), line
    assert valid({"method": "lora", "data": "rows.jsonl", "evaluators": ["loss"]}, schema, schema)
    assert valid({"method": {"rank": 8}}, schema, schema), "the default component may go unnamed"
    for bad in (
        {"metod": "lora"},
        {"method": {"name": "lora", "rnak": 8}},
        {"method": {"name": "lora", "rank": "wide"}},
        {"method": {"name": "nobody"}},
        {"train": {"epochs": 0}},
        {"data": [{"name": "files", "path": "x", "wieght": 2}]},
        {"plugins": {"allwo": []}},
    ):
        assert not valid(bad, schema, schema), bad


# Looking at data ------------------------------------------------------------------------------------------------------


def test_a_preview_shows_what_is_learned_and_what_is_only_read(ftcore: Terminal, tiny: Path, rows: Path):
    shown = ftcore("data", "preview", "--model", tiny, "--data", rows, "--rows", 1)
    assert shown.code == 0
    assert "<|im_start|>user\nsay a0<|im_end|>\n<|im_start|>assistant\n⟦a0<|im_end|>\n⟧" in shown.out
    assert "── row 2" not in shown.out
    assert "files:rows.jsonl" in shown.out.replace(str(rows), "rows.jsonl")
    tokens = ftcore("data", "preview", "--model", tiny, "--data", rows, "--rows", 1, "--tokens").out.splitlines()
    kinds = Counter(line.split()[1] for line in tokens if line[:1].isdigit())
    record = ftcore("data", "preview", "--model", tiny, "--data", rows, "--rows", 1, "--json").json["rows"][0]
    learned = [token for token in record["tokens"] if token["learned"]]
    assert kinds == {"learned": len(learned), "·": len(record["tokens"]) - len(learned)}
    assert "".join(token["text"] for token in learned).startswith("a0<|im_end|>")


def test_a_lone_text_is_a_prompt_for_a_strategy_that_answers(ftcore: Terminal, tiny: Path, tmp_path: Path):
    write_rows(tmp_path / "ask.jsonl", ["Where is my parcel?", "May I pay later?"])
    look = ("data", "preview", "--model", tiny, "--data", "ask.jsonl", "--strategy", "grpo")
    assert "try: --data.columns prompt=value" in ftcore(*look).err
    # Rows can be looked at before a reward function is chosen.
    assert ftcore(*look, "--data.columns", "prompt=value").code == 0


def test_a_preview_needs_no_weights_and_leaves_nothing_behind(ftcore: Terminal, rows: Path, tmp_path: Path):
    from ftcore.testing.tiny import save_tiny

    save_tiny(tmp_path / "base")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert ftcore("data", "preview", "--model", "./base", "--data", rows).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_control_characters_of_a_row_do_not_drive_the_terminal(ftcore: Terminal, tiny: Path, tmp_path: Path):
    hostile = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r\x08end"
    write_rows(tmp_path / "h.jsonl", [{"prompt": f"a{n}", "completion": hostile} for n in range(4)])
    for how in ([], ["--tokens"], ["--json"]):
        shown = ftcore("data", "preview", "--model", tiny, "--data", "h.jsonl", *how)
        assert shown.code == 0
        assert not set(shown.out) & set("\x1b\x07\x9b\u202e\r\x08"), how
    assert "\\x1b[2J" in ftcore("data", "preview", "--model", tiny, "--data", "h.jsonl").out


def test_a_preview_of_bad_rows_is_refused_like_a_run(ftcore: Terminal, tiny: Path, tmp_path: Path):
    write_rows(tmp_path / "n.jsonl", [*echo_rows(3), {"prompt": "a", "completion": None}])
    assert ftcore("data", "preview", "--model", tiny, "--data", "n.jsonl").code == 3
    dropped = ftcore("data", "preview", "--model", tiny, "--data", "n.jsonl", "--data.bad_rows", "drop")
    assert dropped.code == 0
    assert "1 bad row" in dropped.out
