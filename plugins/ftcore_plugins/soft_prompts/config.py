"""Settings of soft prompts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ftcore.settings import Settings


class _Words(Settings):
    """What settings that begin from words have in common."""

    text: str | None = None
    """The words that `init: text` begins from, repeated or cut to as many tokens as there are."""

    @model_validator(mode="after")
    def _has_words(self) -> Any:
        init = getattr(self, "init", None)
        if init == "text" and not (self.text or "").strip():
            raise ValueError("init text needs the text to begin from: --method.text 'Answer in JSON.'")
        if init != "text" and self.text is not None:
            raise ValueError("a text to begin from needs --method.init text")
        return self


class PromptConfig(_Words):
    """The model reads [P; E(x)] where it would read E(x): `tokens` trained vectors P before the embedded text."""

    tokens: Annotated[int, Field(gt=0)] = 20
    """Vectors before the text. Each costs as much time as a token of every row; beyond twenty they gain little
    (https://arxiv.org/abs/2104.08691, section 3.2)."""

    init: Literal["vocabulary", "text", "random"] = "vocabulary"
    """Where they start: `vocabulary` (common tokens, drawn at random), `text` (the words of `text`), or `random` (as
    widely spread as embeddings are)."""


class PTuningConfig(Settings):
    """As prompt tuning, but the vectors come out of a small network that trains with them."""

    tokens: Annotated[int, Field(gt=0)] = 20
    """Vectors before the text. Each costs as much time as a token of every row."""

    encoder: Literal["mlp", "lstm"] = "mlp"
    """The network: `mlp` (three layers), or `lstm` (two in each direction, then two layers), as in the paper."""

    width: Annotated[int | None, Field(gt=0)] = None
    """Width of the network's inner layers. Left out: that of the model."""


class PrefixConfig(_Words):
    """Every attention finds `tokens` trained keys and values before those of the text."""

    tokens: Annotated[int, Field(gt=0)] = 50
    """Keys and values before those of the text, in every block. They cost little time, and memory for each row."""

    init: Literal["vocabulary", "text", "zero", "random"] | None = None
    """Where they start: `vocabulary` or `text` (the keys and values of common tokens, or of the words of `text`),
    `zero`, or `random`. Left out: `vocabulary`, or `random` with a projection."""

    projection: Annotated[int | None, Field(gt=0)] = None
    """Let them come out of two layers of this inner width, which train with them, as the paper does against unsteady
    training. Left out: they train directly."""

    @model_validator(mode="after")
    def _fits_together(self) -> PrefixConfig:
        if self.projection and self.init in ("vocabulary", "text"):
            raise ValueError(f"a projection cannot begin from words; leave out init {self.init}")
        return self

    @property
    def start(self) -> str:
        """`init`, or what stands for it when it is left out."""
        return self.init or ("random" if self.projection else "vocabulary")


class AdaptionConfig(Settings):
    """In each of the upper blocks, attention to a trained prompt is added to attention to the text, times a gate that
    starts at zero."""

    tokens: Annotated[int, Field(gt=0)] = 10
    """Vectors in the prompt of a block (10 in the paper)."""

    layers: Annotated[int | None, Field(gt=0)] = None
    """Blocks that get a prompt, counted from the top. Left out: all but the first two, as in the paper."""
