"""A run to report on: a real plan of small parts, the events of a run, and its report. No model is involved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftcore.config import CheckpointSettings, DataSettings, EvaluateSettings, TrainSettings
from ftcore.manager import Plugin
from ftcore.run.plan import Choice, DataChoice, Plan
from ftcore.specs import (
    BackendSpec,
    EvaluatorSpec,
    ExporterSpec,
    LoaderSpec,
    MethodSpec,
    Ref,
    ReporterSpec,
    SourceSpec,
    StrategySpec,
)
from ftcore.types import Finding, Hardware, Precision

PLUGIN = Plugin("ftcore:test", "ftcore", "0.1.0", "test")
ANY = Ref("builtins:object")

FACTS: dict[str, Any] = {
    "start_step": 0,
    "trainable_parameters": 921_600,
    "total_parameters": 134_515_008,
    "train_rows": 320,
    "heldout_rows": 32,
    "train_tokens": 41_200,
    "trained_tokens": 12_300,
    "steps": 40,
    "device": "cpu",
    "precision": "bfloat16",
    "model": "demo",
    "learning_rate": 2e-4,
}


def plan(findings: tuple[Finding, ...] = (), **changed: Any) -> Plan:
    """A plan such as `ftcore run --method qlora` makes."""
    loss = EvaluatorSpec(name="loss", summary="", factory=ANY, metrics={"loss": "down", "perplexity": "down"})
    exact = EvaluatorSpec(
        name="exact-match", summary="", factory=ANY, metrics={"exact_match": "up"}, percent=("exact_match",)
    )
    parts: dict[str, Any] = {
        "model": _choice("model", LoaderSpec(name="demo", summary="the small model", factory=ANY)),
        "data": (DataChoice(_choice("data", SourceSpec(name="demo", summary="orders", factory=ANY)), DataSettings()),),
        "method": _choice("method", MethodSpec(name="qlora", summary="LoRA over four bits", factory=ANY)),
        "strategy": _choice(
            "strategy", StrategySpec(name="sft", summary="the next token", factory=ANY, examples=("chat",))
        ),
        "backend": _choice("backend", BackendSpec(name="cpu", summary="", factory=ANY)),
        "evaluators": (_choice("evaluators", exact), _choice("evaluators", loss)),
        "exporter": _choice("exporter", ExporterSpec(name="safetensors", summary="", factory=ANY)),
        "reporters": (_choice("reporters", ReporterSpec(name="html", summary="", factory=ANY)),),
        "train": TrainSettings(),
        "evaluate": EvaluateSettings(),
        "checkpoints": CheckpointSettings(),
        "out": None,
        "hardware": Hardware(available=True, devices=("cpu",)),
        "precision": Precision("bfloat16"),
        "findings": findings,
    }
    return Plan(**(parts | changed))


def _choice(kind: str, spec: Any) -> Choice[Any]:
    return Choice(kind, spec, None, PLUGIN)


def step_metrics(step: int, steps: int = 40) -> dict[str, float]:
    """Numbers of a step, deterministic, falling as a loss does."""
    loss = 2.3 * 0.9**step + 0.05 + 0.03 * ((step * 7) % 5 - 2)
    return {
        "loss": loss,
        "learning_rate": 2e-4 * (1 - (step - 1) / steps),
        "grad_norm": 0.4 + 1.5 / step,
        "tokens": 1030,
        "trained_tokens": 300,
        "seconds": 1.25,
        "memory_bytes": 1_250_000_000,
    }


def order(text: str, answer: str, before: str, after: str | None = None) -> dict[str, str]:
    return {"prompt": text, "reference": answer, "before": before, "after": answer if after is None else after}


SAMPLES = [
    order(
        "Two large oat lattes and one almond croissant for Priya, to go please.",
        '{"name": "Priya", "items": [{"item": "oat latte", "size": "large", "count": 2}, '
        '{"item": "almond croissant", "count": 1}], "to_go": true}',
        "Sure! Here is a summary of your order: two large oat lattes and an almond croissant. Would you like "
        "anything else with that today?",
    ),
    order(
        "Hi, it's Tom. One small espresso, I'll drink it here.",
        '{"name": "Tom", "items": [{"item": "espresso", "size": "small", "count": 1}], "to_go": false}',
        "Hello Tom! I'm glad to hear that you enjoy espresso.",
    ),
    order(
        "Could I get three medium flat whites? Name is Søren. Takeaway.",
        '{"name": "Søren", "items": [{"item": "flat white", "size": "medium", "count": 3}], "to_go": true}',
        "Of course! Three medium flat whites coming right up.",
        '{"name": "Soren", "items": [{"item": "flat white", "size": "medium", "count": 3}], "to_go": true}',
    ),
    order("A pot of green tea for Mei.", '{"name": "Mei", "items": [{"item": "green tea", "count": 1}]}', "Green tea!"),
]


def report(**changed: Any) -> dict[str, Any]:
    """The report of a run that went well. A key given as None is left out."""
    whole: dict[str, Any] = {
        "ftcore": "0.1.0",
        "started": "2026-03-02T09:30:00Z",
        "seconds": 210.3,
        "phases": {
            "loading the model": 3.2,
            "reading the data": 0.4,
            "judging the untuned model": 61.0,
            "training": 50.4,
            "judging the tuned model": 88.1,
            "writing the adapter": 1.9,
        },
        "plan": dict(plan().dump()),
        "findings": [
            {"level": "warning", "message": "no fast four-bit kernels on this processor", "fix": "--method lora"},
            {"level": "note", "message": "rows have 129 tokens on average", "fix": None},
        ],
        "facts": FACTS,
        "data": {
            "read": 360,
            "trained": 320,
            "heldout": 32,
            "dropped": {"the answer is empty": 5, "there is no user turn": 3},
            "sources": [
                {
                    "source": "demo",
                    "read": 360,
                    "trained": 320,
                    "heldout": 32,
                    "dropped": {"the answer is empty": 5, "there is no user turn": 3},
                    "format": "messages",
                    "format_reason": "a column messages with roles and contents",
                    "tokens": 41_200,
                    "trained_tokens": 12_300,
                    "cut": 2,
                }
            ],
        },
        "before": {"exact-match": {"exact_match": 0.0}, "loss": {"loss": 2.3104, "perplexity": 10.0785}},
        "after": {"exact-match": {"exact_match": 0.90625}, "loss": {"loss": 0.1205, "perplexity": 1.1281}},
        "better": {"exact-match": {"exact_match": "up"}, "loss": {"loss": "down", "perplexity": "down"}},
        "percent": {"exact-match": ["exact_match"]},
        "samples": SAMPLES,
        "training": {
            "steps": 40,
            "seconds": 50.4,
            "tokens_per_second": 817.5,
            "first_loss": 2.31,
            "final_loss": 0.0821,
            "peak_memory_bytes": 1_250_000_000,
        },
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
        "plugins": [
            {"key": "ftcore:qlora", "distribution": "ftcore", "version": "0.1.0"},
            {"key": "acme:latency", "distribution": "acme-ftcore", "version": "2.4.1"},
        ],
        "artifact": {
            "kind": "adapter",
            "files": [
                {"name": "adapter_model.safetensors", "bytes": 3_691_520, "sha256": "9f86d081884c7d65" * 4},
                {"name": "adapter_config.json", "bytes": 812, "sha256": "60303ae22b998861" * 4},
            ],
            "verified": True,
        },
    }
    return {key: value for key, value in (whole | changed).items() if value is not None}


HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> [bold]loud[/bold] \x1b[2J\u202eevil\x00'


def folder_with_metrics(folder: Path, steps: int = 40) -> Path:
    """The metrics.jsonl that the metrics reporter would have left."""
    from ftcore.events import Evaluated, RunStarted, StepDone
    from ftcore.types import Evaluation
    from ftcore_plugins.metrics.reporter import MetricsReporter

    reporter = MetricsReporter()
    reporter.handle(RunStarted(plan(), folder, FACTS))
    reporter.handle(Evaluated("before", 0, {"loss": Evaluation({"loss": 2.3104})}))
    for step in range(1, steps + 1):
        reporter.handle(StepDone(step, steps, step_metrics(step, steps)))
        if step % 10 == 0 and step < steps:
            during = {"loss": Evaluation({"loss": step_metrics(step)["loss"] + 0.04})}
            reporter.handle(Evaluated("during", step, during))
    reporter.handle(Evaluated("after", steps, {"loss": Evaluation({"loss": 0.1205})}))
    return folder
