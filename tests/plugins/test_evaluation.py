"""The evaluators and the generation behind them, on a tiny model that has really been through a run's first half."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import Interrupted
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.manager import PluginManager
from ftcore.run.announce import Announcer
from ftcore.run.check import check
from ftcore.run.folder import create
from ftcore.run.generate import MAX_ROWS, MAX_TOKENS, batches, prompts, stop_tokens
from ftcore.run.report import side_by_side
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from ftcore.types import ChatExample, Evaluation, Sample, TextExample, Turn
from ftcore_plugins.evaluation.config import SamplesConfig
from ftcore_plugins.evaluation.evaluators import ExactMatch, Loss, Samples

Start = Callable[..., Any]


@pytest.fixture
def start(tiny: Path, rows: Path, tmp_path: Path) -> Start:
    """A session as a run has it before its first step: `start(**flags)`."""

    def start_(**flags: Any) -> Any:
        from ftcore.run.build import build
        from ftcore.run.load import load

        manager = PluginManager.discover()
        chosen = {"model": str(tiny), "data": str(rows), "method": "lora", "out": str(tmp_path / "run")}
        chosen |= {"evaluate.max_new_tokens": 12, "evaluate.holdout": 6} | flags
        plan = check(resolve(manager, RunFile(), chosen), manager)
        return build(load(plan, manager, create(plan), Announcer(manager, [])))

    return start_


def one_by_one(session: Any) -> list[str]:
    """What the model writes for each prompt alone, without padding, cache or batch: the plainest greedy decoding."""
    import torch

    from ftcore.run.border import render_prompt

    answers = []
    for chat, _ in session.prompts():
        ids = session.tokenizer(render_prompt(chat.turns, (), session.tokenizer), add_special_tokens=False)["input_ids"]
        written: list[int] = []
        while len(written) < session.plan.evaluate.max_new_tokens:
            with torch.no_grad():
                logits = session.model(torch.tensor([ids + written])).logits[0, -1]
            if int(logits.argmax()) == session.tokenizer.eos_token_id:
                break
            written.append(int(logits.argmax()))
        answers.append(session.tokenizer.decode(written, skip_special_tokens=True))
    return answers


def test_batched_answers_are_those_of_plain_greedy_decoding(start: Start) -> None:
    session = start(**{"backend.precision": "fp32"})
    session.model.eval()
    expected = one_by_one(session)
    assert len(set(expected)) > 1
    assert [sample.output for sample in session.samples()] == expected


def test_samples_keep_prompt_and_reference_together(start: Start) -> None:
    session = start()
    for sample in session.samples():
        assert sample.prompt == f"say {sample.reference}"


def test_generation_leaves_the_model_as_it_was(start: Start) -> None:
    session = start()
    session.model.train()
    frozen = next(iter(session.model.modules())).get_base_model().model.layers[0]
    frozen.eval()
    before = [module.training for module in session.model.modules()]
    own = session.model.get_base_model().generation_config
    use_cache = session.model.config.use_cache
    session.samples()
    assert [module.training for module in session.model.modules()] == before
    assert session.model.get_base_model().generation_config is own
    assert session.model.config.use_cache is use_cache
    session.model(input_ids=session.model.dummy_inputs["input_ids"] % 200).logits.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in session.model.parameters())


def test_the_models_own_sampling_settings_do_not_matter(start: Start) -> None:
    session = start()
    plain = [sample.output for sample in session.samples()]
    config = session.model.get_base_model().generation_config
    config.do_sample, config.temperature, config.repetition_penalty = True, 5.0, 3.0
    session._samples = None
    assert [sample.output for sample in session.samples()] == plain


def test_progress_counts_to_the_number_of_prompts(start: Start) -> None:
    session = start()
    seen: list[Any] = []
    session.announcer.listen(seen.append)
    session.samples()
    assert [event.total for event in seen if isinstance(event, PhaseStarted)] == [6]
    done = [event.done for event in seen if isinstance(event, PhaseAdvanced)]
    assert done == sorted(done)
    assert done[-1] == 6


def test_a_signal_ends_generation_at_the_next_token(start: Start) -> None:
    session = start()
    session.stop_signal = 15
    with pytest.raises(Interrupted) as caught:
        session.samples()
    assert caught.value.exit_code == 143
    assert session._samples is None


def test_prompts_stop_before_the_last_learned_turn() -> None:
    talk = ChatExample(
        (Turn("system", "s"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"))
    )
    unlearned = ChatExample((Turn("user", "a"), Turn("assistant", "b"), Turn("assistant", "c", trained=False)))
    [(first, d), (second, b)] = prompts([talk, TextExample("plain"), ChatExample((Turn("assistant", "x"),)), unlearned])
    assert (first.turns, d) == (talk.turns[:4], "d")
    assert (second.turns, b) == (unlearned.turns[:1], "b")


def test_batches_hold_every_row_once_and_stay_within_the_bounds() -> None:
    lengths = [7, 4000, 12, 9000, 30_000] + [10] * 70
    found = list(batches(lengths, new_tokens=128))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        width = max(lengths[index] for index in batch) + 128
        assert len(batch) <= MAX_ROWS
        assert len(batch) * width <= MAX_TOKENS or len(batch) == 1
    assert found[0] == [4]


def test_an_answer_ends_where_the_template_ends_a_turn() -> None:
    """A base model's end-of-text token is not what ChatML ends turns with."""
    from ftcore.testing.tiny import tiny_model, tiny_tokenizer

    tokenizer, model = tiny_tokenizer(), tiny_model()
    tokenizer.eos_token = "<|endoftext|>"
    model.generation_config.eos_token_id = 0
    assert stop_tokens(model, tokenizer, "none") == [0]
    assert stop_tokens(model, tokenizer, "chat") == [0, tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_exact_match_is_the_share_of_equal_answers(start: Start) -> None:
    session = start()
    written = session.samples()
    assert ExactMatch().evaluate(session).metrics == {"exact_match": 0.0}
    # The model's own answers become the references of half of them: nothing about the answers is made up.
    half = [type(s)(s.prompt, f" {s.output}\n" if n % 2 else s.reference, s.output) for n, s in enumerate(written)]
    session._samples = (session.step, half)
    assert ExactMatch().evaluate(session).metrics == {"exact_match": 0.5}


def test_loss_is_the_strategys_and_perplexity_its_exponential(start: Start) -> None:
    import torch

    session = start()
    metrics = Loss().evaluate(session).metrics
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["loss"]))
    total = tokens = 0.0
    session.model.eval()
    for row in session.data.heldout:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
        with torch.no_grad():
            logits = session.model(ids).logits.float()
        total += float(torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], reduction="sum"))
        tokens += int((labels[0, 1:] != -100).sum())
    assert metrics["loss"] == pytest.approx(total / tokens, rel=0.02)


def test_perplexity_is_left_out_where_the_loss_is_no_likelihood(start: Start) -> None:
    assert set(Loss().evaluate(start(**{"strategy.loss": "dft"})).metrics) == {"loss"}


def test_samples_shows_the_first_few(start: Start) -> None:
    session = start()
    evaluation = Samples(SamplesConfig(count=2)).evaluate(session)
    assert evaluation.metrics == {}
    assert list(evaluation.samples) == session.samples()[:2]


def test_samples_stand_beside_what_was_answered_to_the_same_prompt():
    before = Evaluation({}, (Sample("a", "", "a1"), Sample("b", "", "b1"), Sample("b", "", "b2")))
    after = Evaluation({}, (Sample("b", "", "B1"), Sample("b", "", "B2"), Sample("c", "", "C")))
    found = side_by_side({"mine": before}, {"mine": after, "other": Evaluation({}, (Sample("a", "", "A"),))})
    assert [(s["prompt"], s["before"], s["after"]) for s in found] == [
        ("b", "b1", "B1"), ("b", "b2", "B2"), ("c", "", "C"), ("a", "", "A"),
    ]  # fmt: skip
