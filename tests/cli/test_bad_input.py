"""Wrong input of every kind: the exit code, a few plain lines, one fix to copy, and nothing left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Result, Terminal, echo_rows, write_rows
from tests.core.test_resume import plugin_file

USAGE, DATA, MODEL, RESOURCE, PLUGIN = 2, 3, 4, 5, 7

Try = Callable[..., Result]


@pytest.fixture
def attempt(ftcore: Terminal, tiny: Path, tmp_path: Path) -> Try:
    """`ftcore run` of two steps on the tiny model; what is given comes last and so decides."""
    write_rows(tmp_path / "rows.jsonl", echo_rows(24))

    def run(*more: object, model: object = tiny, data: object = "rows.jsonl") -> Result:
        chosen = ["--data", data] if data else []
        return ftcore(
            "run", "--model", model, *chosen, "--backend", "cpu", "--backend.precision", "fp32", "--train.steps", 2,
            "--train.batch_size", 4, "--train.max_length", 256, "--evaluators", "none", "--reporters", "metrics", *more,
        )  # fmt: skip

    return run


def refused(result: Result, code: int, *words: str) -> None:
    """The agreed form of a refusal, in a folder where no run was begun."""
    assert result.code == code, result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert 2 <= len(lines) <= 6, result.err
    assert lines[0].startswith("error: ")
    assert [line for line in lines if line.startswith("  try: ")] == [lines[-1]]
    assert lines[-1] != "  try: "
    assert "Traceback" not in result.err
    assert "has a bug" not in result.err
    for word in words:
        assert word in result.err
    begun = {"lock.json", "quarantine.jsonl", "rows.arrow"}
    assert not [path for path in Path().rglob("*") if path.name in begun], "no run folder is left behind"


def snapshot(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# The run file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modle: x\n", ["run.yaml:1:8: there is no key 'modle' (did you mean 'model'?)", "try: model: …"]),
        ("zzzz: x\n", ["there is no key 'zzzz'", "keys: model, data, method"]),
        ("method:\n  name: lora\n  rnak: 3\n", ["run.yaml:3:9", "did you mean 'method.rank'?", "--method.rank 3"]),
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
    ],
)
def test_a_wrong_run_file_names_the_place_and_the_fix(ftcore: Terminal, tmp_path: Path, text: str, words: list[str]):
    (tmp_path / "run.yaml").write_text(text)
    refused(ftcore("run", "run.yaml"), USAGE, *words)


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


# The command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--train.epohcs", "2"], ["there is no option --train.epohcs (did you mean --train.epochs?)"]),
        (["--method.zzz", "2"], ["there is no option --method.zzz", "settings here: --method.rank"]),
        (["--methd", "lora"], ["there is no option --methd (did you mean --method?)"]),
        (["--train.steps", "many"], ["--train.steps", "'many'", "try: ftcore run --help"]),
        (["--method.rank", "wide"], ["--method.rank", "'wide'", "try: ftcore explain lora"]),
        (["--train.learning_rate", "inf"], ["train.learning_rate is not a finite number"]),
        (["--train.steps"], ["'--train.steps' requires an argument"]),
        (["--method", "sft"], ["sft is an alignment strategy, not a tuning method", "try: --strategy sft"]),
        (["--strategy", "lora"], ["lora is a tuning method, not an alignment strategy", "try: --method lora"]),
        (["--method", "lroa"], ["there is no tuning method 'lroa' (did you mean 'lora'?)", "try: --method lora"]),
        (["--backend", "gpu"], ["there is no hardware backend 'gpu'", "installed: cpu, cuda"]),
        (["--train.micro_batch_size", 3], ["3 does not divide train.batch_size 4", "try: --train.micro_batch_size 1"]),
        (["--epochs", 2], ["there is no option --epochs (did you mean --train.epochs?)"]),
        (["--data.columns", "prompt"], ["'prompt' should be written KEY=VALUE"]),
        (["--method.targets", "q_prj"], ["the model has no layer 'q_prj' (did you mean 'q_proj'?)"]),
        (["--train.optimizer", "adam_w"], ["there is no optimizer 'adam_w'"]),
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


# Where it goes --------------------------------------------------------------------------------------------------------


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
    assert "try: ftcore resume run, or choose another folder: --out run-2" in result.err
    assert snapshot(tmp_path / "run") == before


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


# Data -----------------------------------------------------------------------------------------------------------------


def test_a_missing_file_offers_its_neighbour(attempt: Try):
    refused(attempt(data="rosw.jsonl"), DATA, "there is no such file (did you mean 'rows.jsonl'?)", "--data rows.jsonl")
    refused(attempt("--data", "absent.csv"), DATA, "absent.csv: there is no such file")


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


# Models ---------------------------------------------------------------------------------------------------------------


def only_pickle(folder: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (folder / "model.safetensors").write_text(text)


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink(missing_ok=True)


def an_adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "../tiny"}')


def needs_code(folder: Path) -> None:
    changed(folder, auto_map={"AutoModelForCausalLM": "model.Mine"})


def other_sizes(folder: Path) -> None:
    changed(folder, hidden_size=128)


def half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def changed(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (only_pickle, ["only as a pickle (pytorch_model.bin)", "save_pretrained"]),
        (pointer, ["model.safetensors is a git-lfs pointer", "try: git lfs pull"]),
        (half, ["model.safetensors is cut short"]),
        (no_tokenizer, ["holds no tokenizer (looked for tokenizer.json"]),
        (an_adapter, ["is an adapter, not a model; its base model is ../tiny", "try: --model ../tiny"]),
        (needs_code, ["needs code from the model's author (config.json: auto_map)"]),
        (other_sizes, ["its weights have other shapes than config.json says"]),
    ],
)
def test_a_model_folder_that_cannot_be_used_says_why(
    attempt: Try, tiny: Path, tmp_path: Path, break_it: Callable[[Path], None], words: list[str]
):
    shutil.copytree(tiny, tmp_path / "broken")
    break_it(tmp_path / "broken")
    refused(attempt("--out", "run", model="./broken"), MODEL, *words)
    assert not (tmp_path / "run").exists()


def test_a_model_folder_that_is_not_there(attempt: Try):
    refused(attempt(model="./absent"), MODEL, "there is no folder ./absent", "try: --model PATH/TO/FOLDER")


def test_a_tokenizer_of_another_model_is_noticed_before_training(attempt: Try, tiny: Path, tmp_path: Path):
    shutil.copytree(tiny, tmp_path / "mixed")
    path = tmp_path / "mixed" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer["added_tokens"].append({"id": 259, "content": "<|new|>", "special": True, **flags})
    path.write_text(json.dumps(tokenizer))
    assert attempt(model="./mixed").code == 0, "as long as no row uses it"
    write_rows(tmp_path / "new.jsonl", [{"prompt": f"<|new|> {n}", "completion": "x"} for n in range(9)])
    result = attempt("--out", "run", model="./mixed", data="new.jsonl")
    refused_in(tmp_path / "run", result, MODEL, "the rows hold the token 259, but the model has 259 embeddings")


def refused_in(folder: Path, result: Result, code: int, *words: str) -> None:
    """As `refused`, where an earlier run of the same test stands beside."""
    assert result.code == code, result.err
    assert len(result.err.splitlines()) <= 6
    assert result.err.splitlines()[-1].startswith("  try: ")
    for word in words:
        assert word in result.err
    assert not folder.exists()


# What is missing ------------------------------------------------------------------------------------------------------


def test_a_backend_without_its_device(attempt: Try):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    refused(attempt("--backend", "cuda"), RESOURCE, "the backend 'cuda' is not usable here", "try: --backend auto")


NEEDY = """
from ftcore import MethodSpec, Ref, hookimpl

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="needy", summary="wants what nobody has", {facts}, factory=Ref("needy:Needy"),
                     defaults={{"learning_rate": 1e-3}})
