"""The result as the rest of the ecosystem loads it: safetensors, JSON, tokenizer, model card."""

from ftcore import ExporterSpec, Ref, hookimpl


@hookimpl
def ftcore_exporters():
    yield ExporterSpec(
        name="safetensors",
        summary="safetensors, tokenizer, chat template and a model card",
        factory=Ref("ftcore_plugins.safetensors.exporter:Safetensors"),
        default=True,
    )
