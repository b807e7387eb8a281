"""Run files and command lines that are wrong: the place, what was meant, and one fix to copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.refusals import RESOURCE, USAGE, Try, refused, snapshot
from tests.conftest import Terminal, echo_rows, write_rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modle: x\n", ["run.yaml:1:8: there is no key 'modle' (did you mean 'model'?)", "try: model: …"]),
        ("zzzz: x\n", ["there is no key 'zzzz'", "keys: model, data, method"]),
        ("method:\n  name: lora\n  rnak: 3\n", ["run.yaml:3:9", "'method.rank'?", "try: rank: 3  # in its place"]),
        (
            "method: {name: full, rank: 8}\n",
            ["run.yaml:1:28", "no setting 'method.rank'", "try: name: lora, which has rank"],
        ),
        ("strategy: {name: simpo, gamma: 1}\n", ["run.yaml:1:32", "(did you mean 'strategy.margin'?)"]),
        ("method: {name: lora, zzz: 3}\n", ["run.yaml:1:27", "settings here: rank, alpha", "ftcore explain lora"]),
        ("train:\n  epohcs: 3\n", ["run.yaml:2:11", "did you mean 'train.epochs'?"]),
        (
            "data:\n- path: rows.jsonl\n  name: files\n  formt: text\n",
            ["run.yaml:4:10", "(did you mean 'format'?)", "try: format: text"],
        ),
        ("train:\n  steps: many\n", ["run.yaml:2:10: train.steps: input should be a valid integer", "'many'"]),
        ("train: 3\n", ["run.yaml:1:8: train is a group of settings"]),
        ("train:\n  learning_rate: -1\n", ["run.yaml:2:18", "greater than 0"]),
        ("train:\n  learning_rate: .inf\n", ["train.learning_rate is not a finite number"]),
        ("method: [lora\n", ["run.yaml:2:1: this is not YAML"]),
        ("method:\n\tname: lora\n", ["run.yaml:2:1: this is not YAML"]),
        ("model: a\nmodel: b\n", ["run.yaml:2:1: 'model' stands twice; it was first given at run.yaml:1:1"]),
        ("", ["run.yaml: the run file is empty", "ftcore init run.yaml"]),
        ("- a\n- b\n", ["run.yaml:1:1: a run file is a mapping"]),
        ("x: !!python/object/apply:os.system ['echo hi']\n", ["this is not YAML"]),
        ("method: [lora, full]\n", ["a run has one tuning method", "--method lora"]),
        ("data: []\n", ["a run needs data", "--data FILE"]),
        ("plugins: lora\n", ["run.yaml:1:10: plugins says which to allow and which to deny"]),
        ("plugins: {allwo: [x]}\n", ["plugins says which to allow"]),
        ("out: [a]\n", ["run.yaml:1:6: out is the name of a folder"]),
        ("method: qlora\nrank: 8\n", ["run.yaml:2:7: there is no key 'rank'", "try: method: {name: qlora, rank: 8}"]),
        ("epochs: 3\n", ["it is a setting of train", "try: train: {epochs: 3}"]),
        ("3: lora\n", ["there is no key '3'"]),
        ("strategy: {name: dpo, pref_beta: 0.2}\n", ["run.yaml:1:34", "try: beta: 0.2  # in its place"]),
        ("strategy: {name: dpo, loss: ip}\n", ["(did you mean 'ipo'?)", "try: loss: ipo  # in its place"]),
        ("method: {lora_r: 8}\n", ["did you mean 'method.rank'?", "try: rank: 8  # in its place"]),
        ("learning_rate: 1e-4\nlora_r: 8\nmodel_name_or_path: x\n",
         ["try: train: {learning_rate: 0.0001}", "run.yaml:2:9: there is no key 'lora_r'",
          "method: {name: lora, rank: 8}", "here it is 'model': model: x"]),
        ("warmup_steps: 10\n", ["it is a setting of train", "try: train: {warmup: …}"]),
        ("rewards: {length: {most: 5}}\n", ["run.yaml:1:10", "try: rewards: {name: length, most: 5}"]),
        ("rewards:\n- length: {most: 5}\n", ["run.yaml:2:1", "try: rewards: {name: length, most: 5}"]),
        ("method: {lora: {rank: 8}}\n", ["try: method: {name: lora, rank: 8}"]),
    ],
)  # fmt: skip
def test_a_wrong_run_file_names_the_place_and_the_fix(ftcore: Terminal, tmp_path: Path, text: str, words: list[str]):
    (tmp_path / "run.yaml").write_text(text)
    refused(ftcore("run", "run.yaml"), USAGE, *words)


@pytest.mark.parametrize(
    "line",
    [
        ["run.yaml"],
        ["--rewards", "judge", "--rewards.api-key", "sk-123"],
        ["--rewards", "judge", "--rewards.url_key", "sk-123"],
        ["--model-key", "sk-123"],
    ],
)
def test_no_error_repeats_a_secret(ftcore: Terminal, tmp_path: Path, line: list[str]):
    (tmp_path / "run.yaml").write_text("rewards: {judge: {api_key: sk-123, model: m}}\n")
    result = ftcore("plan", *line)
    assert result.code == USAGE
    assert "…" in result.err
    assert "sk-123" not in result.err


def test_a_run_file_in_another_encoding_is_named(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "run.yaml").write_bytes("out: café\n".encode("latin-1"))
    refused(ftcore("run", "run.yaml"), USAGE, "the run file cannot be read", "try: iconv -f latin1 -t utf-8 run.yaml")


def test_a_missing_run_file_says_how_to_write_one(ftcore: Terminal):
    refused(ftcore("run", "absent.yaml"), USAGE, "there is no such run file", "try: ftcore init run.yaml")


def test_a_key_with_nothing_behind_it_says_nothing(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "run.yaml").write_text("model:\ndata:\ntrain:\nevaluators:\nmethod: qlora\n")
    result = ftcore("plan", "run.yaml", "--json")
    assert result.code == 0, result.err
    assert result.json["plan"]["method"]["name"] == "qlora"
    assert result.json["plan"]["data"][0]["name"] == "demo"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--train.epohcs", "2"], ["there is no option --train.epohcs (did you mean --train.epochs?)"]),
        (["--strategy", "simpo", "--strategy.gamma", "1"], ["(did you mean --strategy.margin?)"]),
        (["--strategy", "orpo", "--strategy.lambda", "1"], ["(did you mean --strategy.strength?)"]),
        (["--method.zzz", "2"], ["there is no option --method.zzz", "settings here: rank, alpha"]),
        (["--method", "full", "--method.rank", 8], ["is a setting of the tuning method 'lora'", "try: --method lora"]),
        (["--method", "norms.py"], ["norms.py is a file", "try: --plugin norms.py --method norms"]),
        (["--method", "zzz"], ["there is no tuning method 'zzz'", "qlora", "vera\n"]),
        (["--plugins", "norms.py"], ["there is no option --plugins", "try: --plugin norms.py"]),
        (["--strategy.packing", "yes"], ["--strategy.packing takes no value", "try: --strategy.packing\n"]),
        (["--strategy.packing", "no"], ["value: no", "try: --no-strategy.packing\n"]),
        (["--strategy.packing=yes"], ["does not take a value", "try: --strategy.packing\n"]),
        (["--method.targets", "q_proj", "v_proj"], ["a list with commas", "try: --method.targets q_proj,v_proj\n"]),
        (["--method", "adalora", "--train.steps", 1], ["a run of 1 is too short", "try: --train.steps 20"]),
        (["--method", "freeze", "--method.patterns", "qproj"],
         ["no parameter is called 'qproj'", "lm_head.weight", "try: --method.patterns '*q_proj.weight'"]),
        (["--train.optimizer", "zzz"], ["there is no optimizer 'zzz'", "transformers has adamw_torch", "stable_adamw"]),
        (["--dry-run"], ["there is no option --dry-run\n"]),
        (["--methd", "lora"], ["there is no option --methd (did you mean --method?)"]),
        (["--train.steps", "many"], ["--train.steps", "'many'", "try: ftcore run --help"]),
        (["--method.rank", "wide"], ["--method.rank", "'wide'", "try: ftcore explain lora"]),
        (["--train.learning_rate", "inf"], ["train.learning_rate is not a finite number"]),
        (["--train.steps"], ["'--train.steps' requires an argument", "try: --train.steps VALUE"]),
        (["--method", "sft"], ["sft is an alignment strategy, not a tuning method", "try: --strategy sft"]),
        (["--strategy", "lora"], ["lora is a tuning method, not an alignment strategy", "try: --method lora"]),
        (["--method", "lroa"], ["there is no tuning method 'lroa' (did you mean 'lora'?)", "try: --method lora"]),
        (["--backend", "gpu"], ["there is no hardware backend 'gpu'", "installed: cpu, cuda"]),
        (["--train.micro_batch_size", 3], ["3 does not divide train.batch_size 4", "try: --train.micro_batch_size 1"]),
        (["--epochs", 2], ["there is no option --epochs (did you mean --train.epochs?)"]),
        (["--data.columns", "prompt"], ["'prompt' should be written KEY=VALUE"]),
        (["--method.targets", "q_prj"], ["the model has no layer 'q_prj' (did you mean 'q_proj'?)"]),
        (["--train.optimizer", "adam_w"], ["there is no optimizer 'adam_w'"]),
        (["--train.epohcs", "2"], ["try: ftcore run … --train.epochs 2\n"]),
        (["--strategy.packin"], ["try: ftcore run … --strategy.packing\n"]),
        (["--lora_r", 8], ["(did you mean --method.rank?)", "--method.rank 8\n"]),
        (["--lora-alpha=8"], ["no option --lora-alpha (did you mean --method.alpha?)", "--method.alpha 8\n"]),
        (["--method.r", 8], ["(did you mean --method.rank?)"]),
        (["--method", "vera", "--method.r", 8], ["(did you mean --method.rank?)"]),
        (["--method", "full", "--lora_r", 8], ["of the tuning method 'lora'", "--method lora --method.rank 8"]),
        (["--simpo_gamma", 1], ["the alignment strategy 'simpo'", "try: --strategy simpo --strategy.margin 1\n"]),
        (["--strategy", "simpo", "--strategy.simpo_gamma", 1], ["… --strategy.margin 1\n"]),
        (["--train.per_device_train_batch_size", 2], ["… --train.micro_batch_size 2\n"]),
        (["--gradient_accumulation_steps", 2], ["… --train.batch_size …\n"]),
        (["--train.save_steps", 2], ["… --checkpoints.every 2\n"]),
        (["--output_dir", "x"], ["… --out x\n"]),
        (["--strategy", "GRPOTrainer"], ["(did you mean 'grpo'?)"]),
        (["--strategy", "rm"], ["reward is its relative", "try: --strategy reward"]),
        (["--strategy", "dpo", "--strategy.loss", "kto_pair"], ["a strategy of its own", "try: --strategy kto"]),
        (["lora"], ["'lora' is no run file", "--method lora"]),
        (["a.yaml", "b.yaml"], ["a.yaml: there is no such run file"]),
        (["--plugin", "absent.py"], ["absent.py: there is no such plugin file"]),
        (["--plugin"], ["--plugin wants a value"]),
    ],
)  # fmt: skip
def test_a_wrong_command_line_says_what_was_meant(attempt: Try, line: list[object], words: list[str]):
    refused(attempt(*line), USAGE, *words)


def test_a_command_that_does_not_exist(ftcore: Terminal):
    refused(ftcore("rnu"), USAGE, "there is no command 'rnu' (did you mean 'run'?)")
    refused(ftcore("chat"), USAGE, "Missing argument 'RUN'", "try: ftcore chat --help")


def test_errors_for_programs_are_one_object_on_one_line(attempt: Try):
    for line in (["--json-errors"], ["--json-errors", "--train.steps", "many", "--train.epochs", "x"]):
        result = attempt(*line, data="absent.jsonl")
        [text] = result.err.splitlines()
        record = json.loads(text)
        assert record.keys() == {"error", "exit_code", "what", "where", "value", "fix", "more"}
        assert record["exit_code"] == result.code
        assert record["fix"]
        assert result.out == ""


def test_a_folder_with_something_in_it_is_never_touched(attempt: Try, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("four years")
    before = snapshot(tmp_path)
    refused(attempt("--out", "mine"), USAGE, "mine: the folder is not empty", "try: --out mine-2")
    assert snapshot(tmp_path) == before


def test_a_second_run_into_the_folder_of_the_first_is_refused(attempt: Try, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    before = snapshot(tmp_path / "run")
    result = attempt("--out", "run")
    assert result.code == USAGE
    assert "try: --out run-2\n" in result.err, "there is nothing to resume"
    assert snapshot(tmp_path / "run") == before
    (tmp_path / "run" / "report.json").unlink()
    assert "try: ftcore resume run, or choose another folder: --out run-2" in attempt("--out", "run").err


def test_runs_without_a_name_count_up(attempt: Try, tmp_path: Path):
    assert [attempt().code, attempt().code] == [0, 0]
    first, second = sorted((tmp_path / "runs").iterdir())
    assert second.name == f"{first.name}-2"


def test_a_folder_below_a_file_cannot_be_made(attempt: Try, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    refused(attempt("--out", "file/run"), RESOURCE, "file is a file, not a folder")
    refused(attempt("--out", "file"), USAGE, "never overwrites", "try: --out file-2")
    (tmp_path / "runs").write_text("not a folder")
    refused(attempt(), RESOURCE, "runs: the folder of the run cannot be made: Not a directory")


# init and plan --------------------------------------------------------------------------------------------------------


def test_init_writes_a_run_file_where_one_can_be(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("method: lora\n")
    refused(ftcore("init", "mine.yaml"), USAGE, "the file is there already", "try: ftcore init mine-2.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "method: lora\n"
    refused(ftcore("init", "mine.txt"), USAGE, "ends in .yaml", "try: ftcore init mine.yaml")
    refused(ftcore("init", "a/b/mine.yaml"), USAGE, "there is no such folder", "try: mkdir -p a/b")
    refused(ftcore("init", "mine.yaml/other.yaml"), RESOURCE, "the file cannot be written")


def test_init_leaves_to_the_defaults_what_nobody_asked_for(ftcore: Terminal, tmp_path: Path):
    assert ftcore("init", "run.yaml", "--train.steps", 3).code == 0
    written = yaml.safe_load((tmp_path / "run.yaml").read_text())
    assert written["train"] == {"steps": 3}
    assert written.keys() == {"model", "method", "strategy", "data", "train", "evaluate", "checkpoints"}
    assert ftcore("init", "cpu.yaml", "--backend", "cpu", "--reporters", "console").code == 0
    written = yaml.safe_load((tmp_path / "cpu.yaml").read_text())
    assert (written["backend"], written["reporters"]) == ({"name": "cpu"}, ["console"])


def test_plan_shows_the_run_at_a_glance(ftcore: Terminal, tiny: Path):
    write_rows(Path("rows.jsonl"), echo_rows(40))
    line = ["--model", tiny, "--data", "rows.jsonl", "--method.rank", 8, "--train.batch_size", 4]
    shown = ftcore("plan", *line, "--train.learning_rate", 3).out
    for words in (
        "36 to train on, 4 held out",
        "lora, rank 8",
        "about 9 of 4 rows",
        "runs/DATE-METHOD-STRATEGY",
        "warning: the learning rate 3 is far above the 0.0002 that suits lora  try: --train.learning_rate 0.0002",
    ):
        assert words in shown
    assert "2 of 4 rows, 0.22 epochs" in ftcore("plan", *line, "--train.steps", 2, "--out", "mine").out
