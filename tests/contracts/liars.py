"""One component of each kind that works as long as nobody looks closely. Each breaks promises of its contract."""

import itertools
import os
from pathlib import Path

from ftcore import (
    BackendSpec,
    EvaluatorSpec,
    ExporterSpec,
    FormatSpec,
    LoaderSpec,
    MethodSpec,
    Ref,
    ReporterSpec,
    RewardSpec,
    SourceSpec,
    StrategySpec,
    hookimpl,
)
from ftcore.types import ChatExample, Evaluation, Hardware, Precision, Row, Turn

FTCORE_CHECK = {
    "format:lying-format": {"rows": [{"ask": "2 + 2?", "say": "4"}], "bad_rows": [{"ask": "2 + 2?", "say": ""}]}
}
CALLS = itertools.count()
"""What stands here changes with every call, as the time does."""


@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(name="lying-loader", summary="ignores what it is told", factory=Ref("liars:Loader"))


@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(name="lying-source", summary="other rows each time", factory=Ref("liars:Source"))


@hookimpl
def ftcore_dataset_formats():
    yield FormatSpec(name="lying-format", summary="takes anything", example="text", factory=Ref("liars:Format"))


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="lying-method", summary="trains more than it saves", trains_base=True, artifact="model",
                     factory=Ref("liars:Method"))  # fmt: skip


@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(name="lying-strategy", summary="an unguarded trainer", examples=("chat",),
                       factory=Ref("liars:Strategy"))  # fmt: skip


@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(name="lying-backend", summary="knows no dtype", priority=-1, factory=Ref("liars:Backend"))


@hookimpl
def ftcore_reward_functions():
    yield RewardSpec(name="lying-reward", summary="compares with its neighbours", factory=Ref("liars:Reward"))


@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(name="lying-evaluator", summary="says what it did not declare", metrics={"share": "up"},
                        percent=("share",), factory=Ref("liars:Evaluator"))  # fmt: skip


@hookimpl
def ftcore_exporters():
    yield ExporterSpec(name="lying-exporter", summary="leaves a pickle", factory=Ref("liars:Exporter"))


@hookimpl
def ftcore_reporters():
    yield ReporterSpec(name="lying-reporter", summary="knows runs that end well", factory=Ref("liars:Reporter"))


class Loader:
    def findings(self):
        return ()

    def tokenizer(self):
        from ftcore.testing.tiny import tiny_tokenizer

        return tiny_tokenizer()

    def model(self, **options):
        from ftcore.testing.tiny import tiny_model

        return tiny_model(seed=next(CALLS))

    def fingerprint(self):
        return f"at {next(CALLS)}"

    def name(self):
        return "tiny"


class Source:
    def rows(self):
        return [Row({"prompt": "?", "completion": str(next(CALLS))}, where="somewhere") for _ in range(3)]

    def fingerprint(self):
        return str(next(CALLS))


class Format:
    def recognises(self, row):
        return "it looks fine"

    def example(self, row):
        return ChatExample((Turn("user", row["ask"]), Turn("assistant", row["say"])))


class Method:
    def load_options(self):
        return {}

    def attach(self, model):
        return model

    def state(self, model):
        return {name: tensor for name, tensor in model.state_dict().items() if "mlp" in name}

    def load_state(self, model, state):
        model.load_state_dict(state, strict=False)

    def save(self, model, folder):
        model.save_pretrained(folder)


class Strategy:
    def trainer(self, session):
        from transformers import Trainer, TrainingArguments

        arguments = TrainingArguments(output_dir=str(session.folder), max_steps=2, report_to=[], use_cpu=True)
        return Trainer(model=session.model, args=arguments, train_dataset=session.data.train,
                       processing_class=session.tokenizer)  # fmt: skip


class Backend:
    def probe(self):
        return Hardware(available=True, devices=("one",))

    def precision(self, trains_base):
        return Precision("float12")

    def place(self):
        return {}

    def device(self):
        return "nowhere"

    def memory(self):
        return 0.5


class Reward:
    def scores(self, samples):
        best = max(len(sample.output) for sample in samples)
        return [len(sample.output) / best for sample in samples if sample.output]


class Evaluator:
    def evaluate(self, session):
        session.model.eval()
        return Evaluation({"share": 1.0 + next(CALLS), "unknown": float("nan")})


class Exporter:
    def export(self, session, folder: Path):
        import torch

        session.method.save(session.model, folder)
        torch.save({"a": torch.ones(2)}, folder / "more.pt")
        return [name for name in os.listdir(folder) if name.endswith(".safetensors")]


class Reporter:
    def handle(self, event):
        print(event.folder)
