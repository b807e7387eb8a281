"""The data source `hub`: what counts as an id, what is refused, and what is said without the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from ftcore.errors import DataError, PolicyError, ResourceError, UsageError
from ftcore.types import Row
from ftcore_plugins.hub.claims import is_hub_data_id, is_hub_id
from ftcore_plugins.hub.config import HubDataConfig
from ftcore_plugins.hub.data import HubData
from tests.plugins.files_help import write
from tests.plugins.hub_server import COMMIT, serving


def hub(name, **settings):
    return HubData(HubDataConfig(id=name, **settings))


@pytest.mark.parametrize(
    ("text", "model", "data"),
    [
        ("owner/name", True, True),
        ("Owner-1/na.me_2", True, True),
        ("data/missing.jsonl", True, False),
        ("gpt2", False, False),
        ("./owner/name", False, False),
        ("/owner/name", False, False),
        ("../name", False, False),
        ("a/b/c", False, False),
        ("a b/c", False, False),
        ("owner/na..me", False, False),
        ("", False, False),
    ],
)
def test_bare_references_are_claimed_by_their_form(text, model, data):
    assert is_hub_id(text) is model
    assert is_hub_data_id(text) is data


def test_a_folder_of_that_name_is_not_the_hub(tmp_path, monkeypatch):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert is_hub_id("owner/name")
    monkeypatch.chdir(tmp_path)
    assert not is_hub_id("owner/name")


@pytest.mark.parametrize("name", ["json", "pandas", "CSV", "pickle", "parquet", "imagefolder", "tsfile", "buckets"])
def test_readers_of_files_are_refused_by_name(name):
    with pytest.raises(PolicyError, match="is a reader of files, not a data set on the hub"):
        hub(name).rows()


@pytest.mark.parametrize(
    "name", ["./data", "/etc", "~/x", "../x", "a b", "x/../y", "buckets/a/b", "hf://x/y", "a/b.py/c"]
)
def test_paths_and_addresses_are_refused(name):
    with pytest.raises(UsageError, match=r"not an id on the hub|is written OWNER/NAME"):
        hub(name).rows()


@pytest.mark.skipif(os.environ.get("HF_HUB_OFFLINE") != "1", reason="the hub is asked in the test below")
@pytest.mark.parametrize("ask", ["rows", "fingerprint"])
def test_without_the_hub_the_answer_is_quick_and_says_what_to_do(ask):
    start = time.monotonic()
    with pytest.raises(ResourceError, match="the hub cannot be reached") as caught:
        getattr(hub("openai/gsm8k"), ask)()
    assert time.monotonic() - start < 5
    assert caught.value.more == ("where it can: hf download openai/gsm8k --repo-type dataset --local-dir gsm8k",)
    assert caught.value.fix == "copy the data set here and use it as files: --data gsm8k"
    assert len(caught.value.lines()) <= 6


def test_an_unreachable_host_is_the_same_as_being_offline(monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ResourceError, match="the hub cannot be reached"):
        hub("openai/gsm8k").rows()


# With a hub -----------------------------------------------------------------------------------------------------------

ASK = """
import json, sys
from ftcore.errors import FtcoreError
from ftcore_plugins.hub.config import HubDataConfig
from ftcore_plugins.hub.data import HubData

for settings in json.loads(sys.argv[1]):
    source = HubData(HubDataConfig(**settings))
    try:
        rows = [[row.where, row.values] for row in source.rows()]
        print(json.dumps([rows, source.fingerprint()]))
    except FtcoreError as error:
        print(json.dumps([error.what, error.fix]))
"""


def test_rows_are_streamed_from_a_hub_and_never_from_a_folder_of_that_name(tmp_path):
    write(tmp_path, "owner/tiny/train.jsonl", '{"prompt": "from the folder"}\n')
    tiny = {"id": "owner/tiny"}
    asked = [tiny, {**tiny, "split": "test"}, {**tiny, "config_name": "main"}, {**tiny, "revision": "nosuch"},
             {"id": "owner/other"}]  # fmt: skip
    with serving({"README.md": "# tiny\n", "train.jsonl": '{"prompt": "a"}\n{"prompt": "b"}\n'}) as address:
        env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", ASK, json.dumps(asked)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [[["owner/tiny:train:1", {"prompt": "a"}], ["owner/tiny:train:2", {"prompt": "b"}]],
         f"hub:owner/tiny/train@{COMMIT}"],
        ["Bad split: test. Available splits: ['train']", "--data.split train"],
        ["BuilderConfig 'main' not found. Available: ['default']", "--data.config_name default"],
        ["there is no revision 'nosuch'", None],
        ["there is no such public data set on the hub", "hf auth login"],
    ]  # fmt: skip


@pytest.mark.network
def test_rows_come_from_one_commit(monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    source = hub("openai/gsm8k", config_name="main", split="test")
    first = next(source.rows())
    assert isinstance(first, Row)
    assert first.where == "openai/gsm8k:test:1"
    assert {"question", "answer"} <= first.values.keys()
    assert len(source.fingerprint().rpartition("@")[2]) == 40
    with pytest.raises(DataError, match="no such public data set"):
        hub("openai/there-is-no-such-thing").rows()
