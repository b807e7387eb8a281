"""Models and a tokenizer made in memory, small enough that a test trains one in milliseconds. Nothing is downloaded.

They are random and know nothing: right for asking whether code is correct, wrong for asking whether a model improves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PAD, END = SPECIAL_TOKENS[0], SPECIAL_TOKENS[2]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

_DECODER = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": _DECODER,
    "mistral": {**_DECODER, "sliding_window": None},
    "qwen2": _DECODER,
    "qwen3": _DECODER,
    "gemma2": {**_DECODER, "sliding_window": 128},
    "phi": {**_DECODER, "num_key_value_heads": 4},
    "phi3": {**_DECODER, "original_max_position_embeddings": 512},
    "gpt_neox": {**_DECODER, "num_key_value_heads": 4},
    "gpt2": {
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 512,
        "resid_pdrop": 0,
        "embd_pdrop": 0,
        "attn_pdrop": 0,
    },
}
"""By transformers' `model_type`: the sizes that make it tiny. Widths are multiples of 64, the block of a 4-bit weight.
Nothing is dropped, so that two passes are equal."""


def tiny_model(architecture: str = "llama", seed: int = 0, tied: bool = True) -> PreTrainedModel:
    """A random causal language model of two blocks in float32, its head tied to its embedding as SmolLM's is.

    The same `architecture` and `seed` give the same weights, and the global random state is left as it was. Weights
    are five times as large as transformers draws them, so that the logits differ enough to tell models apart.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(
        architecture,
        vocab_size=256 + len(SPECIAL_TOKENS),
        tie_word_embeddings=tied,
        initializer_range=0.1,
        **tokens,
        **ARCHITECTURES[architecture],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with one token a byte, ChatML as its template, and turns that end in `<|im_end|>`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL_TOKENS[1],
        eos_token=END,
        pad_token=PAD,
        model_max_length=512,
        chat_template=CHAT_TEMPLATE,
    )


def save_tiny(folder: Path, architecture: str = "llama", seed: int = 0, tied: bool = True) -> Path:
    """Write `tiny_model` and `tiny_tokenizer` into `folder` as `from_pretrained` reads them; return the folder."""
    tiny_model(architecture, seed, tied).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return Path(folder)
