"""The evaluators that come with ftcore: held-out loss, exact match, and samples to read."""

from ftcore import EvaluatorSpec, Ref, hookimpl


@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(
        name="exact-match",
        summary="share of held-out answers that equal the reference, spaces at both ends aside",
        metrics={"exact_match": "up"},
        percent=("exact_match",),
        generates=True,
        examples=("chat",),
        factory=Ref("ftcore_plugins.evaluation.evaluators:ExactMatch"),
        default=True,
    )
    yield EvaluatorSpec(
        name="loss",
        summary="the strategy's own loss on held-out rows, and the perplexity where the loss has one",
        metrics={"loss": "down", "perplexity": "down"},
        examples=("chat", "text"),
        factory=Ref("ftcore_plugins.evaluation.evaluators:Loss"),
        default=True,
    )
    yield EvaluatorSpec(
        name="samples",
        summary="what the model writes for the first held-out prompts, to be read by people",
        metrics={},
        generates=True,
        examples=("chat",),
        config=Ref("ftcore_plugins.evaluation.config:SamplesConfig"),
        factory=Ref("ftcore_plugins.evaluation.evaluators:Samples"),
        default=True,
    )