"""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ('needs=("fp9",)', ["the method 'needy' needs fp9, which the backend cpu lacks", "try: --method lora"]),
        ('packages=("nowhere_to_be_found",)', ["needs the package nowhere_to_be_found", "try: pip install"]),
    ],
)
def test_a_method_that_needs_what_is_not_there(attempt: Try, tmp_path: Path, facts: str, words: list[str]):
    refused(attempt(*plugin_file(tmp_path, NEEDY.format(facts=facts)), "--method", "needy"), RESOURCE, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_to_be_found\n", ["ModuleNotFoundError: No module named 'nowhere_to_be_found'"]),
        ("def (\n", ["SyntaxError"]),
        ("raise SystemExit(3)\n", ["it called sys.exit(3) while loading"]),
        ("from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_method(): ...\n", ["did you mean"]),
    ],
)
def test_a_plugin_file_that_does_not_load(ftcore: Terminal, tmp_path: Path, text: str, words: list[str]):
    result = ftcore("list", *plugin_file(tmp_path, text))
    assert result.code == PLUGIN
    assert ".py: the plugin does not load: " in result.err
    for word in words:
        assert word in result.err
    assert len(result.err.splitlines()) <= 6


# Runs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [["resume"], ["chat"], ["merge"], ["report"]])
def test_a_folder_that_is_no_run(ftcore: Terminal, tmp_path: Path, line: list[str]):
    (tmp_path / "holiday").mkdir()
    for folder in ("holiday", "absent"):
        refused(ftcore(*line, folder), USAGE, f"error: {folder}: ")


def test_a_finished_run_is_not_resumed(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    before = snapshot(tmp_path / "run")
    result = ftcore("resume", "run")
    assert result.code == USAGE
    assert "the run is finished; there is nothing to resume" in result.err
    assert snapshot(tmp_path / "run") == before


@pytest.fixture
def unfinished(attempt: Try, tmp_path: Path) -> Path:
    """A run that has everything but its end."""
    assert attempt("--out", "run", "--checkpoints.every", 1).code == 0
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "report.json").unlink()
    return tmp_path / "run"


def test_an_unfinished_run_has_nothing_to_talk_to(unfinished: Path, ftcore: Terminal):
    for line in (["chat", "run", "--prompt", "a"], ["merge", "run"], ["report", "run"]):
        result = ftcore(*line)
        assert result.code == USAGE
        assert "  try: ftcore resume run" in result.err
    assert not (unfinished / "merged").exists()


def test_a_run_whose_data_changed_does_not_go_on(unfinished: Path, ftcore: Terminal, tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", echo_rows(25))
    before = {name: value for name, value in snapshot(unfinished).items() if name != "quarantine.jsonl"}
    result = ftcore("resume", "run")
    assert result.code == DATA
    assert "the data has changed since the run began" in result.err
    assert "try: start anew: ftcore run run/run.yaml --out run-2" in result.err
    assert before.items() <= snapshot(unfinished).items()


def test_a_run_whose_model_changed_does_not_go_on(attempt: Try, ftcore: Terminal, tiny: Path, tmp_path: Path):
    from ftcore.testing.tiny import save_tiny

    save_tiny(tmp_path / "base")
    assert attempt("--out", "run", model="./base").code == 0
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "report.json").unlink()
    save_tiny(tmp_path / "base", seed=1)
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "the model has changed since the run began" in result.err


def test_a_run_without_one_intact_checkpoint_says_so(unfinished: Path, ftcore: Terminal):
    for path in (unfinished / "checkpoints").glob("step-*/rng.json"):
        path.write_text("{}")
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "no checkpoint of this run is intact" in result.err
    assert "step-000002: rng.json has changed since it was written" in result.err
    assert "  try: start anew: ftcore run run/run.yaml --out run-2" in result.err


def test_a_damaged_lock_file_is_named(unfinished: Path, ftcore: Terminal):
    (unfinished / "lock.json").write_text("{")
    result = ftcore("resume", "run")
    assert result.code == MODEL
    assert "lock.json: the file is damaged" in result.err


def test_an_artifact_that_has_changed_is_not_used(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    path = tmp_path / "run" / "model" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for line in (["chat", "run", "--prompt", "a"], ["merge", "run"]):
        result = ftcore(*line)
        assert result.code == MODEL
        assert "adapter_model.safetensors has changed since it was written" in result.err
        assert "  try: train it anew: ftcore run run/run.yaml --out run-2" in result.err
    assert not (tmp_path / "run" / "merged").exists()


def test_a_merge_never_overwrites_and_wants_a_dtype(attempt: Try, ftcore: Terminal, tmp_path: Path):
    assert attempt("--out", "run").code == 0
    wrong = ftcore("merge", "run", "--dtype", "float33")
    assert wrong.code == USAGE
    assert "there is no dtype 'float33'" in wrong.err
    assert not (tmp_path / "run" / "merged").exists()
    (tmp_path / "there").mkdir()
    refused_twice = ftcore("merge", "run", "--out", "there")
    assert refused_twice.code == USAGE
    assert "  try: --out there-2" in refused_twice.err


def test_init_does_not_overwrite_and_needs_a_folder_to_write_to(ftcore: Terminal, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("method: lora\n")
    refused(ftcore("init", "mine.yaml"), USAGE, "the file is there already", "try: ftcore init mine-2.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "method: lora\n"
    result = ftcore("init", "mine.yaml/other.yaml")
    assert result.code == RESOURCE
    assert "the file cannot be written" in result.err
