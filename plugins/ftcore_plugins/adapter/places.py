"""Finds where adapters go: the chosen blocks of a decoder, and in each its attention and its MLP.

Looks at what the parts of a block are called, never at which architecture it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from torch import nn

from ftcore.errors import ModelError, UsageError
from ftcore.parameters import decoder_blocks

ATTENTION = ("self_attn", "attention", "attn")
MLP = ("mlp", "feed_forward", "feedforward", "ffn", "moe")


def chosen_blocks(model: nn.Module, layers: str | Sequence[int]) -> Iterator[tuple[int, nn.Module]]:
    """Numbers and blocks. Raises UsageError for a number that the model does not have."""
    blocks = decoder_blocks(model)
    numbers = range(len(blocks)) if isinstance(layers, str) else layers
    beyond = [number for number in numbers if number >= len(blocks)]
    if beyond or not numbers:
        raise UsageError(
            f"the model has {len(blocks)} blocks, 0 to {len(blocks) - 1}; "
            + (f"there is no block {in_words(beyond)}" if beyond else "none is chosen"),
            where="method.layers",
            value=in_words(numbers) or None,
            fix=f"--method.layers {in_words(n for n in numbers if n < len(blocks)) or 'all'}",
        )
    return ((number, blocks[number]) for number in numbers)


def attention_of(block: nn.Module, number: int) -> nn.Module:
    """The block's attention. Raises ModelError naming the block's parts when it has none, or several."""
    return _the_one("attention", _attentions(block), block, number)


def mlp_of(block: nn.Module, number: int) -> nn.Module:
    """The block's MLP, or its mixture of experts as a whole. Raises ModelError as `attention_of` does."""
    # `Qwen2MoeAttention` has the word of an MLP in its class's name, so an attention is none.
    attentions = _attentions(block)
    others = {name: part for name, part in _parts(block).items() if name not in attentions}
    return _the_one("MLP", _called(MLP, others), block, number)


def in_words(numbers: Iterable[int]) -> str:
    """`0-3,8` for 0, 1, 2, 3, 8."""
    words = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        words.append(f"{members[0]}-{members[-1]}" if len(members) > 1 else str(members[0]))
    return ",".join(words)


def _attentions(block: nn.Module) -> dict[str, nn.Module]:
    """Its attentions to its own tokens; one to an encoder's output is left alone."""
    return {name: part for name, part in _called(ATTENTION, _parts(block)).items() if "cross" not in name}


def _parts(block: nn.Module) -> dict[str, nn.Module]:
    """The block's children with weights, without its norms: `post_attention_layernorm` is no attention. A list or a
    sequence is none either, for it would take an adapter as one member more."""
    return {
        name: part
        for name, part in block.named_children()
        if not isinstance(part, (nn.ModuleList, nn.Sequential))
        and "norm" not in type(part).__name__.lower()
        and next(part.parameters(), None) is not None
    }


def _called(words: Sequence[str], parts: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The parts with such a name; or else those with one of the words in their names, or else in their classes'."""
    found: dict[str, nn.Module] = {}
    for matches in (
        lambda name, _: name in words,
        lambda name, _: any(word in name for word in words),
        lambda _, kind: any(word in kind for word in words),
    ):
        found = found or {
            name: part for name, part in parts.items() if matches(name.lower(), type(part).__name__.lower())
        }
    return found


def _the_one(kind: str, found: dict[str, nn.Module], block: nn.Module, number: int) -> nn.Module:
    if len(found) == 1:
        return next(iter(found.values()))
    parts = ", ".join(f"{name} ({type(part).__name__})" for name, part in block.named_children())
    several = f"several parts that could be its {kind}: {', '.join(found)}"
    raise ModelError(
        f"block {number}, a {type(block).__name__}, has {several if found else f'no part that is called {kind}'}",
        value=parts,
        fix="--method lora",
    )
