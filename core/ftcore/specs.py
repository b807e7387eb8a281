"""The records that plugins yield: a name to type, one line of summary, declared facts, and references.

A reference is text until somebody needs it, so that a plugin's front module imports neither torch nor pydantic and a
hundred plugins can be listed in milliseconds. Records hold facts, never behaviour: what a factory builds is described
in `ftcore.protocols`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ftcore.declared import Declared, caller, must_fit
from ftcore.errors import FtcoreError, PluginError
from ftcore.loading.words import in_words, place, remedy

ExampleKind = Literal["chat", "text", "preference", "feedback", "prompt"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A lazy import, written `package.module:Name`.

    >>> Ref("json:loads").load()("[1]")
    [1]
    """

    target: str

    def __post_init__(self) -> None:
        must_fit(self)
        module, colon, name = self.target.partition(":")
        if not (module and colon and name):
            what = f"a Ref is written 'package.module:Name', not {self.target!r}"
            raise PluginError(what, where=caller(), fix="Ref('package.module:Name')")

    def load(self) -> Any:
        """What it names. Raises PluginError with the place, whatever the import raises: it is the plugin's code."""
        module, _, name = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (FtcoreError, KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            what = f"{self.target} does not load: {in_words(error)}"
            raise PluginError(what, where=place(error), fix=remedy(error)) from error
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Declared):
    """What all records share.

    `config` refers to a subclass of `ftcore.settings.Settings`, or is None when there is nothing to set; `factory` is
    called with an instance of it (or with no argument). `packages` are the import names that the component cannot do
    without; `extra` is the extra of ftcore, or the requirement, that installs them. `default` marks what is taken when
    the user names nothing (of evaluators and reporters: all that are marked); it counts for built-ins only.
    `defaults` are values for the `train` section that suit the component, such as a method's learning rate. Of every
    key that counts which the user gives, else the method's, which knows how its parameters learn, else the model's,
    else the data's (of several sources, the first's), else ftcore's own. A learning rate that the user leaves out is
    multiplied by the strategy's `learning_rate_scale`. `ftcore plan` says where each value came from.
    `relatives` are names of the same kind that people know and may type, whether or not anybody offers them here.

    A record made with a value that a field does not take raises PluginError, which names the line.
    """

    name: str
    summary: str
    factory: Ref
    config: Ref | None = None
    packages: tuple[str, ...] = ()
    extra: str | None = None
    default: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    relatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec(Spec):
    """A tuning method: which parameters train. The factory builds a `TuningMethod`.

    - `needs`: words that the backend's capabilities must contain, such as `nf4`.
    - `trains_base`: the base model's own weights are updated, so they are held in full precision; never with `adapter`.
    - `artifact`: `adapter` (small, needs the base model) or `model` (stands alone).
    - `mergeable`: `merge` can fold the change into the base weights.
    - `switchable`: `disabled` gives the base model back, so that it can serve as the reference model.
    - `gives_way`: keys of `defaults` that a model's or a data source's replace, for a value that hangs on them.
    - `heads`: the heads that it can tune a model under. With `score` among them it trains the new head of a reward
      model besides, and saves it.
    """

    needs: tuple[str, ...] = ()
    trains_base: bool = False
    artifact: Literal["adapter", "model"] = "adapter"
    mergeable: bool = True
    switchable: bool = True
    gives_way: tuple[str, ...] = ()
    heads: tuple[Literal["lm", "score"], ...] = ("lm",)

    def __post_init__(self) -> None:
        must_fit(self)
        if self.trains_base and self.artifact == "adapter":
            what = f"MethodSpec {self.name!r}: trains_base is True, and an adapter holds no weights of the base"
            raise PluginError(what, where=caller(), fix='artifact="model"')


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySpec(Spec):
    """An alignment strategy: toward what objective. The factory builds an `AlignmentStrategy`.

    - `examples`: the kinds of example that it learns from: `chat`, `text`, `preference`, `feedback`, `prompt`.
    - `needs_reference`: it compares with the untuned model.
    - `generates`: it lets the model write during training.
    - `needs_rewards`: it learns from what the run's reward functions say.
    - `learning_rate_scale`: times the learning rate that suits the method, or else the model or the data.
    - `head`: what stands on the model's body: `lm`, the language model's own, or `score`, one number for a whole text.
    """

    examples: tuple[ExampleKind, ...]
    needs_reference: bool = False
    generates: bool = False
    needs_rewards: bool = False
    learning_rate_scale: float = 1.0
    head: Literal["lm", "score"] = "lm"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec(Spec):
    """A dataset source: where rows come from. The factory builds a `DatasetSource`.

    On the command line `NAME:REST` chooses the source by name and puts REST into the setting `argument`. A bare
    reference goes to the first source whose `claims` (a function of the text) returns true; a number below 1 claims
    what no other source is surer of. Rows of a `local` source are read and judged once before anything heavy is
    imported; those of others only when the run needs them.
    """

    argument: str | None = None
    claims: Ref | None = None
    local: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSpec(Spec):
    """A dataset format: what a row means. The factory builds a `DatasetFormat` giving examples of kind `example`.

    Formats are asked in the order of `priority`, highest first, whether they recognise the columns.
    """

    example: ExampleKind
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec(Spec):
    """A hardware backend: on what. The factory builds a `HardwareBackend`.

    `auto` takes the available backend with the highest `priority`, unless a plugin's `ftcore_select_backend` decides.
    """

    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSpec(Spec):
    """A model loader: where weights and tokenizer come from. The factory builds a `ModelLoader`.

    `argument` and `claims` work as for `SourceSpec`.
    """

    argument: str | None = None
    claims: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSpec(Spec):
    """A reward function: how good is an answer? The factory builds a `Reward`.

    `needs_reference` says that it compares with a reference answer, so that rows without one are no use to it.
    `argument` and `claims` work as for `SourceSpec`.
    """

    argument: str | None = None
    claims: Ref | None = None
    needs_reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec(Spec):
    """An evaluator: is the tuned model better? The factory builds an `Evaluator`.

    `metrics` maps each number that it gives to `up` or `down`, the direction that is better.
    `percent` names those that are shares between 0 and 1 and read best as percentages.
    An evaluator that learns the names of its numbers only when it is asked says both in its `Evaluation` instead.
    `examples` are the kinds of held-out example that it can judge, none for one that brings questions of its own;
    `generates` says that it reads what the model writes, `needs_rewards` that it asks the run's reward functions, so
    that it is left out where the run names none.
    """

    metrics: Mapping[str, Literal["up", "down"]]
    percent: tuple[str, ...] = ()
    generates: bool = False
    needs_rewards: bool = False
    examples: tuple[ExampleKind, ...] = ("chat", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSpec(Spec):
    """An exporter: the form in which the result is written. The factory builds an `Exporter`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterSpec(Spec):
    """A reporter: who is told how the run goes. The factory builds a `Reporter`.

    `integration` names one of transformers' own logging integrations instead; then the factory is not called.
    """

    integration: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec(Declared):
    """A command of the command line, `ftcore NAME`. The factory refers to a `click.Command`, or to a group of them.

    It is no component of a run: no run file names it, and its settings are the options of its own line. The reference
    is imported when the command is typed; `summary` is what `ftcore --help` shows. A folder that holds a file of the
    name `resumes` is the command's own: `ftcore resume DIR` calls `ftcore NAME DIR`. So is a file with one of its
    `keys`, which a run file has not: `ftcore run FILE` says to type `ftcore NAME FILE`.
    """

    name: str
    summary: str
    factory: Ref
    resumes: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of component: the hook that offers it, the record that describes it, and the words for it."""

    name: str
    hook: str
    record: type[Spec]
    title: str
    plural: str
    question: str


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("model", "ftcore_model_loaders", LoaderSpec, "model loader", "loaders", "which model?"),
        Kind("data", "ftcore_dataset_sources", SourceSpec, "dataset source", "sources", "which examples?"),
        Kind("format", "ftcore_dataset_formats", FormatSpec, "dataset format", "formats", "what does a row mean?"),
        Kind("method", "ftcore_tuning_methods", MethodSpec, "tuning method", "methods", "which parameters train?"),
        Kind("strategy", "ftcore_alignment_strategies", StrategySpec, "alignment strategy", "strategies",
             "toward what objective?"),
        Kind("backend", "ftcore_hardware_backends", BackendSpec, "hardware backend", "backends", "on what?"),
        Kind("rewards", "ftcore_reward_functions", RewardSpec, "reward function", "rewards", "how good is an answer?"),
        Kind("evaluators", "ftcore_evaluators", EvaluatorSpec, "evaluator", "evaluators", "is it better?"),
        Kind("exporter", "ftcore_exporters", ExporterSpec, "exporter", "exporters", "in what form is it written?"),
        Kind("reporters", "ftcore_reporters", ReporterSpec, "reporter", "reporters", "who is told?"),
    )
}  # fmt: skip
"""Every kind of component, keyed by its name in the run file."""
