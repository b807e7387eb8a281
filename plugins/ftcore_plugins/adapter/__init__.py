"""Bottleneck adapters: small networks behind or beside the frozen modules train. The front; `method.py` has the
behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="adapter",
        summary="small networks with a bottleneck train, beside or behind the frozen ones",
        config=Ref("ftcore_plugins.adapter.config:AdapterConfig"),
        factory=Ref("ftcore_plugins.adapter.method:Adapter"),
        heads=("lm", "score"),
        mergeable=False,  # between the two projections stands a nonlinearity
        # What LLM-Adapters takes for adapters of all these kinds on LLaMA, BLOOM and GPT-J
        # (https://arxiv.org/abs/2304.01933), and the middle of the rates that Houlsby et al. try, 3e-5 to 3e-3
        # (https://arxiv.org/abs/1902.00751), is 3e-4; small models and short runs gain from three times as much
        # (docs/explanation/measurements.md).
        defaults={"learning_rate": 1e-3},
    )
