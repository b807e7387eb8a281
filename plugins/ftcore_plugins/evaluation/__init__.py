"""The evaluators that come with ftcore: held-out loss, exact match, preference, samples to read, the run's rewards."""

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
        examples=("chat", "text", "preference", "feedback"),
        factory=Ref("ftcore_plugins.evaluation.evaluators:Loss"),
        default=True,
    )
    yield EvaluatorSpec(
        name="preference",
        summary="share of held-out pairs whose chosen answer the model gives more, and by how much",
        metrics={"accuracy": "up", "margin": "up", "calibration_error": "down"},
        percent=("accuracy", "calibration_error"),
        examples=("preference",),
        factory=Ref("ftcore_plugins.evaluation.preference:Preference"),
        default=True,
    )
    yield EvaluatorSpec(
        name="samples",
        summary="what the model writes for the first held-out prompts, to be read by people",
        metrics={},
        generates=True,
        examples=("chat", "preference", "feedback", "prompt"),
        config=Ref("ftcore_plugins.evaluation.config:SamplesConfig"),
        factory=Ref("ftcore_plugins.evaluation.evaluators:Samples"),
        default=True,
    )
    yield EvaluatorSpec(
        name="rewards",
        summary="mean reward of held-out answers, by the functions that --rewards names",
        metrics={"reward": "up"},
        generates=True,
        needs_rewards=True,
        examples=("chat", "preference", "feedback", "prompt"),
        factory=Ref("ftcore_plugins.evaluation.evaluators:Rewards"),
        default=True,
    )
