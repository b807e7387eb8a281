"""Models on this machine: a folder as transformers saves it, a finished run, or a GGUF file. It downloads nothing."""

from ftcore import LoaderSpec, Ref, hookimpl


@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(
        name="gguf",
        summary="a GGUF file, unpacked once into a folder and loaded from there",
        argument="path",
        claims=Ref("ftcore_plugins.local.claims:is_gguf_file"),
        config=Ref("ftcore_plugins.local.config:GgufConfig"),
        factory=Ref("ftcore_plugins.local.gguf:Gguf"),
        packages=("gguf",),
        extra="gguf",
    )
    yield LoaderSpec(
        name="run",
        summary="the result of a finished run; an adapter is folded into its base model first",
        argument="path",
        claims=Ref("ftcore_plugins.local.claims:is_run"),
        config=Ref("ftcore_plugins.local.config:RunConfig"),
        factory=Ref("ftcore_plugins.local.run:Run"),
    )
    yield LoaderSpec(
        name="folder",
        summary="a folder as transformers saves it: config.json, safetensors, tokenizer",
        argument="path",
        claims=Ref("ftcore_plugins.local.claims:is_folder"),
        config=Ref("ftcore_plugins.local.config:FolderConfig"),
        factory=Ref("ftcore_plugins.local.folder:Folder"),
    )
