"""Every hook of ftcore, in the order in which a run comes to it.

1. Offering components: each hook is called once, when the command line starts, and yields records.
2. Policy: called while a plan is made.
3. Observing: called while a run goes on, with frozen events.

A plugin that raises in any of them is reported and left out; the others are still called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pluggy import HookspecMarker

from ftcore.specs import (
    BackendSpec,
    CommandSpec,
    EvaluatorSpec,
    ExporterSpec,
    FormatSpec,
    LoaderSpec,
    MethodSpec,
    ReporterSpec,
    RewardSpec,
    SourceSpec,
    StrategySpec,
)

if TYPE_CHECKING:
    from ftcore.events import CheckpointWritten, Evaluated, RunFailed, RunFinished, RunStarted, StepDone
    from ftcore.run.plan import Plan
    from ftcore.types import Finding, Hardware

hookspec = HookspecMarker("ftcore")


# 1. Offering components ---------------------------------------------------------------------------------------------


@hookspec
def ftcore_model_loaders() -> Iterable[LoaderSpec]:
    """Offer model loaders: where weights and tokenizer come from.

    Called once at the start. The loader builds a `ModelLoader`.

        @hookimpl
        def ftcore_model_loaders():
            yield LoaderSpec(name="bucket", summary="a model in our bucket", argument="key",
                             config=Ref("acme.bucket:Settings"), factory=Ref("acme.bucket:Loader"))
    """


@hookspec
def ftcore_dataset_sources() -> Iterable[SourceSpec]:
    """Offer dataset sources: where rows come from.

    Called once at the start. The source builds a `DatasetSource`, whose `rows` stream.

        @hookimpl
        def ftcore_dataset_sources():
            yield SourceSpec(name="squares", summary="numbers and their squares", factory=Ref("squares:Squares"))

        class Squares:
            def rows(self):
                for n in range(100):
                    yield Row({"prompt": f"{n} squared?", "completion": str(n * n)}, where=f"squares:{n}")

            def fingerprint(self):
                return "squares-1"
    """


@hookspec
def ftcore_dataset_formats() -> Iterable[FormatSpec]:
    """Offer dataset formats: what a row means.

    Called once at the start. The format builds a `DatasetFormat`; formats are asked by descending `priority` whether
    they recognise the columns of a file.

        @hookimpl
        def ftcore_dataset_formats():
            yield FormatSpec(name="faq", summary="columns faq and reply", example="chat", factory=Ref("faq:Faq"))

        class Faq:
            def recognises(self, row):
                return "columns faq and reply" if {"faq", "reply"} <= row.keys() else None

            def example(self, row):
                return ChatExample((Turn("user", row["faq"]), Turn("assistant", row["reply"])))
    """


@hookspec
def ftcore_tuning_methods() -> Iterable[MethodSpec]:
    """Offer tuning methods: which parameters train.

    Called once at the start. The method builds a `TuningMethod`; its declared facts are compared with the strategy's
    and the backend's before anything loads.

        @hookimpl
        def ftcore_tuning_methods():
            yield MethodSpec(name="bias", summary="train the biases only", trains_base=True, artifact="model",
                             switchable=False, factory=Ref("acme.bias:Bias"), defaults={"learning_rate": 1e-3})
    """


@hookspec
def ftcore_alignment_strategies() -> Iterable[StrategySpec]:
    """Offer alignment strategies: toward what objective.

    Called once at the start. It builds an `AlignmentStrategy`, whose `trainer` returns a transformers Trainer.

        @hookimpl
        def ftcore_alignment_strategies():
            yield StrategySpec(name="plain", summary="next-token loss on everything", examples=("chat", "text"),
                               factory=Ref("acme.plain:Plain"))
    """


@hookspec
def ftcore_hardware_backends() -> Iterable[BackendSpec]:
    """Offer hardware backends: on what the run computes.

    Called once at the start. The backend builds a `HardwareBackend`, which probes and places.

        @hookimpl
        def ftcore_hardware_backends():
            yield BackendSpec(name="npu", summary="our accelerator", priority=20, factory=Ref("acme.npu:Npu"))
    """


@hookspec
def ftcore_reward_functions() -> Iterable[RewardSpec]:
    """Offer reward functions: how good is an answer?

    Called once at the start. It builds a `Reward`. Strategies that learn from rewards ask it in training; every run
    may be judged by it (`--rewards NAME`).

        @hookimpl
        def ftcore_reward_functions():
            yield RewardSpec(name="short", summary="the shorter the better", factory=Ref("acme.short:Short"))

        class Short:
            def scores(self, samples):
                return [-len(sample.output) for sample in samples]
    """


@hookspec
def ftcore_evaluators() -> Iterable[EvaluatorSpec]:
    """Offer evaluators: is the tuned model better?

    Called once at the start. The evaluator builds an `Evaluator`, asked before and after training.

        @hookimpl
        def ftcore_evaluators():
            yield EvaluatorSpec(name="brevity", summary="mean length of the answers", metrics={"characters": "down"},
                                generates=True, examples=("chat",), factory=Ref("acme.brevity:Brevity"))

        class Brevity:
            def evaluate(self, session):
                lengths = [len(sample.output) for sample in session.samples()]
                return Evaluation({"characters": sum(lengths) / len(lengths)} if lengths else {})
    """


@hookspec
def ftcore_exporters() -> Iterable[ExporterSpec]:
    """Offer exporters: the form in which the result is written.

    Called once at the start. The exporter builds an `Exporter`.

        @hookimpl
        def ftcore_exporters():
            yield ExporterSpec(name="onnx", summary="an ONNX file", packages=("onnx",), factory=Ref("acme.onnx:Onnx"))
    """


@hookspec
def ftcore_reporters() -> Iterable[ReporterSpec]:
    """Offer reporters: who is told how the run goes.

    Called once at the start. The reporter builds a `Reporter`, which handles events.

        @hookimpl
        def ftcore_reporters():
            yield ReporterSpec(name="bell", summary="ring when a run ends", factory=Ref("acme.bell:Bell"))

        class Bell:
            def handle(self, event):
                if isinstance(event, RunFinished):
                    print("\\a", end="")
    """


@hookspec
def ftcore_commands() -> Iterable[CommandSpec]:
    """Offer commands: what else may be typed behind `ftcore`.

    Called once, when a line names no command of the core, or asks for help. The module with the command is imported
    when it is typed. The core's own commands cannot be displaced; of two plugins with one name, `plugin/name` chooses.

        @hookimpl
        def ftcore_commands():
            yield CommandSpec(name="greet", summary="Say hello.", factory=Ref("acme.greet:greet"))

        @click.command(help="Say hello to NAME.")
        @click.argument("name")
        def greet(name):
            click.echo(f"hello {name}")
    """


# 2. Policy ----------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def ftcore_select_backend(available: Mapping[str, Hardware]) -> str | None:
    """Choose the backend when the user said `auto`.

    Called with what each available backend found. The first plugin that returns a name decides; when all return None,
    the highest `priority` does.

        @hookimpl
        def ftcore_select_backend(available):
            return "cpu" if on_battery() else None
    """


@hookspec
def ftcore_plan_findings(plan: Plan) -> Iterable[Finding]:
    """Say what there is to say about a plan, before anything loads.

    Called after the core's own checks, with the whole plan. An `error` among the findings refuses the run.

        @hookimpl
        def ftcore_plan_findings(plan):
            if plan.train.learning_rate > 1e-2:
                yield Finding("warning", "that learning rate is above our house limit", "--train.learning_rate 2e-4")
    """


# 3. Observing -------------------------------------------------------------------------------------------------------


@hookspec
def ftcore_before_run(event: RunStarted) -> None:
    """Everything is loaded; training is next. Cannot stop the run.

    @hookimpl
    def ftcore_before_run(event):
        print(event.folder)
    """


@hookspec
def ftcore_after_step(event: StepDone) -> None:
    """An optimizer step is done. Cannot stop the run.

    @hookimpl
    def ftcore_after_step(event):
        print(event.step, event.metrics["loss"])
    """


@hookspec
def ftcore_after_evaluation(event: Evaluated) -> None:
    """The evaluators have spoken. Cannot stop the run.

    @hookimpl
    def ftcore_after_evaluation(event):
        print(event.when, event.results)
    """


@hookspec
def ftcore_after_checkpoint(event: CheckpointWritten) -> None:
    """A checkpoint is complete on disk. Cannot stop the run.

    @hookimpl
    def ftcore_after_checkpoint(event):
        copy_to_bucket(event.folder)
    """


@hookspec
def ftcore_after_run(event: RunFinished) -> None:
    """The artifact is verified and the report written.

    @hookimpl
    def ftcore_after_run(event):
        print(event.report["after"])
    """


@hookspec
def ftcore_on_run_error(event: RunFailed) -> None:
    """The run ended early. The error goes on to the user whatever happens here.

    @hookimpl
    def ftcore_on_run_error(event):
        send_mail(str(event.error))
    """
