"""Models and data sets on the Hugging Face hub, by id and revision. Without the hub it says so; it never waits long."""

from ftcore import LoaderSpec, Ref, SourceSpec, hookimpl


@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(
        name="hub",
        summary="a model on the Hugging Face hub, by id and revision",
        argument="id",
        claims=Ref("ftcore_plugins.hub.claims:is_hub_id"),
        config=Ref("ftcore_plugins.hub.model_config:HubModelConfig"),
        factory=Ref("ftcore_plugins.hub.model:HubModel"),
    )


@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(
        name="hub",
        local=False,
        summary="a data set on the Hugging Face hub, by id and revision",
        argument="id",
        claims=Ref("ftcore_plugins.hub.claims:is_hub_data_id"),
        config=Ref("ftcore_plugins.hub.config:HubDataConfig"),
        factory=Ref("ftcore_plugins.hub.data:HubData"),
        packages=("datasets",),
    )
