"""Which tokens are learned: exactly the text that follows a generation prompt, up to the end of the turn."""

from __future__ import annotations

import pytest

from ftcore.run.border import render_prompt
from ftcore.run.tokens import IGNORED, encode, ensure_template, unrolled
from ftcore.testing.tiny import tiny_tokenizer
from ftcore.types import ChatExample, TextExample, Turn


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def learned(encoded, tokenizer) -> list[str]:
    """The learned text, run by run."""
    runs, previous = [], IGNORED
    for label in encoded.labels:
        if label != IGNORED and previous == IGNORED:
            runs.append([])
        if label != IGNORED:
            runs[-1].append(label)
        previous = label
    return [tokenizer.decode(run) for run in runs]


def test_only_the_answer_is_learned_with_the_token_that_ends_it(tokenizer):
    example = ChatExample((Turn("system", "be brief"), Turn("user", "two?"), Turn("assistant", "2")))
    encoded = encode(example, tokenizer, 512)
    assert learned(encoded, tokenizer) == ["2<|im_end|>\n"]
    assert tokenizer.decode(encoded.input_ids).startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user")


def test_every_answer_of_a_conversation_is_learned(tokenizer):
    turns = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"))
    assert learned(encode(ChatExample(turns), tokenizer, 512), tokenizer) == ["b<|im_end|>\n", "d<|im_end|>\n"]


def test_a_turn_can_be_left_out_of_learning(tokenizer):
    turns = (Turn("user", "a"), Turn("assistant", "b", trained=False), Turn("user", "c"), Turn("assistant", "d"))
    assert learned(encode(ChatExample(turns), tokenizer, 512), tokenizer) == ["d<|im_end|>\n"]


def test_the_prompt_at_inference_is_the_text_before_what_was_learned(tokenizer):
    turns = (Turn("user", "two?"), Turn("assistant", "2"))
    encoded = encode(ChatExample(turns), tokenizer, 512)
    first = next(i for i, label in enumerate(encoded.labels) if label != IGNORED)
    assert tokenizer.decode(encoded.input_ids[:first]) == render_prompt(turns[:1], (), tokenizer, "chat")


def test_text_is_learned_whole_and_ends(tokenizer):
    encoded = encode(TextExample("once upon"), tokenizer, 512)
    assert learned(encoded, tokenizer) == ["once upon<|im_end|>"]
    assert encoded.num_trained == len("once upon")  # the first token is never predicted; the end token is


def test_without_a_template_prompt_and_answer_are_joined_as_they_are(tokenizer):
    example = ChatExample((Turn("user", "Q: two?\nA:"), Turn("assistant", " 2")))
    encoded = encode(example, tokenizer, 512, template="none")
    assert tokenizer.decode(encoded.input_ids) == "Q: two?\nA: 2<|im_end|>"
    assert learned(encoded, tokenizer) == [" 2<|im_end|>"]
    assert render_prompt(example.turns[:1], (), tokenizer, "none") == "Q: two?\nA:"


def test_without_a_template_a_conversation_is_refused(tokenizer):
    turns = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"))
    with pytest.raises(ValueError, match="one prompt and one answer"):
        encode(ChatExample(turns), tokenizer, 512, template="none")


def test_a_long_row_is_cut_at_the_end_and_says_so(tokenizer):
    example = ChatExample((Turn("user", "a"), Turn("assistant", "b" * 100)))
    encoded = encode(example, tokenizer, 64)
    assert len(encoded.input_ids) == len(encoded.labels) == 64
    assert encoded.is_cut
    assert encoded.num_trained > 0
    assert encode(example, tokenizer, 20).num_trained == 0


def test_a_literal_special_token_in_the_text_is_noticed(tokenizer):
    example = ChatExample((Turn("user", "a"), Turn("assistant", "b<|endoftext|>")))
    assert encode(example, tokenizer, 512).special_in_text
    assert not encode(ChatExample((Turn("user", "a"), Turn("assistant", "b"))), tokenizer, 512).special_in_text


def test_a_doubled_start_token_is_noticed():
    tokenizer = tiny_tokenizer()
    encoded = encode(TextExample("<|im_start|><|im_start|>x"), tokenizer, 512)
    assert encoded.doubled_bos
    assert not encode(TextExample("x"), tokenizer, 512).doubled_bos


def test_a_turn_that_the_template_rewrites_later_is_not_learned_and_counted():
    """Templates of reasoning models drop the thinking of earlier turns, so those turns differ inside a conversation."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]"
        "{{ m['content'].split('</think>')[-1] if not loop.last else m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    turns = (Turn("user", "a"), Turn("assistant", "hm</think>b"), Turn("user", "c"), Turn("assistant", "oh</think>d"))
    encoded = encode(ChatExample(turns), tokenizer, 512)
    assert encoded.unlearned == (1,)
    assert learned(encoded, tokenizer) == ["oh</think>d"]
    [(row, part)] = unrolled(ChatExample(turns), encoded.unlearned, tokenizer, 512)
    assert learned(row, tokenizer) == ["hm</think>b"]
    assert part.turns == (Turn("user", "a", trained=False), Turn("assistant", "hm</think>b", trained=True))
    assert list(unrolled(ChatExample(turns), encoded.unlearned, tokenizer, 5)) == [], "too long to teach anything"


def test_a_base_model_gets_a_plain_template_that_trains_the_end_token():
    tokenizer = tiny_tokenizer()
    assert not ensure_template(tokenizer)
    tokenizer.chat_template = None
    assert ensure_template(tokenizer)
    turns = (Turn("system", "s"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d"))
    encoded = encode(ChatExample(turns), tokenizer, 512)
    assert learned(encoded, tokenizer) == ["b<|im_end|>", "d<|im_end|>"]
    assert "### Instruction:\na" in tokenizer.decode(encoded.input_ids)


def test_labels_equal_those_of_trl(tokenizer):
    """An independent implementation: TRL's own preparation of a prompt-completion row."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from ftcore.testing.tiny import tiny_model

    row = {
        "prompt": [{"role": "user", "content": "what is two?"}],
        "completion": [{"role": "assistant", "content": "it is 2"}],
    }
    trainer = SFTTrainer(
        tiny_model(),
        SFTConfig(output_dir="unused", use_cpu=True, bf16=False, report_to=[]),
        train_dataset=Dataset.from_list([row]),
        processing_class=tokenizer,
    )
    ours = encode(ChatExample((Turn("user", "what is two?"), Turn("assistant", "it is 2"))), tokenizer, 512)
    assert trainer.train_dataset[0]["input_ids"] == ours.input_ids
    assert trainer.train_dataset[0]["labels"] == ours.labels
