"""What flows through a run before it becomes tensors: rows, examples, findings, samples.

All are frozen and import nothing heavy, so a plugin's front may use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ftcore.declared import Declared


@dataclass(frozen=True, slots=True)
class Row(Declared):
    """One row as a source read it. `where` finds it again: `train.jsonl:17`."""

    values: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True)
class BadRow(Declared):
    """A row that could not be read at all. `where` is as exact as can be: `train.jsonl:1017:42`."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `trained` decides whether its tokens are learned; by default only the assistant's are."""

    role: str
    content: str
    trained: bool | None = None

    @property
    def is_trained(self) -> bool:
        return self.role == "assistant" if self.trained is None else self.trained


@dataclass(frozen=True, slots=True)
class ChatExample:
    """A conversation, at least one turn of which is to be learned. Instructions are one-turn conversations.

    `tools` holds the tool descriptions (JSON schema dictionaries) that the chat template may show.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Mapping[str, Any], ...] = ()

    kind = "chat"


@dataclass(frozen=True, slots=True)
class TextExample:
    """Plain text, every token of which is learned (continued pre-training)."""

    text: str

    kind = "text"


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """Two answers to one prompt, of which somebody preferred one. `margin` says by how much, where that is known.

    A `prompt` without turns means that the two sides turned out to share none; such a row is counted and left out.
    """

    prompt: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    margin: float | None = None

    kind = "preference"


@dataclass(frozen=True, slots=True)
class FeedbackExample:
    """One answer that somebody called good or bad, by itself."""

    prompt: tuple[Turn, ...]
    answer: tuple[Turn, ...]
    good: bool
    tools: tuple[Mapping[str, Any], ...] = ()

    kind = "feedback"


@dataclass(frozen=True, slots=True)
class PromptExample:
    """A prompt that the model is to answer by itself; `reference` is the right answer, or empty where nobody knows."""

    prompt: tuple[Turn, ...]
    reference: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()

    kind = "prompt"


Example: TypeAlias = ChatExample | TextExample | PreferenceExample | FeedbackExample | PromptExample


@dataclass(frozen=True, slots=True)
class Finding(Declared):
    """Something that the checks have to say about a plan.

    An `error` stops the run before anything loads; a `warning` and a `note` are shown and kept in plan.json. An error
    that is `unsafe` could run somebody's code, and is refused as such (exit code 8).
    """

    level: Literal["error", "warning", "note"]
    message: str
    fix: str | None = None
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Secret(Declared):
    """The value of an environment variable that a component sends to an address, such as an API key.

    >>> Secret("JUDGE_API_KEY", "https://judge.example/v1")
    """

    variable: str
    url: str


@dataclass(frozen=True, slots=True)
class Sample(Declared):
    """What the model writes for one prompt, beside what it should write.

    `prompt` is the last message before the answer, `turns` the whole conversation up to it. `reference` is empty where
    nobody knows the right answer.
    """

    prompt: str
    reference: str
    output: str
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation(Declared):
    """What one evaluator says: named numbers and, if it likes, samples to look at.

    `better` and `percent` say of metrics whose names nobody knows beforehand what `EvaluatorSpec` says of the others.
    `table` has further numbers for the report that belong together in rows, all with the same names.
    """

    metrics: Mapping[str, float]
    samples: tuple[Sample, ...] = ()
    better: Mapping[str, Literal["up", "down"]] = field(default_factory=dict)
    percent: tuple[str, ...] = ()
    table: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Hardware(Declared):
    """What a backend found out about the machine, without loading a model.

    `capabilities` are the words that a method's `needs` are compared with: `bf16`, `fp16`, `nf4`, `flash-attention` …
    `reason` says why the backend is not `available`.
    """

    available: bool
    devices: tuple[str, ...] = ()
    memory_bytes: int = 0
    capabilities: frozenset[str] = field(default_factory=frozenset)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Precision(Declared):
    """The dtypes of a run, by torch's names: how weights are held, and in what the matmuls are done.

    `autocast` None means that computation is done in the dtype of the weights.
    """

    weights: str
    autocast: str | None = None
